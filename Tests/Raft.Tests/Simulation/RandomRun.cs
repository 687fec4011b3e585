namespace Orleans.Raft.Core.Tests;

/// <summary>
/// One seeded run of a cluster under loss, repetition, reordering, partitions, crashes, slow disks, compaction,
/// transfers, reads and, if asked for, changes of members. The checker looks at every turn; this class checks reads and
/// that the cluster recovers in the end.
/// </summary>
internal sealed class RandomRun
{
    private const int Steps = 8_000;
    private const int MostReplicas = 12;
    private readonly bool _changesMembers;
    private readonly bool _fallsSilent;
    private readonly Cluster _cluster;
    private readonly Dictionary<(ReplicaId, ulong), LogIndex> _readFloors = [];
    private SplitMix64 _random;
    private ulong _nextRequest = 1;
    private int _proposed;
    private double _loss;
    private bool _isQuiet;

    public RandomRun(ulong seed, bool changesMembers = false)
    {
        _changesMembers = changesMembers;
        _random = new SplitMix64(seed);
        int size = Below(4) switch { 0 => 1 + Below(2), 1 => 5, _ => 3 };
        int window = 1 + Below(6);
        int unflushed = 50 + Below(2_000);
        _cluster = new Cluster(size, seed, options => options with
        {
            MaxInFlightAppends = window,
            MaxInFlightBytes = 200,
            MaxAppendBytes = 60,
            MaxUnflushedBytes = unflushed,
            MaxUncommittedBytes = 2_000,
        });
        _fallsSilent = Below(2) == 0;
        foreach (Replica replica in _cluster.Replicas) SlowDown(replica);
    }

    public int Committed => (int)_cluster.Checker.LastCommitted.Index.Value;

    public int Elections => _cluster.Checker.Elections;

    public int Crashes { get; private set; }

    public int Reads { get; private set; }

    public int LeaseReads { get; private set; }

    public int Snapshots { get; private set; }

    public int Transfers { get; private set; }

    public int Changes { get; private set; }

    /// <summary>Of the voters.</summary>
    public int JointChanges { get; private set; }

    public int Undone { get; private set; }

    /// <summary>How often a replica was seen silent at the end of a quiet time.</summary>
    public int Silences { get; private set; }

    public void Run()
    {
        for (int step = 0; step < Steps; step++)
        {
            if (step % 500 == 0) ChangeWeather();
            _isQuiet = _fallsSilent && step % 500 >= 300;
            Act();
            _cluster.Collect();
            CheckReads();
        }

        Undone = CountUndone();
        Recover();
    }

    private void Act()
    {
        if (_changesMembers && Below(25) == 0)
        {
            ChangeMembers();
            return;
        }

        Replica replica = _cluster.Replicas[Below(_cluster.Replicas.Count)];
        replica.FallsSilent = _isQuiet;
        replica.AppliesAtOnce = _isQuiet;
        // In a quiet time little is asked, so that the group comes to rest.
        switch (_isQuiet && Below(10) != 0 ? Below(96) % 78 : Below(100))
        {
            case < 50: MoveMessage(); break;
            case < 66: PassTime(); break;
            case < 78: Persist(replica); break;
            case < 88: Propose(); break;
            case < 91: Read(replica); break;
            case < 94: Confirm(replica); break;
            case < 96: Apply(replica); break;
            case < 97: Compact(replica); break;
            case < 98: Transfer(replica); break;
            case < 99: CrashNowAndThen(replica); break;
            default: FailSnapshotOrRestart(replica); break;
        }
    }

    private void ChangeWeather()
    {
        _cluster.Heal();
        _loss = Below(3) switch { 0 => 0, 1 => 0.02, _ => 0.2 };
        if (_cluster.Replicas.Count < 3 || Below(3) == 0) return;
        _cluster.Partition([.. _cluster.Replicas.Select(replica => replica.Id.Value).Where(_ => Below(2) == 0)]);
    }

    // Mostly in order, now and then out of order, twice, or never.
    private void MoveMessage()
    {
        for (int count = 1 + Below(6); count > 0 && _cluster.InFlight.Count > 0; count--)
        {
            int position = Below(4) == 0 ? Below(_cluster.InFlight.Count) : 0;
            (ReplicaId from, ReplicaId to, RaftMessage message) = _cluster.InFlight[position];
            if (Below(1_000) < _loss * 1_000)
            {
                _cluster.InFlight.RemoveAt(position);
                continue;
            }

            if (Below(20) == 0) _cluster.Hand(from, to, message);
            else _cluster.Deliver(position);
        }

        // What was held up for very long is lost, so that the queue does not grow without bound.
        if (_cluster.InFlight.Count > 400) _cluster.InFlight.RemoveRange(0, 200);
    }

