using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <content>Faults of processes, disks and clocks.</content>
internal sealed partial class FaultInjector
{
    private static readonly Type[] s_promises =
    [
        typeof(RequestVote), typeof(RequestVoteReply), typeof(RequestVoteReply), typeof(AppendEntries), typeof(AppendEntriesReply),
        typeof(AppendEntriesRejection), typeof(TimeoutNow), typeof(SnapshotChunkReply),
    ];

    // The next one replaces it.
    private Moment? _moment;

    /// <summary>A crash that waits for a node to send something.</summary>
    private sealed record Moment(Fault Fault, NodeName Victim, Type Promise, CrashLoss Loss, bool HasCome = false);

    private bool CrashOne(Fault fault, Random random, CrashLoss loss)
    {
        if (PickUp(random) is not { } victim) return false;
        if (loss == CrashLoss.Nothing || random.Next(2) == 0)
        {
            Crash(fault, victim, loss);
            if (loss == CrashLoss.Nothing && random.Next(3) == 0) LosePowerAfterRestart(fault, victim, random);
            return true;
        }
        Type promise = s_promises[random.Next(s_promises.Length)];
        Note(fault, $"{victim} is to die when it next sends {promise.Name}");
        _moment = new Moment(fault, victim, promise, loss);
        if (promise == typeof(RequestVoteReply)) CallForVote(victim, random);
        return false; // It counts when it happens.
    }

    /// <summary>Votes are rare: a leader hands over to another replica than that on a node, which asks it for its
    /// vote.</summary>
    private void CallForVote(NodeName voter, Random random)
    {
        GroupDescriptor[] groups = [.. _invariants.Groups.Where(group =>
            group.Replicas.Any(replica => replica.Node == voter) && _cluster.LeaderOf(group.Group) is { } leader
            && leader != voter)];
        if (groups.Length == 0) return;
        GroupDescriptor group = groups[random.Next(groups.Length)];
        NodeName? leader = _cluster.LeaderOf(group.Group);
        NodeName[] others = [.. group.Replicas.Select(r => r.Node).Where(node => node != voter && node != leader)];
        if (others.Length == 0) return;
        _ = _cluster.Begin(() => _cluster.TransferLeadershipAsync(group.Group, others[0]));
    }

    /// <summary>Looks at what leaves a node for what the fault waits for.</summary>
    public void NoteSent(NodeName from, RaftMessage message)
    {
        if (_moment is { } moment && from == moment.Victim && message.GetType() == moment.Promise)
            _moment = moment with { HasCome = true };
    }

    private void CrashAtMoment()
    {
        if (_moment is not { HasCome: true } moment) return;
        _moment = null;
        if (_cluster.Nodes.ContainsKey(moment.Victim) && moment.Victim != Lost)
        {
            Crash(moment.Fault, moment.Victim, moment.Loss);
            Count(moment.Fault.Kind);
        }
    }

    private void Crash(Fault fault, NodeName victim, CrashLoss loss)
    {
        Note(fault, $"{victim} dies and loses {Describe(loss)}");
        _cluster.CrashNode(victim, loss);
        After(fault, () => StartIfDown(victim));
    }

    /// <summary>What a process left unflushed behind it is not safe because the next one could read it.</summary>
    private void LosePowerAfterRestart(Fault fault, NodeName victim, Random random) =>
        In(fault.Lasting + TimeSpan.FromMilliseconds(random.Next(1, 300)), () =>
        {
            if (victim == Lost || !_cluster.Nodes.ContainsKey(victim)) return;
            Note(fault, $"{victim} loses power and all that was not flushed");
            _cluster.CrashNode(victim);
            After(fault, () => StartIfDown(victim));
        });

    private bool CrashAll(Fault fault, Random random)
    {
        CrashLoss loss = random.Next(2) == 0 ? CrashLoss.Everything : CrashLoss.Random;
        Note(fault, $"all nodes die and lose {Describe(loss)}");
        foreach (NodeName name in _cluster.AllNames.ToArray())
        {
            if (name == Lost) continue;
            _cluster.CrashNode(name, loss);
            In(fault.Lasting + TimeSpan.FromMilliseconds(random.Next(800)), () => StartIfDown(name));
        }
        return true;
    }

