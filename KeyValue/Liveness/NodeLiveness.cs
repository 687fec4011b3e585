using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>A silent replica, which relies on what its node hears of others.</summary>
internal interface INodeWatcher
{
    GroupId Group { get; }

    ulong Incarnation { get; }

    /// <summary>A node that it watches is suspected, came back or was started anew. Called on any thread.</summary>
    void NodeChanged();
}

/// <summary>
/// Which other nodes live, so that idle groups need not find out each for itself. A node of which nothing was heard for
/// a timeout is suspected, until anything of it is heard. Silent replicas watch nodes, and are told when one of theirs
/// is suspected, comes back or starts a new life. Any thread may call its members.
/// </summary>
/// <param name="timeout">Of time in which this node itself ran: while it stood still it could hear nobody.</param>
internal sealed class NodeLiveness(TimeSpan timeout)
{
    // Longer steps of time count as this much: this node stood still.
    private readonly TimeSpan _longestStep = timeout / 4;
    private readonly Lock _lock = new();
    private readonly SortedDictionary<NodeName, Peer> _peers = [];
    private readonly Dictionary<INodeWatcher, NodeName[]> _watches = [];
    private TimeSpan? _lastTick;
    private TimeSpan _ran;

    /// <summary>Lets time pass.</summary>
    public void Tick(TimeSpan now)
    {
        List<INodeWatcher>? told = null;
        lock (_lock)
        {
            TimeSpan step = now - (_lastTick ?? now);
            _lastTick = now;
            _ran += step < _longestStep ? step : _longestStep;
            foreach (Peer peer in _peers.Values)
            {
                if (peer.IsSuspected || _ran - peer.HeardAt < timeout) continue;
                peer.IsSuspected = true;
                (told ??= []).AddRange(peer.Watchers);
            }
        }
        Tell(told);
    }

    /// <summary>A sound frame of any kind came from a node.</summary>
    public void Heard(NodeName node) => Note(node, life: null);

    /// <summary>A node's own word that it lives, once per frame; what is late or doubled says nothing.</summary>
    public void Heard(NodeName node, ulong bootNonce, ulong sequence) => Note(node, (bootNonce, sequence));

    public bool IsSuspected(NodeName node)
    {
        lock (_lock) return Of(node).IsSuspected;
    }

    /// <summary>
    /// From now on <paramref name="watcher"/> watches these nodes and no others; none: it watches nobody.
    /// </summary>
    /// <param name="suspected">What it takes them for. If one is not, it is told at once.</param>
    public void Watch(INodeWatcher watcher, NodeName[] nodes, bool suspected)
    {
        bool isTold = false;
        lock (_lock)
        {
            if (_watches.Remove(watcher, out NodeName[]? before))
                foreach (NodeName node in before) Of(node).Watchers.Remove(watcher);
            if (nodes.Length > 0) _watches[watcher] = nodes;
            foreach (NodeName node in nodes)
            {
                Peer peer = Of(node);
                peer.Watchers.Add(watcher);
                isTold |= peer.IsSuspected != suspected;
            }
        }
        if (isTold) Tell([watcher]);
    }

    private void Note(NodeName node, (ulong BootNonce, ulong Sequence)? life)
    {
        List<INodeWatcher>? told = null;
        lock (_lock)
        {
            Peer peer = Of(node);
            bool isNewLife = false;
            if (life is { } word && !peer.IsNews(word.BootNonce, word.Sequence, out isNewLife)) return;
            peer.HeardAt = _ran;
            if (peer.IsSuspected || isNewLife) told = [.. peer.Watchers];
            peer.IsSuspected = false;
        }
        Tell(told);
    }

    private Peer Of(NodeName node)
    {
        if (!_peers.TryGetValue(node, out Peer? peer)) _peers[node] = peer = new Peer { HeardAt = _ran };
        return peer;
    }

    private static void Tell(List<INodeWatcher>? watchers)
    {
        if (watchers is null) return;
        // In an order that does not depend on how they came to be here.
        foreach (INodeWatcher watcher in watchers.OrderBy(w => w.Group).ThenBy(w => w.Incarnation))
            watcher.NodeChanged();
    }

    private sealed class Peer
    {
        private ulong? _life;
        private ulong _earlierLife;
        private ulong _sequence;

        /// <summary>By the time in which this node ran.</summary>
        public TimeSpan HeardAt { get; set; }

        public bool IsSuspected { get; set; }

        public HashSet<INodeWatcher> Watchers { get; } = [];

        /// <summary>Takes note of a life's word; false if it is late or doubled.</summary>
        /// <param name="isNewLife">Another than was heard of before.</param>
        public bool IsNews(ulong bootNonce, ulong sequence, out bool isNewLife)
        {
            isNewLife = _life != bootNonce;
            if (isNewLife ? bootNonce == _earlierLife : sequence <= _sequence) return false;
            if (isNewLife) _earlierLife = _life ?? bootNonce;
            isNewLife &= _life is not null;
            _life = bootNonce;
            _sequence = sequence;
            return true;
        }
    }
}
