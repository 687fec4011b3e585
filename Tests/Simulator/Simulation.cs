using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>
/// The real store on one thread in virtual time, under faults that a seed decides, with clients whose history is
/// checked for linearizability. The invariants of <see cref="InvariantChecker"/> are checked after every step. At the
/// end all is healed: the store must converge, all replicas must be equal, and every acknowledged write be there.
/// </summary>
public sealed class Simulation
{
    private const double CallsPerSecond = 300;
    private const int CallersPerProcess = 2;

    // Besides those of the history.
    private const int Writers = 4;

    private static readonly TimeSpan ConvergenceLimit = TimeSpan.FromSeconds(60);

    private readonly SimulationOptions _options;
    private readonly FaultSchedule _schedule;
    private readonly Random _random;
    private readonly StoreCluster _cluster;
    private readonly SimulationTrace _trace;
    private readonly InvariantChecker _invariants;
    private readonly Workload _workload;
    private readonly FaultInjector _faults;
    private readonly History _history = new();
    private readonly List<string> _violations = [];
    private readonly List<Running<bool>> _background = [];
    private ClientProcess[] _processes = [];
    private SimulatedClient[] _clients = [];
    private string? _picture;

    private Simulation(SimulationOptions options, Action<string>? listener)
    {
        _options = options;
        _schedule = FaultSchedule.Draw(options);
        _random = new Random(unchecked((int)(options.Seed ^ 0x51a7)));
        _cluster = new StoreCluster(new StoreClusterOptions
        {
            Seed = options.Seed,
            Nodes = options.Nodes,
            Groups = options.Groups,
            RandomOrder = true,
            Faults = options.Bug is { } bug ? new FaultPoints(bug) : default,
            LogSegmentBytes = 64 << 10,
            Storage = options.StorageUsed,
            Replica = new ReplicaOptions
            {
                SnapshotLogBytes = 4 << 10 << _random.Next(4),
                SnapshotChunkBytes = 1 << 10 << _random.Next(4),
                SilenceAfter = TimeSpan.FromMilliseconds(_random.Next(4) switch { 0 => 0, 1 => 50, 2 => 200, _ => 600 }),
            },
            Client = new KvClientOptions { Timeout = TimeSpan.FromSeconds(1.5) },
            Controller = DrawController(),
        });
        _trace = new SimulationTrace(_cluster.Time, listener);
        _invariants = new InvariantChecker(_cluster, options.Groups, _trace, NoteViolation);
        _cluster.Network.Observed = _trace.NoteFrame;
        _cluster.Network.Sent = (from, _, frame) => NoteSent(from, frame);
        _cluster.Network.SentByEarlier = NoteSentByEarlier;
        _cluster.Network.Faults = new NetworkFaults
        {
            Loss = _random.NextDouble() * 0.02,
            Duplication = _random.NextDouble() * 0.02,
            Delay = (TimeSpan.FromMilliseconds(0.2), TimeSpan.FromMilliseconds(_random.Next(1, 15))),
        };
        _cluster.ClientLoss = _random.NextDouble() * 0.01;
        _cluster.ReadsAnywhere = _random.NextDouble() * 0.5;
        _workload = new Workload(options.Groups, _random.Next(options.Groups), options.Clients + Writers);
        _faults = new FaultInjector(_cluster, _schedule, _trace, _invariants, _workload, KillClient, NoteViolation,
            TimeSpan.FromMilliseconds(_random.Next(4)));
    }

    /// <summary>A cluster that looks after itself quickly: nodes that are cut off for a few seconds are replaced in some
    /// runs, and groups split of their size.</summary>
    private ControllerOptions DrawController() => new()
    {
        ReportInterval = TimeSpan.FromMilliseconds(200),
        DecisionInterval = TimeSpan.FromMilliseconds(300),
        Placement = new PlacementOptions
        {
            SuspectAfter = TimeSpan.FromSeconds(1),
            GoneAfter = TimeSpan.FromSeconds(_random.Next(3, 12)),
            MergeWithin = TimeSpan.FromMilliseconds(300 << _random.Next(4)),
            SplitBytes = 32 << 10 << _random.Next(4),
            ImbalanceBytesTolerated = 16 << 10,
        },
    };