    private bool LoseDisk(Fault fault, Random random)
    {
        if (!MayLoseDisk() || PickStaying(random) is not { } victim) return false;
        Note(fault, $"{victim} dies and loses its disk");
        Destroy(victim, fault);
        _cluster.MediumOf(victim).Wipe();
        ExpectRefusal(victim, fault);
        return true;
    }

    private bool RotDisk(Fault fault, Random random)
    {
        if (!MayLoseDisk() || PickStaying(random) is not { } victim) return false;
        // The system must not remember what the platter has forgotten.
        _cluster.CrashNode(victim, CrashLoss.Everything);
        if (_cluster.MediumOf(victim).RotDurable(random) is not { } where)
        {
            Note(fault, $"{victim} dies; there is nothing to rot");
            After(fault, () => StartIfDown(victim));
            return false;
        }
        Note(fault, $"{victim} dies and its disk rots: {where}");
        Destroy(victim, fault);
        ExpectRefusal(victim, fault);
        return true;
    }

    private void ExpectRefusal(NodeName victim, Fault fault)
    {
        _refusalIsDue = true;
        After(fault, () => StartIfDown(victim));
    }

    private bool Pause(Fault fault, Random random)
    {
        if (PickUp(random) is not { } victim || _cluster.IsPaused(victim)) return false;
        Note(fault, $"{victim} stands still for {fault.Lasting.TotalMilliseconds:F0} ms");
        _cluster.Pause(victim);
        After(fault, () => Resume(victim));
        return true;
    }

    private void Resume(NodeName name)
    {
        if (!_cluster.IsPaused(name)) return;
        _trace.Note($"{name} goes on");
        _cluster.Resume(name);
    }

    private bool SlowDisk(Fault fault, Random random)
    {
        if (PickUp(random) is not { } victim) return false;
        TimeSpan most = TimeSpan.FromMilliseconds(random.Next(5, 150));
        Note(fault, $"{victim}'s disk takes up to {most.TotalMilliseconds:F0} ms");
        _cluster.MediumOf(victim).SlowDown(_cluster.Time, TimeSpan.FromMilliseconds(1), most);
        After(fault, () => CalmDisk(victim));
        return true;
    }

    private bool HangDisk(Fault fault, Random random)
    {
        if (PickUp(random) is not { } victim) return false;
        Note(fault, $"{victim}'s disk hangs for {fault.Lasting.TotalMilliseconds:F0} ms");
        _cluster.MediumOf(victim).HangFlushes();
        After(fault, () => _cluster.MediumOf(victim).ReleaseFlushes());
        return true;
    }

    private bool FailDisk(Fault fault, Random random)
    {
        if (PickUp(random) is not { } victim) return false;
        DiskOperationKind operation = fault.Kind == FaultKind.FailedFlush
            ? DiskOperationKind.Flush
            : DiskOperationKind.Write;
        string where = random.Next(3) == 0 ? "snapshots" : "log";
        Note(fault, $"the next {operation} in {where} of {victim} fails");
        SimulatedDisk disk = _cluster.Disks[victim];
        disk.FailNext(operation, where);
        _failing.Add((fault, disk, disk.FailedOperations));
        return false; // It counts when it happens.
    }

    private bool FillDisk(Fault fault, Random random)
    {
        if (PickUp(random) is not { } victim) return false;
        long free = random.Next(0, 100 << 10);
        Note(fault, $"{victim}'s disk has only {free} bytes left");
        ISimulatedMedium disk = _cluster.MediumOf(victim);
        disk.FreeBytes = free;
        long before = disk.WritesWithoutRoom;
        After(fault, () =>
        {
            disk.FreeBytes = null;
            if (disk.WritesWithoutRoom > before) Count(fault.Kind);
        });
        return false; // It counts if somebody noticed.
    }

