namespace Orleans.Raft.Core.Tests;

/// <summary>One real replica, r1; the test plays the others.</summary>
internal sealed class Lone
{
    public Lone(int size = 3, TestDisk? disk = null, ulong seed = 1, Func<RaftOptions, RaftOptions>? change = null,
        Configuration? configuration = null)
    {
        RaftOptions options = Make.Options(1, seed);
        Size = size;
        disk ??= new TestDisk();
        disk.Begin(configuration ?? Make.Simple(size));
        Replica = new Replica(change?.Invoke(options) ?? options, disk, new Checker(), Now);
        Replica.Turn(Now);
    }

    public int Size { get; }

    public Replica Replica { get; }

    public RaftNode Node => Replica.Node;

    public TimeSpan Now { get; private set; } = TimeSpan.FromSeconds(1);

    public IEnumerable<ulong> Others => Enumerable.Range(2, Size - 1).Select(id => (ulong)id);

    public void Wait(TimeSpan time) => Now += time;

    /// <summary>Steps a message; returns what the replica sent in answer.</summary>
    public List<RaftMessage> Step(ulong from, RaftMessage message)
    {
        Replica.Sent.Clear();
        Replica.Step(from, message, Now);
        return Sent();
    }

    public List<RaftMessage> Tick(TimeSpan wait)
    {
        Replica.Sent.Clear();
        Now += wait;
        Replica.Tick(Now);
        return Sent();
    }

    /// <summary>Completes the oldest write; returns what the replica sent then.</summary>
    public List<RaftMessage> PersistOne()
    {
        Replica.Sent.Clear();
        Replica.PersistOne(Now);
        Replica.Turn(Now);
        return Sent();
    }

    public List<RaftMessage> PersistAll()
    {
        Replica.Sent.Clear();
        Replica.PersistAll(Now);
        Replica.Turn(Now);
        return Sent();
    }

    public List<RaftMessage> Turn()
    {
        Replica.Sent.Clear();
        Replica.Turn(Now);
        return Sent();
    }

    public List<RaftMessage> Sent() => [.. Replica.Sent.Select(sent => sent.Message)];

    public List<RaftMessage> SentTo(ulong to) =>
        [.. Replica.Sent.Where(sent => sent.To == Make.R(to)).Select(sent => sent.Message)];

    public ProposeOutcome Propose(string text)
    {
        ProposeOutcome outcome = Node.Propose(Make.Bytes(text), Now, out _);
        Replica.Sent.Clear();
        Replica.Turn(Now);
        return outcome;
    }

    /// <summary>Campaigns by timeout, up to asking for pre-votes.</summary>
    public Lone BecomePreCandidate()
    {
        Tick(2 * Make.ElectionTimeout);
        Assert.Equal(Role.PreCandidate, Node.Role);
        return this;
    }

    public Lone BecomeCandidate()
    {
        BecomePreCandidate();
        foreach (ulong other in Others)
        {
            if (Node.Role == Role.PreCandidate) Replica.Step(other, new PreVoteReply(Node.Term.Next(), true), Now);
        }

        Assert.Equal(Role.Candidate, Node.Role);
        return this;
    }

    public Lone BecomeLeader()
    {
        BecomeCandidate();
        foreach (ulong other in Others)
        {
            if (Node.Role == Role.Candidate) Replica.Step(other, new RequestVoteReply(Node.Term, true), Now);
        }

        Assert.Equal(Role.Leader, Node.Role);
        return this;
    }

    /// <summary>All others acknowledge everything the leader has.</summary>
    public Lone AcknowledgeAll()
    {
        foreach (ulong other in Others)
            Replica.Step(other, new AppendEntriesReply(Node.Term, Node.LastEntry.Index), Now);
        return this;
    }
}
