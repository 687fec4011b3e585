namespace Orleans.Raft.Client;

/// <summary>
/// The ways into the cluster. Orleans sends all calls of a grain key by one gateway, so a key is a way in, and replies
/// tell to which silo it leads: calls for a group then enter by its leader's silo, which saves a hop. Any thread may
/// call it.
/// </summary>
internal sealed class Entrances
{
    /// <summary>Keys that are tried in turn; far more than gateways, so that new ones lead to gateways that came
    /// back.</summary>
    private const int Keys = 256;

    /// <summary>One call in so many explores a new key while none is known to lead where it should.</summary>
    private const int ExplorePeriod = 16;

    private readonly Lock _lock = new();
    private readonly string?[] _leadsTo = new string?[Keys];

    /// <summary>Keys that gave no answer when they were used last, or led where one gave none. They are left alone
    /// while there are others: each try of one costs as long as a try may take.</summary>
    private readonly bool[] _isSilent = new bool[Keys];
    private readonly Dictionary<uint, string> _leaders = [];

    /// <summary>Of each group: silos that could do nothing for it since it was served last.</summary>
    private readonly Dictionary<uint, HashSet<string>> _helpless = [];
    private int _used = 1;
    private int _next;
    private int _calls;

    /// <summary>The key to call for a group.</summary>
    public int Choose(uint group)
    {
        lock (_lock)
        {
            if (!_leaders.TryGetValue(group, out string? leader)) return TakeTurn(group);
            int key = Array.IndexOf(_leadsTo, leader, 0, _used);
            if (key >= 0) return key;
            return ++_calls % ExplorePeriod == 0 || _used < 4 ? Explore() : TakeTurn(group);
        }
    }

    /// <summary>Takes note of an answer: where the key led, and who leads the group.</summary>
    /// <param name="isHelpless">The silo could do nothing for the group, and knows nobody who can: it may be on the
    /// wrong side of a cut. Others are asked first.</param>
    public void Learn(uint group, int key, string servedBy, string? leader, bool isHelpless = false)
    {
        lock (_lock)
        {
            _leadsTo[key] = servedBy;
            _isSilent[key] = false;
            if (leader is not null) _leaders[group] = leader;
            else _leaders.Remove(group);
            if (!isHelpless) _helpless.Remove(group);
            else if (_helpless.TryGetValue(group, out HashSet<string>? silos)) silos.Add(servedBy);
            else _helpless[group] = [servedBy];
        }
    }

    /// <summary>Takes note that a key gave no answer: another is used next.</summary>
    public void Fail(uint group, int key)
    {
        lock (_lock)
        {
            string? silo = _leadsTo[key];
            _leaders.Remove(group);
            // Whatever other keys led there are doubtful too.
            for (int i = 0; i < _used; i++)
            {
                if (i != key && (silo is null || _leadsTo[i] != silo)) continue;
                _leadsTo[i] = null;
                _isSilent[i] = true;
            }
        }
    }

    private int TakeTurn(uint group)
    {
        if (_used < 4) return Explore();
        HashSet<string>? helpless = _helpless.GetValueOrDefault(group);
        for (int i = 0; i < _used; i++)
        {
            _next = (_next + 1) % _used;
            if (!_isSilent[_next] && !(_leadsTo[_next] is { } silo && helpless?.Contains(silo) == true)) return _next;
        }
        // All known ways were tried: from the beginning, and perhaps there is another.
        _helpless.Remove(group);
        return Explore();
    }

    private int Explore()
    {
        if (_used < Keys) return _used++;
        _next = (_next + 1) % Keys;
        return _next;
    }
}