    private void PassTime()
    {
        _cluster.Now += TimeSpan.FromMilliseconds(Below(40));
        foreach (Replica replica in _cluster.Replicas)
        {
            if (replica.IsUp && Below(4) != 0) replica.Tick(_cluster.Now);
            if (!replica.IsUp || !replica.Node.IsSilent) continue;
            Silences++;
            WatchNodes(replica);
        }
    }

    // What a node's watch over the others would find: late, and sometimes wrong.
    private void WatchNodes(Replica replica)
    {
        ReplicaId leader = replica.Node.Leader;
        bool isGone = leader != replica.Id && (!_cluster[leader.Value].IsUp || _cluster.IsCut(leader, replica.Id));
        if (Below(isGone ? 5 : 300) != 0) return;
        replica.Node.SuspectLeader(_cluster.Now);
        if (Below(3) == 0) replica.Node.Wake(_cluster.Now);
        replica.Turn(_cluster.Now);
    }

    private void Persist(Replica replica)
    {
        if (!replica.IsUp) return;
        for (int count = Below(4); count >= 0 && replica.Writes.Count > 0; count--) replica.PersistOne(_cluster.Now);
        replica.Turn(_cluster.Now);
    }

    private void Propose()
    {
        Replica? leader = _cluster.Replicas.Where(replica => replica.IsLeader).MaxBy(replica => Below(10));
        if (leader is null) return;
        for (int count = Below(4); count >= 0; count--)
        {
            if (leader.Node.Propose(Bytes($"command {_proposed}"), _cluster.Now, out _) == ProposeOutcome.Appended)
                _proposed++;
        }

        leader.Turn(_cluster.Now);
    }

    private void Read(Replica replica)
    {
        if (!replica.IsUp) return;
        if (replica.Node.HasLease(_cluster.Now) && replica.Node.LastApplied == replica.Node.CommitIndex) LeaseReads++;
        _readFloors[(replica.Id, _nextRequest)] = _cluster.Checker.LastCommitted.Index;
        replica.Node.ReadIndex(_nextRequest++, _cluster.Now);
        replica.Turn(_cluster.Now);
    }

    private void CheckReads()
    {
        foreach (Replica replica in _cluster.Replicas)
        {
            foreach (ReadReady read in replica.ReadsReady)
            {
                Assert.True(_readFloors.Remove((replica.Id, read.RequestId), out LogIndex floor),
                    $"{replica.Id} answered {read} twice");
                Assert.True(read.Index >= floor,
                    $"{replica.Id} reads at {read.Index}; {floor} was committed when the read began");
                Reads++;
            }

            foreach (ulong failed in replica.ReadsFailed)
                Assert.True(_readFloors.Remove((replica.Id, failed)), $"{failed} failed twice");
            replica.ReadsReady.Clear();
            replica.ReadsFailed.Clear();
        }
    }

    private void Confirm(Replica replica)
    {
        if (!replica.IsUp) return;
        replica.Confirm(_cluster.Now);
        replica.Turn(_cluster.Now);
    }

    private void Apply(Replica replica)
    {
        if (!replica.IsUp) return;
        replica.Apply();
        replica.Turn(_cluster.Now);
    }

    private void Compact(Replica replica)
    {
        // A recorded snapshot follows the writes before it, as in the shared log.
        if (!replica.IsUp) return;
        replica.Apply();
        if (replica.Writes.Count > 0 || LogIndex.Min(replica.Node.LastApplied,
            replica.Node.DurableIndex) <= replica.Node.Compacted.Index) return;
        replica.TakeSnapshot();
        Snapshots++;
    }

    private void Transfer(Replica replica)
    {
        var target = new ReplicaId((ulong)Below(_cluster.Replicas.Count) + 1);
        if (!replica.IsUp || !replica.Node.TransferLeadership(target, _cluster.Now)) return;
        Transfers++;
        replica.Turn(_cluster.Now);
    }

    private void ChangeMembers()
    {
        Replica? leader = _cluster.Replicas.Where(replica => replica.IsLeader).MaxBy(replica => Below(10));
        if (leader is null) return;
        Configuration group = leader.Node.Configuration;
        MembershipChange change = RandomChange(leader);
        MembershipAnswer answer = leader.Node.ChangeMembership(change, _cluster.Now);
        if (answer.Outcome == MembershipOutcome.Accepted)
        {
            Changes++;
            if (change.Promote.Count > 0 || change.Remove.Any(group.IsVoter)) JointChanges++;
        }

        leader.Turn(_cluster.Now);
    }

