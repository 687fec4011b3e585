using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>Lets the faults of a schedule happen to a cluster, undoes them in time, and starts nodes again.</summary>
internal sealed partial class FaultInjector
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(10);

    private readonly StoreCluster _cluster;
    private readonly SimulationTrace _trace;
    private readonly InvariantChecker _invariants;
    private readonly Administrator _administrator;
    private readonly Workload _workload;
    private readonly Action<Random> _killClient;
    private readonly Action<string> _violated;
    private readonly Queue<Fault> _coming;
    private readonly PriorityQueue<Action, (TimeSpan At, int Number)> _ends = new();
    private readonly SortedDictionary<FaultKind, int> _counts = [];
    // Nodes that stopped of their disk and will be started again.
    private readonly SortedSet<NodeName> _restarting = [];

    // How many operations a node's disk had failed when it was last started.
    private readonly SortedDictionary<NodeName, long> _failedBefore = [];

    // What a fault began and nobody waits for; true: the fault happened.
    private readonly List<(Fault Fault, Running<bool> Work)> _begun = [];

    // Faults that count as soon as the disk or database has failed more operations than so many.
    private readonly List<(Fault Fault, ISimulatedMedium Medium, long Before)> _failing = [];

    // The node whose disk is gone must still say that it does not start.
    private bool _refusalIsDue;

    private readonly NetworkFaults _calmNetwork;
    private readonly double _calmClientLoss;
    private readonly TimeSpan _calmDiskLatency;
    private TimeSpan _start = TimeSpan.MaxValue / 2;
    private TimeSpan _lookAt;
    private int _ending;

    // Nodes that are being brought back with another disk.
    private int _repairs;

    public FaultInjector(StoreCluster cluster, FaultSchedule schedule, SimulationTrace trace,
        InvariantChecker invariants, Workload workload, Action<Random> killClient, Action<string> violated,
        TimeSpan diskLatency)
    {
        _invariants = invariants;
        _workload = workload;
        _administrator = new Administrator(cluster, trace);
        // A database is elsewhere.
        _calmDiskLatency = diskLatency + (cluster.Databases.Count > 0 ? TimeSpan.FromMilliseconds(1) : TimeSpan.Zero);
        _cluster = cluster;
        foreach (NodeName name in cluster.Names) CalmDisk(name);
        _trace = trace;
        _killClient = killClient;
        _violated = violated;
        _coming = new Queue<Fault>(schedule.Faults);
        _calmNetwork = cluster.Network.Faults;
        _calmClientLoss = cluster.ClientLoss;
    }

    /// <summary>How often each kind really happened.</summary>
    public IReadOnlyDictionary<FaultKind, int> Counts => _counts;

    /// <summary>The node whose disk is gone, until it is replaced or removed; one at a time.</summary>
    public NodeName? Lost { get; private set; }

    public FaultKind LostBy { get; private set; }

    /// <summary>All that was to happen and end has, and all nodes that are not gone are up.</summary>
    public bool HasEnded => _coming.Count == 0 && _ends.Count == 0 && _begun.Count == 0 && _repairs == 0
        && Lost is null && _cluster.AllNames.All(name => _cluster.IsFormed(name) && _cluster.EarlierOf(name) is null);

    /// <summary>What keeps <see cref="HasEnded"/> from being true, in words.</summary>
    public string DescribeOpen()
    {
        IEnumerable<string> begun =
            _begun.Select(begun => $"{begun.Fault.Number} {FaultSchedule.NameOf(begun.Fault.Kind)}");
        IEnumerable<string> down = _cluster.AllNames.Where(name => !_cluster.IsFormed(name)).Select(n => $"{n} is down");
        IEnumerable<string> doubled = _cluster.AllNames.Where(name => _cluster.EarlierOf(name) is not null)
            .Select(name => $"the earlier opening of {name} goes on");
        return $"{string.Join(", ", begun.Concat(down).Concat(doubled))}; {_repairs} repairs, "
            + $"lost {Lost?.ToString() ?? "none"}";
    }

    /// <summary>Faults are counted from here on.</summary>
    public void Begin() => _start = _cluster.Time.Now;

    /// <summary>When something is to begin or end; null if nothing is.</summary>
    public TimeSpan? Next
    {
        get
        {
            TimeSpan? begin = _coming.TryPeek(out Fault? fault) ? _start + fault.At : null;
            TimeSpan? end = _ends.TryPeek(out _, out (TimeSpan At, int Number) at) ? at.At : null;
            return begin is null || end < begin ? end : begin;
        }
    }

    /// <summary>Does what is due.</summary>
    public void Step()
    {
        // What faults did, before those end that explain it.
        RestartFailedNodes();
        StopReplaced();
        CheckRefusal();
        while (_ends.TryPeek(out Action? end, out (TimeSpan At, int Number) at) && at.At <= _cluster.Time.Now)
        {
            _ends.Dequeue();
            end();
        }
        while (_coming.TryPeek(out Fault? fault) && _start + fault.At <= _cluster.Time.Now)
        {
            _coming.Dequeue();
            Begin(fault);
        }
        CrashAtMoment();
        CountBegun();
        foreach (var failed in _failing.FindAll(failing => failing.Medium.FailedOperations > failing.Before))
        {
            _failing.Remove(failed);
            Count(failed.Fault.Kind);
        }
    }

    /// <summary>Undoes everything at once; no further fault begins.</summary>
    public void HealAll()
    {
        _trace.Note("all faults end");
        _coming.Clear();
        _moment = null;
        _failing.Clear();
        while (_ends.TryDequeue(out Action? end, out _)) end();
        foreach (NodeName name in _cluster.AllNames) RestoreNode(name);
        _cluster.Network.Heal();
        _cluster.Network.Faults = new NetworkFaults();
        _cluster.ClientLoss = 0;
        foreach (NodeName name in _cluster.AllNames) StartIfDown(name);
    }

    private void Begin(Fault fault)
    {
        var random = new Random(fault.Seed);
        if (TryBegin(fault, random)) Count(fault.Kind);
    }

    private void Count(FaultKind kind) => _counts[kind] = _counts.GetValueOrDefault(kind) + 1;

    private bool TryBegin(Fault fault, Random random) => fault.Kind switch
    {
        FaultKind.Crash => CrashOne(fault, random, CrashLoss.Nothing),
        FaultKind.PowerLoss => CrashOne(fault, random, CrashLoss.Everything),
        FaultKind.TornWrite => CrashOne(fault, random, CrashLoss.Random),
        FaultKind.PowerLossOfAll => CrashAll(fault, random),
        FaultKind.LostDisk => LoseDisk(fault, random),
        FaultKind.Rot => RotDisk(fault, random),
        FaultKind.Pause => Pause(fault, random),
        FaultKind.Isolation => Isolate(fault, random),
        FaultKind.Partition => Partition(fault, random),
        FaultKind.OneWayCut => CutOneWay(fault, random),
        FaultKind.LinkCut => CutLink(fault, random),
        FaultKind.Swizzle => Swizzle(fault, random),
        FaultKind.SlowLink => SlowLink(fault, random),
        FaultKind.Loss or FaultKind.Duplication or FaultKind.LongTail => WorsenNetwork(fault, random),
        FaultKind.SlowDisk => SlowDisk(fault, random),
        FaultKind.HungDisk => HangDisk(fault, random),
        FaultKind.FailedFlush or FaultKind.FailedWrite => FailDisk(fault, random),
        FaultKind.FullDisk => FillDisk(fault, random),
        FaultKind.ClockDrift => Drift(fault, random),
        FaultKind.ClockJump => Jump(fault, random),
        FaultKind.SecondInstance => OpenAgain(fault, random),
        FaultKind.Transfer => Transfer(fault, random),
        FaultKind.ClientDeath => KillClient(fault, random),
        FaultKind.SecondOpening => OpenElsewhere(fault, random),
        FaultKind.LostConnections => LoseConnections(fault, random),
        FaultKind.UnknownCommit => LoseCommitAnswer(fault, random),
        FaultKind.DatabaseDown => TakeDatabaseDown(fault, random),
        FaultKind.Split => Split(fault, random),
        FaultKind.Merge => Merge(fault, random),
        FaultKind.Move => Move(fault, random),
        FaultKind.Lead => Lead(fault, random),
        FaultKind.Join => Join(fault),
        FaultKind.Drain => Drain(fault, random),
        FaultKind.Removal => Remove(fault, random),
        FaultKind.LostNode => LoseNode(fault, random),
        FaultKind.BalanceOff => SwitchBalanceOff(fault),
        _ => throw new ArgumentOutOfRangeException(nameof(fault), fault.Kind, "an unknown kind of fault"),
    };

    /// <summary>Lets something go on by itself that counts as a fault if it comes to that.</summary>
    private void Follow(Fault fault, Func<Task<bool>> work) => _begun.Add((fault, _cluster.Begin(work)));

    /// <summary>Lets something go on by itself that must come to its end.</summary>
    private void Repair(Func<Task> work)
    {
        _repairs++;
        _ = _cluster.Begin(async () =>
        {
            try
            {
                await work();
                _repairs--;
            }
#pragma warning disable CA1031 // Whatever it is, it is a finding.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                _violated($"a repair failed: {failure}");
            }
        });
    }

    private void CountBegun()
    {
        foreach ((Fault fault, Running<bool> work) in _begun.FindAll(begun => begun.Work.HasEnded))
        {
            _begun.Remove((fault, work));
            if (work.Failure is { } failure)
                _violated($"fault {fault.Number} {FaultSchedule.NameOf(fault.Kind)}: {failure}");
            else if (work.Result) Count(fault.Kind);
        }
    }

    private void Note(Fault fault, string what) =>
        _trace.Note($"fault {fault.Number} {FaultSchedule.NameOf(fault.Kind)}: {what}");

    private void After(Fault fault, Action end) => In(fault.Lasting, end);

    private void In(TimeSpan time, Action end) => _ends.Enqueue(end, (_cluster.Time.Now + time, ++_ending));

    /// <summary>One of the nodes that are up and have a disk, often one that leads a group; null if there is
    /// none.</summary>
    private NodeName? PickUp(Random random)
    {
        if (PickLeader(random) is { } leader) return leader;
        NodeName[] up = [.. _cluster.Nodes.Keys.Where(name => name != Lost)];
        return up.Length == 0 ? null : up[random.Next(up.Length)];
    }

    /// <summary>Half of the time the leader of any group, if it has one: most bugs hide where leaders change.</summary>
    private NodeName? PickLeader(Random random) =>
        random.Next(2) == 0 && AnyGroup(random) is { } group ? _cluster.LeaderOf(group.Group) : null;

    private NodeName Pick(Random random)
    {
        NodeName[] names = [.. _cluster.AllNames];
        return PickLeader(random) ?? names[random.Next(names.Length)];
    }

    /// <summary>As <see cref="PickUp"/>, but none that is to go, or is yet to join.</summary>
    private NodeName? PickStaying(Random random) =>
        PickUp(random) is { } name && !_leaving.Contains(name) && _cluster.IsFormed(name) ? name : null;

    /// <summary>All nodes, often with a leader first.</summary>
    private NodeName[] Shuffled(Random random)
    {
        NodeName[] names = [.. _cluster.AllNames];
        random.Shuffle(names);
        if (PickLeader(random) is { } leader)
        {
            int place = Array.IndexOf(names, leader);
            (names[0], names[place]) = (names[place], names[0]);
        }
        return names;
    }

    private void StartIfDown(NodeName name)
    {
        if (_cluster.IsUp(name) || _cluster.StartFailure.ContainsKey(name)) return;
        if (name == _dead || !_cluster.AllNames.Contains(name)) return;
        _trace.Note($"{name} starts");
        _failedBefore[name] = _cluster.MediumOf(name).FailedOperations;
        _cluster.StartNode(name);
    }

    private static bool HasFailed(Replica replica) => replica.StopReason is not null && replica.Status.Role == "failed";

    /// <summary>A node or replica that its disk has failed can do no more than be started again.</summary>
    private void RestartFailedNodes()
    {
        if (_cluster.Time.Now < _lookAt) return;
        _lookAt = _cluster.Time.Now + LookInterval;
        foreach ((NodeName name, StoreNode node) in _cluster.Nodes.ToArray())
        {
            string? failure = node.Storage.Failure?.Message
                ?? node.Replicas.FirstOrDefault(HasFailed)?.StopReason;
            if (failure is null || !_restarting.Add(name)) continue;
            _trace.Note($"{name} stopped: {failure}");
            In(TimeSpan.FromMilliseconds(500), () =>
            {
                _restarting.Remove(name);
                if (!_cluster.Nodes.TryGetValue(name, out StoreNode? present) || present != node) return;
                _cluster.CrashNode(name, CrashLoss.Random);
                StartIfDown(name);
            });
        }
    }

    /// <summary>A node may fail to start for one reason only: its disk is not what it was.</summary>
    private void CheckRefusal()
    {
        if (Lost is { } lost && _cluster.Nodes.TryGetValue(lost, out StoreNode? node) && node.Replicas.Count > 0)
            _violated($"{lost} takes part although its disk is not what it was ({FaultSchedule.NameOf(LostBy)})");
        if (_cluster.StartFailure.Count == 0) return;
        foreach ((NodeName name, Exception failure) in _cluster.StartFailure.ToArray())
        {
            if (name == Lost)
            {
                if (!_refusalIsDue) continue;
                _refusalIsDue = false;
                _trace.Note($"{name} refuses to start: {failure.Message}");
                _cluster.CrashNode(name);
                _replacing = name;
                Repair(() => ReplaceAsync(name));
                continue;
            }
            if (name == _replacing) continue;
            if (IsExcused(name, failure))
            {
                _trace.Note($"{name} could not start: {failure.Message}");
                // Half of it may be up.
                _cluster.CrashNode(name);
                _cluster.StartFailure.Remove(name);
                In(TimeSpan.FromMilliseconds(500), () => StartIfDown(name));
                continue;
            }
            _violated($"{name} could not start: {failure}");
        }
    }
}