    /// <param name="listener">Hears of every event as it happens.</param>
    public static SimulationResult Run(SimulationOptions options, Action<string>? listener = null)
    {
        var simulation = new Simulation(options, listener);
        try
        {
            simulation.Run();
        }
#pragma warning disable CA1031 // Whatever it is, it is a finding of this seed.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            simulation.NoteViolation(failure.ToString());
        }
        return simulation.Report();
    }

    private void Run()
    {
        foreach (NodeName name in _cluster.Names) _cluster.StartNode(name);
        RunUntil(_cluster.AllGroupsHaveLeaders, TimeSpan.FromSeconds(60), "every group has a leader");
        if (_violations.Count > 0) return;
        TimeSpan end = _cluster.Time.Now + _options.Duration;
        _faults.Begin();
        List<Running<bool>> running = StartClients(end);
        while (_cluster.Time.Now < end && _violations.Count == 0) Step(end);
        _faults.HealAll();
        RunUntil(() => running.All(client => client.HasEnded), TimeSpan.FromSeconds(60), "all clients ended");
        foreach (Running<bool> client in running.Concat(_background).Where(client => client.Failure is not null))
            NoteViolation($"a client failed: {client.Failure}");
        if (_violations.Count == 0) CheckEnd();
        if (_violations.Count == 0) CheckHistory();
    }

    /// <summary>Lets happen what is due next, and checks everything.</summary>
    private void Step(TimeSpan end)
    {
        TimeSpan next = _cluster.Time.Now + (_cluster.Time.UntilNextTimer ?? TimeSpan.FromMilliseconds(10));
        if (_faults.Next < next) next = _faults.Next.Value;
        if (next > end) next = end;
        _cluster.RunFor(next > _cluster.Time.Now ? next - _cluster.Time.Now : TimeSpan.Zero);
        // Before a fault takes away what is to be looked at.
        _invariants.Check();
        _faults.Step();
    }

    private void RunUntil(Func<bool> condition, TimeSpan limit, string what) => RunUntil(condition, limit, () => what);

    private void RunUntil(Func<bool> condition, TimeSpan limit, Func<string> what)
    {
        TimeSpan end = _cluster.Time.Now + limit;
        while (!condition() && _violations.Count == 0)
        {
            if (_cluster.Time.Now >= end)
            {
                NoteViolation($"after {limit.TotalSeconds:F0} simulated seconds it still does not hold that {what()}");
                return;
            }
            Step(end);
        }
    }

    private void NoteSent(NodeName from, ReadOnlyMemory<byte> frame) => ReadMessages(frame, (address, message) =>
    {
        _invariants.NoteSent(from, address, message);
        _faults.NoteSent(from, message);
    });

    private void NoteSentByEarlier(NodeName from, ReadOnlyMemory<byte> frame) => ReadMessages(frame,
        (address, message) => _invariants.NoteSentByEarlier(from, address, message));

    private static void ReadMessages(ReadOnlyMemory<byte> frame, Action<MessageAddress, RaftMessage> read)
    {
        if (FrameReader.TryOpen(frame.Span, out _, out FrameReader reader) != FrameStatus.Ok) return;
        while (reader.TryReadNext(out MessageAddress address, out RaftMessage? message, out _))
            if (message is not null) read(address, message);
    }

    private List<Running<bool>> StartClients(TimeSpan end)
    {
        var pacer = new Pacer(_cluster.Time, CallsPerSecond, new Random(_random.Next()));
        int callers = _options.Clients + Writers;
        _processes = [.. Enumerable.Range(0, (callers + CallersPerProcess - 1) / CallersPerProcess)
            .Select(_ => new ClientProcess(() => _cluster.CreateClient()))];
        _clients = [.. Enumerable.Range(0, callers).Select(i => new SimulatedClient(i,
            _processes[i / CallersPerProcess], _workload, _history, _cluster.Time, new Random(_random.Next()), _trace)
            { UsesLeases = _schedule.AllowsLeases, PutsOnlyOwnKeys = i >= _options.Clients })];
        return [.. _clients.Select(client =>
            _cluster.Begin(() => client.RunAsync(() => _cluster.Time.Now >= end, pacer)))];
    }

    private void KillClient(Random random)
    {
        ClientProcess process = _processes[random.Next(_processes.Length)];
        _background.Add(_cluster.Begin(process.DieAsync));
    }

    private void CheckEnd()
    {
        RunUntil(() => _faults.HasEnded, ConvergenceLimit, () => $"all that was begun has ended "
            + $"({_faults.DescribeOpen()}; {Rest.WhatIsMissing(_cluster, _invariants)})");
        RunUntil(() => Rest.WhatIsMissing(_cluster, _invariants) is null, ConvergenceLimit,
            () => $"the cluster is at rest ({Rest.WhatIsMissing(_cluster, _invariants)})");
        _trace.Note("the last reads begin");
        foreach (SimulatedClient client in _clients)
        {
            if (_violations.Count > 0) return;
            Running<bool> reading = _cluster.Begin(() => client.ReadAllAsync(NoteViolation));
            RunUntil(() => reading.HasEnded, ConvergenceLimit, "the last reads ended");
            if (reading.Failure is { } failure) NoteViolation($"the last reads failed: {failure}");
        }
        foreach (GroupDescriptor group in _invariants.Groups)
            if (_violations.Count == 0) CompareReplicas(group);
    }

    private void CompareReplicas(GroupDescriptor descriptor)
    {
        GroupId group = descriptor.Group;
        Replica[] replicas = [.. descriptor.Replicas.Select(replica => _cluster.Nodes[replica.Node].Find(group)!)];
        // Time goes on while digests are taken, and entries with it: only digests of one index compare.
        for (int attempt = 0; attempt < 20 && _violations.Count == 0; attempt++)
        {
            RunUntil(() => replicas.Select(replica => replica.Status.Applied).Distinct().Count() == 1,
                ConvergenceLimit, $"all replicas of {group} applied the same index");
            Running<StateDigest?>[] digests = [.. replicas.Select(replica => _cluster.Begin(replica.DigestAsync))];
            RunUntil(() => digests.All(digest => digest.HasEnded), ConvergenceLimit, $"{group} was compared");
            StateDigest?[] found = [.. digests.Select(digest => digest.Result)];
            if (found.Select(digest => digest?.LastApplied).Distinct().Count() > 1) continue;
            if (found.Distinct().Count() > 1) NoteViolation($"replicas of {group} differ: {string.Join(", ", found)}");
            return;
        }
        NoteViolation($"the replicas of {group} never had applied the same index when they were compared");
    }

    private void CheckHistory()
    {
        IReadOnlyList<HistoryEntry> entries = ScansOverGroups.Divide(
            _history.Entries(), _invariants.Boundaries, _workload.SharedKeys, NoteViolation);
        if (_violations.Count > 0) return;
        LinearizabilityResult result = LinearizabilityChecker.Check(entries);
        if (result.IsLinearizable) return;
        NoteViolation(result.Explain()!);
        _picture = ViolationPicture.Draw(entries, result);
    }

    private void NoteViolation(string what)
    {
        if (_violations.Count >= 10) return;
        _violations.Add(what);
        _trace.Note($"VIOLATION: {what}");
    }

    private SimulationResult Report() => new()
    {
        Options = _options,
        Schedule = _schedule,
        TraceHash = _trace.Hash,
        Simulated = _cluster.Time.Now,
        Commits = _invariants.Commits,
        Elections = _invariants.Elections,
        Silences = _invariants.Silences,
        Splits = _invariants.Splits,
        Merges = _invariants.Merges,
        Moves = _invariants.Moves,
        Faults = _faults.Counts,
        FramesDelivered = _cluster.Network.Delivered,
        FramesDropped = _cluster.Network.Dropped,
        WritesAcknowledged = _clients.Sum(client => client.WritesAcknowledged),
        InHistory = _history.Entries().Count(entry => entry.Outcome != OperationOutcome.Refused),
        OutcomesUnknown = _clients.Sum(client => client.OutcomesUnknown),
        Reads = _clients.Sum(client => client.Reads),
        Violations = _violations,
        LastEvents = _trace.Last,
        Picture = _picture,
    };
}
