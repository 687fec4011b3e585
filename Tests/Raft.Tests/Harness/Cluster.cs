namespace Orleans.Raft.Core.Tests;

/// <summary>A group of real replicas on a network that the test drives. Nothing moves unless the test says
/// so.</summary>
internal sealed class Cluster
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(10);
    private readonly List<Replica> _replicas = [];
    private readonly Func<RaftOptions, RaftOptions>? _change;
    private readonly ulong _seed;
    private readonly HashSet<(ReplicaId, ReplicaId)> _cut = [];

    public Cluster(int size, ulong seed = 1, Func<RaftOptions, RaftOptions>? change = null, Func<ulong,
        TestDisk>? disk = null)
    {
        Checker.All = () => _replicas;
        Checker.ChecksMajorities = true;
        _change = change;
        _seed = seed;
        for (ulong id = 1; id <= (ulong)size; id++)
        {
            TestDisk own = disk?.Invoke(id) ?? new TestDisk();
            own.Begin(Make.Simple(size));
            Start(own);
        }
    }

    public Checker Checker { get; } = new();

    public TimeSpan Now { get; set; } = TimeSpan.FromSeconds(1);

    public IReadOnlyList<Replica> Replicas => _replicas;

    /// <summary>Messages under way, oldest first.</summary>
    public List<(ReplicaId From, ReplicaId To, RaftMessage Message)> InFlight { get; } = [];

    /// <summary>Messages for which it is true are lost.</summary>
    public Func<ReplicaId, ReplicaId, RaftMessage, bool> Lose { get; set; } = (_, _, _) => false;

    public int Delivered { get; private set; }

    public long DeliveredPayloadBytes { get; private set; }

    public Replica this[ulong id] => _replicas[(int)id - 1];

    public Replica Leader
    {
        get
        {
            Replica? leader = null;
            foreach (Replica replica in _replicas)
            {
                if (replica.IsLeader && (leader is null || replica.Node.Term > leader.Node.Term)) leader = replica;
            }

            Assert.True(leader is not null, "nobody leads");
            return leader;
        }
    }

    /// <summary>A new replica with an empty disk, of which nobody knows yet; its id is the next.</summary>
    public Replica StartNew() => Start(new TestDisk());

    public void Cut(ulong a, ulong b)
    {
        _cut.Add((new ReplicaId(a), new ReplicaId(b)));
        _cut.Add((new ReplicaId(b), new ReplicaId(a)));
    }

    /// <summary>Cuts off every listed replica from every replica not listed.</summary>
    public void Partition(params ulong[] side)
    {
        foreach (Replica other in _replicas)
        {
            foreach (ulong id in side)
            {
                if (!side.Contains(other.Id.Value)) Cut(id, other.Id.Value);
            }
        }
    }

    public void Isolate(ulong id) => Partition(id);

    public void Heal() => _cut.Clear();

    public bool IsCut(ReplicaId from, ReplicaId to) => _cut.Contains((from, to));

    public void HealAndForget()
    {
        Heal();
        InFlight.Clear();
    }

    /// <summary>Moves what the replicas sent onto the network.</summary>
    public void Collect()
    {
        foreach (Replica replica in _replicas)
        {
            foreach (OutboundMessage sent in replica.Sent) Post(replica.Id, sent.To, sent.Message);
            foreach (ReplicaId follower in replica.SnapshotsToSend) SendSnapshot(replica, follower);
            replica.Sent.Clear();
            replica.SnapshotsToSend.Clear();
        }
    }

    public void Deliver(int position)
    {
        (ReplicaId from, ReplicaId to, RaftMessage message) = InFlight[position];
        InFlight.RemoveAt(position);
        Hand(from, to, message);
    }

    public void Hand(ReplicaId from, ReplicaId to, RaftMessage message)
    {
        Replica receiver = this[to.Value];
        if (!receiver.IsUp) return;
        Delivered++;
        if (message is AppendEntries append) DeliveredPayloadBytes += RaftLog.PayloadBytes(append.Entries.Span);
        receiver.Step(from.Value, message, Now);
        Collect();
    }

    /// <summary>Delivers in order until the network is quiet.</summary>
    public void DeliverAll()
    {
        Collect();
        int bound = 200_000;
        while (InFlight.Count > 0)
        {
            Assert.True(bound-- > 0, "the network never gets quiet");
            Deliver(0);
        }
    }

    /// <summary>Lets time pass in small ticks for everyone, delivering everything in between.</summary>
    public void Run(TimeSpan time)
    {
        for (TimeSpan end = Now + time; Now < end;)
        {
            Now += Period;
            foreach (Replica replica in _replicas)
            {
                if (!replica.IsUp) continue;
                replica.Tick(Now);
                DeliverAll();
            }
        }
    }

    public void Run(double electionTimeouts) => Run(Make.ElectionTimeout * electionTimeouts);

    /// <summary>Makes one replica campaign while the others' timers stand still, long after they heard a
    /// leader.</summary>
    public void Campaign(ulong id)
    {
        Now += 2 * Make.ElectionTimeout;
        this[id].Tick(Now);
        DeliverAll();
    }

    /// <summary>All that follow a replica learn that its node may be gone.</summary>
    public void Suspect(ulong leader)
    {
        foreach (Replica replica in _replicas)
        {
            if (!replica.IsUp || replica.Node.Leader.Value != leader) continue;
            replica.Node.SuspectLeader(Now);
            replica.Turn(Now);
        }
    }

    /// <summary>Lets all take part in silence, and time pass until they are silent.</summary>
    public Cluster FallSilent()
    {
        foreach (Replica replica in _replicas) replica.FallsSilent = true;
        Run(1);
        Assert.All(_replicas, replica => Assert.True(replica.Node.IsSilent, $"{replica.Id} is not silent"));
        return this;
    }

    public Cluster Elect(ulong id)
    {
        Campaign(id);
        Assert.True(this[id].IsLeader, $"r{id} was not elected");
        return this;
    }

    /// <summary>Runs until a leader has committed in its term, within ten election timeouts.</summary>
    public Replica ElectAny()
    {
        for (int i = 0; i < 100; i++)
        {
            Run(0.1);
            Replica? leader = _replicas.Where(replica => replica.IsLeader).MaxBy(replica => replica.Node.Term);
            if (leader is not null && leader.Node.CommitIndex.Value > 0
                && leader.Node.Log.TermAt(leader.Node.CommitIndex) == leader.Node.Term) return leader;
        }

        Assert.Fail("no leader within ten election timeouts");
        return null!;
    }

    public EntryId Propose(string text) => Propose(Leader, text);

    public EntryId Propose(Replica leader, string text)
    {
        Assert.Equal(ProposeOutcome.Appended, leader.Node.Propose(Make.Bytes(text), Now, out EntryId id));
        leader.Turn(Now);
        Collect();
        return id;
    }

    /// <summary>Proposes, delivers, and lets the followers hear of the commit.</summary>
    public EntryId Commit(string text)
    {
        EntryId id = Propose(text);
        DeliverAll();
        Run(Make.HeartbeatInterval);
        Assert.True(Leader.Node.CommitIndex >= id.Index, $"{text} is not committed");
        return id;
    }

    public void Crash(ulong id)
    {
        Collect();
        this[id].Crash();
    }

    public void Restart(ulong id)
    {
        this[id].Restart(Now);
        Collect();
    }

    /// <summary>The commands a replica applied in this life, as text.</summary>
    public static string[] Commands(Replica replica) =>
    [
        .. replica.Applied.Where(entry => entry.Kind == EntryKind.Command)
            .Select(entry => System.Text.Encoding.UTF8.GetString(entry.Payload.Span)),
    ];

    /// <summary>The terms of a replica's log from index 1 on.</summary>
    public static ulong[] Terms(Replica replica) =>
    [
        .. Enumerable.Range(1, (int)replica.Node.LastEntry.Index.Value)
            .Select(index => replica.Node.Log.TermAt(new LogIndex((ulong)index)).Value),
    ];

    public void AssertLogsAgree()
    {
        foreach (Replica replica in _replicas) Assert.Equal(Terms(_replicas[0]), Terms(replica));
    }

    private Replica Start(TestDisk disk)
    {
        RaftOptions options = Make.Options((ulong)_replicas.Count + 1, _seed * 100);
        var replica = new Replica(_change?.Invoke(options) ?? options, disk, Checker, Now);
        _replicas.Add(replica);
        replica.Turn(Now);
        return replica;
    }

    // A new replica needs one however short the log is; if none can be made yet, it is asked for again.
    private void SendSnapshot(Replica leader, ReplicaId follower)
    {
        if (leader.Disk.Snapshot == EntryId.Zero && leader.Writes.Count == 0) leader.TakeSnapshot();
        if (leader.Disk.Snapshot == EntryId.Zero)
        {
            leader.Node.ReportSnapshotEnded(follower, Now);
            return;
        }

        Post(leader.Id, follower,
            new InstallSnapshot(leader.Node.Term, leader.Disk.Snapshot, leader.Disk.Configuration));
    }

    private void Post(ReplicaId from, ReplicaId to, RaftMessage message)
    {
        if (_cut.Contains((from, to)) || Lose(from, to, message)) return;
        InFlight.Add((from, to, message));
    }
}