    // Whom to add, to promote and to remove, often more than one of it at once.
    private MembershipChange RandomChange(Replica leader)
    {
        Configuration group = leader.Node.Configuration;
        return new MembershipChange
        {
            Add = Below(3) == 0 && NewReplica() is { } added ? [M(added.Id.Value)] : [],
            Promote =
            [
                .. group.Learners.Select(learner => learner.Id)
                    .Where(learner => leader.Node.GetProgress(learner) is { IsCaughtUp: true } || Below(5) == 0),
            ],
            Remove = Below(3) != 0
                ? []
                : [.. group.Members.Where(_ => Below(group.Members.Count) == 0).Select(member => member.Id)],
        };
    }

    // One that no change took yet, or another.
    private Replica? NewReplica()
    {
        Replica? waiting = _cluster.Replicas.FirstOrDefault(replica => replica.Node.Term == Term.Zero
            && replica.Node.Configuration.IsNone);
        if (waiting is not null || _cluster.Replicas.Count == MostReplicas) return waiting;
        Replica started = _cluster.StartNew();
        SlowDown(started);
        return started;
    }

    private static void SlowDown(Replica replica)
    {
        replica.PersistsAtOnce = false;
        replica.ConfirmsAtOnce = false;
        replica.AppliesAtOnce = false;
    }

    // A replica was told of a configuration, and then of an older one.
    private int CountUndone() => _cluster.Replicas.Sum(replica => replica.Told.Zip(replica.Told.Skip(1))
        .Count(pair => pair.Second.Configuration.Version < pair.First.Configuration.Version));

    private void CrashNowAndThen(Replica replica)
    {
        if (!replica.IsUp || Below(4) != 0) return;
        Crashes++;
        // Of the writes under way a prefix reaches the disk.
        for (int count = Below(3); count > 0 && replica.Writes.Count > 0; count--) replica.WriteWithoutTelling();
        _cluster.Crash(replica.Id.Value);
        foreach ((ReplicaId, ulong) key in _readFloors.Keys.Where(key => key.Item1 == replica.Id).ToArray())
            _readFloors.Remove(key);
    }

    private void FailSnapshotOrRestart(Replica replica)
    {
        if (!replica.IsUp)
        {
            _cluster.Restart(replica.Id.Value);
            return;
        }

        replica.Node.ReportSnapshotEnded(new ReplicaId((ulong)Below(_cluster.Replicas.Count) + 1), _cluster.Now);
        replica.Turn(_cluster.Now);
    }

    // A healed network and working disks: one leader, one log, everything committed is applied everywhere.
    private void Recover()
    {
        _cluster.Heal();
        _cluster.InFlight.Clear();
        foreach (Replica replica in _cluster.Replicas)
        {
            replica.PersistsAtOnce = true;
            replica.ConfirmsAtOnce = true;
            replica.AppliesAtOnce = true;
            replica.FallsSilent = _fallsSilent;
            if (!replica.IsUp) _cluster.Restart(replica.Id.Value);
            replica.PersistAll(_cluster.Now);

            // Whatever snapshot was under way was just lost, and its sender says so.
            foreach (Replica follower in _cluster.Replicas) replica.Node.ReportSnapshotEnded(follower.Id, _cluster.Now);
            replica.Turn(_cluster.Now);
        }

        _cluster.Run(12);
        Replica leader = _cluster.Leader;
        EntryId last = _cluster.Propose(leader, "the end");
        _cluster.Run(4);
        Configuration group = leader.Node.Configuration;
        Assert.True(leader.Node.IsConfigurationCommitted && !group.IsJoint, $"{group} is still under way");
        foreach (Replica replica in _cluster.Replicas)
        {
            if (!group.TryFind(replica.Id, out _)) continue;
            Assert.Equal(group, replica.Node.Configuration);
            Assert.True(replica.Node.CommitIndex >= last.Index && replica.Node.LastApplied >= last.Index,
                $"{replica.Id} is at {replica.Node.CommitIndex}; {last} was proposed");
            Assert.Equal(leader.Node.LastEntry, replica.Node.LastEntry);
        }
    }

    private int Below(int bound) => (int)_random.NextBelow((ulong)bound);
}