    /// <summary>Whether a node may refuse to start for the time being: its disk is full, or failed just then, or its
    /// database cannot be reached.</summary>
    private bool IsExcused(NodeName name, Exception failure) => failure switch
    {
        DiskException { Failure: DiskFailure.Full } => _cluster.MediumOf(name).FreeBytes is not null,
        DiskException { Failure: DiskFailure.Io } =>
            _cluster.MediumOf(name).FailedOperations > _failedBefore.GetValueOrDefault(name),
        _ => IsDatabaseAway(name, failure),
    };

    private bool Drift(Fault fault, Random random)
    {
        NodeName victim = Pick(random);
        double rate = 0.96 + 0.08 * random.NextDouble();
        Note(fault, $"{victim}'s clock runs {rate:F3} times as fast");
        _cluster.ClockOf(victim).Rate = rate;
        After(fault, () => _cluster.ClockOf(victim).Rate = 1);
        return true;
    }

    private bool Jump(Fault fault, Random random)
    {
        NodeName victim = Pick(random);
        TimeSpan by = TimeSpan.FromMilliseconds(random.Next(50, 5000));
        TimeSpan wallClock = TimeSpan.FromSeconds(random.Next(-100_000, 100_000));
        Note(fault, $"{victim}'s clock jumps ahead by {by.TotalMilliseconds:F0} ms, its wall clock by "
            + $"{wallClock.TotalSeconds:F0} s");
        _cluster.ClockOf(victim).Jump(by);
        _cluster.ClockOf(victim).ShiftWallClock(wallClock);
        return true;
    }

    private bool OpenAgain(Fault fault, Random random)
    {
        if (PickUp(random) is not { } victim || _cluster.IsPaused(victim)) return false;
        IReadOnlyList<Replica> replicas = _cluster.Nodes[victim].Replicas;
        if (replicas.Count == 0) return false;
        GroupId group = replicas[random.Next(replicas.Count)].Group;
        Note(fault, $"a second instance of {group} opens on {victim}");
        StoreNode node = _cluster.Nodes[victim];
        Follow(fault, async () =>
        {
            try
            {
                (Replica older, _) = await _cluster.OpenSecondInstanceAsync(victim, group);
                return older.StopReason is not null;
            }
            catch (Exception) when (node.Storage.Status.Failure is not null
                || _cluster.Nodes.GetValueOrDefault(victim) != node)
            {
                return false; // The disk failed or the node died meanwhile; that is noticed elsewhere.
            }
        });
        return false; // It counts when the older has noticed.
    }

    private bool Transfer(Fault fault, Random random)
    {
        if (AnyGroup(random) is not { Group: var group } || _cluster.LeaderOf(group) is not { } leader) return false;
        NodeName[] others = [.. _cluster.Nodes.Values.Where(node => node.Name != leader && node.Find(group) is not null)
            .Select(node => node.Name)];
        if (others.Length == 0) return false;
        NodeName to = others[random.Next(others.Length)];
        Note(fault, $"{leader} hands {group} to {to}");
        Follow(fault, async () => await _cluster.TransferLeadershipAsync(group, to) == TransferStatus.Started);
        return false; // It counts when the leader has begun with it.
    }

    private bool KillClient(Fault fault, Random random)
    {
        Note(fault, "a client dies");
        _killClient(random);
        return true;
    }

    /// <summary>Any disk takes some time.</summary>
    private void CalmDisk(NodeName name) =>
        _cluster.MediumOf(name).SlowDown(_cluster.Time, TimeSpan.Zero, _calmDiskLatency);

    private void RestoreNode(NodeName name)
    {
        Resume(name);
        ISimulatedMedium disk = _cluster.MediumOf(name);
        CalmDisk(name);
        disk.FreeBytes = null;
        disk.ReleaseFlushes();
        disk.ForgetFailures();
        _cluster.ClockOf(name).Rate = 1;
        // One that is refused while it is replaced is started again by who replaces it.
        if (name != Lost && name != _replacing) _cluster.StartFailure.Remove(name);
    }

    private static string Describe(CrashLoss loss) => loss switch
    {
        CrashLoss.Nothing => "nothing",
        CrashLoss.Everything => "all that was not flushed",
        _ => "any part of what was not flushed",
    };
}
