using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Guesses which node leads each group, and learns from replies. Any thread may call it.</summary>
public sealed class LeaderRouter
{
    private readonly Lock _lock = new();
    private readonly Dictionary<GroupId, Guess> _guesses = [];

    public LeaderRouter(IEnumerable<GroupDescriptor> groups)
    {
        foreach (GroupDescriptor group in groups) Update(group);
    }

    /// <summary>Takes note of a group, or of where its replicas are now. A descriptor of an older configuration than the one
    /// known changes nothing.</summary>
    public void Update(GroupDescriptor group)
    {
        NodeName[] nodes = [.. group.Replicas.Select(r => r.Node)];
        if (nodes.Length == 0) return;
        lock (_lock)
        {
            if (!_guesses.TryGetValue(group.Group, out Guess? old))
                _guesses[group.Group] = new Guess(nodes, 0, group.ConfigVersion);
            else if (old.ConfigVersion < group.ConfigVersion)
                _guesses[group.Group] = new Guess(
                    nodes, Math.Max(0, Array.IndexOf(nodes, old.Nodes[old.Current])), group.ConfigVersion);
        }
    }

    /// <summary>The node to ask next; null if nobody has told of the group.</summary>
    public NodeName? Pick(GroupId group)
    {
        lock (_lock) return _guesses.TryGetValue(group, out Guess? guess) ? guess.Nodes[guess.Current] : null;
    }

    /// <summary>
    /// Takes note of how a node answered: a hint is followed, a refusal or failure without one moves on to the next
    /// replica. One that is merely busy is asked again, one that says why it cannot serve is not.
    /// </summary>
    public void Learn(GroupId group, NodeName asked, in GroupReply reply)
    {
        if (reply.Status is GroupReplyStatus.Answered or GroupReplyStatus.Malformed) return;
        if (reply is { Status: GroupReplyStatus.Busy, Reason: null }) return;
        lock (_lock)
        {
            // Another caller has moved on already.
            if (!_guesses.TryGetValue(group, out Guess? guess) || guess.Nodes[guess.Current] != asked) return;
            if (reply.LeaderHint is { } hint && hint != asked) _guesses[group] = guess.At(hint);
            else guess.Current = (guess.Current + 1) % guess.Nodes.Length;
        }
    }

    /// <param name="hinted">A node that the configuration does not name, and others do.</param>
    private sealed class Guess(NodeName[] nodes, int current, ulong configVersion, NodeName? hinted = null)
    {
        public NodeName[] Nodes { get; } = hinted is { } node ? [.. nodes, node] : nodes;

        public ulong ConfigVersion { get; } = configVersion;

        public int Current { get; set; } = current;

        /// <summary>A node that is news comes instead of the one that was news before.</summary>
        public Guess At(NodeName leader)
        {
            int known = Array.IndexOf(nodes, leader);
            return known >= 0
                ? new Guess(nodes, known, ConfigVersion)
                : new Guess(nodes, nodes.Length, ConfigVersion, leader);
        }
    }
}
