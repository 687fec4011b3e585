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
    private readonly Dictionary<uint, string> _leaders = [];
    private int _used = 1;
    private int _next;
    private int _calls;

    /// <summary>The key to call for a group.</summary>
    public int Choose(uint group)
    {
        lock (_lock)
        {
            if (!_leaders.TryGetValue(group, out string? leader)) return TakeTurn();
            int key = Array.IndexOf(_leadsTo, leader, 0, _used);
            if (key >= 0) return key;
            return ++_calls % ExplorePeriod == 0 || _used < 4 ? Explore() : TakeTurn();
        }
    }

    /// <summary>Takes note of an answer: where the key led, and who leads the group.</summary>
    public void Learn(uint group, int key, string servedBy, string? leader)
    {
        lock (_lock)
        {
            _leadsTo[key] = servedBy;
            if (leader is not null) _leaders[group] = leader;
            else _leaders.Remove(group);
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
                if (i == key || (silo is not null && _leadsTo[i] == silo)) _leadsTo[i] = null;
        }
    }

    private int TakeTurn()
    {
        if (_used < 4) return Explore();
        _next = (_next + 1) % _used;
        return _next;
    }

    private int Explore()
    {
        if (_used < Keys) return _used++;
        _next = (_next + 1) % Keys;
        return _next;
    }
}
