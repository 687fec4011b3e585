using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Guesses which node leads each group, and learns from replies. Any thread may call it.</summary>
public sealed class LeaderRouter
{
    private readonly Lock _lock = new();
    private readonly Dictionary<GroupId, Guess> _guesses = [];

    public LeaderRouter(IEnumerable<GroupDescriptor> groups)
    {
        foreach (GroupDescriptor group in groups)
            _guesses[group.Group] = new Guess([.. group.Replicas.Select(r => r.Node)]);
    }

    /// <summary>The node to ask next.</summary>
    public NodeName Pick(GroupId group)
    {
        lock (_lock)
        {
            Guess guess = _guesses[group];
            return guess.Nodes[guess.Current];
        }
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
            Guess guess = _guesses[group];
            // Another caller has moved on already.
            if (guess.Nodes[guess.Current] != asked) return;
            int hinted = reply.LeaderHint is { } hint && hint != asked ? Array.IndexOf(guess.Nodes, hint) : -1;
            guess.Current = hinted >= 0 ? hinted : (guess.Current + 1) % guess.Nodes.Length;
        }
    }

    private sealed class Guess(NodeName[] nodes)
    {
        public NodeName[] Nodes { get; } = nodes;

        public int Current { get; set; }
    }
}
