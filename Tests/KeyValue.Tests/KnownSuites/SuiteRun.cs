using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using Xunit.Abstractions;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>
/// The routine most cases of TinyKV 2B and 2C and of MIT 3A and 3B are made of: clients work on one group in rounds,
/// while the network loses, the nodes are parted and restarted, and the log is cut, as the case says. After every round
/// each client finds all it wrote, once and in order, and at the end the history of all clients is linearizable. A run
/// that did too little fails.
/// </summary>
internal sealed class SuiteRun
{
    private const int LogBound = 8;
    private static readonly TimeSpan PartitionPeriod = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DownTime = TimeSpan.FromSeconds(1);

    private readonly SuiteOptions _options;
    private readonly Random _random;
    private readonly StoreCluster _cluster;
    private readonly Wire _wire;
    private readonly SuiteHistory _history;
    private readonly SuiteConnection[] _connections;
    private readonly SuiteClient[] _clients;
    private readonly HashSet<Term> _terms = [];
    private int _partitions;
    private int _restarts;
    private int _snapshots;
    private long _mostLogBytes;
    private long _mostLogBytesOnDisk;

    private SuiteRun(SuiteOptions options, ulong seed)
    {
        _options = options;
        _random = new Random((int)seed);
        _cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Seed = seed,
            Nodes = options.Nodes,
            RandomOrder = true,
            PerNode = node => node with { ReplicationFactor = options.Nodes },
            LogSegmentBytes = options.SegmentBytes,
            Replica = options.LogLimitBytes is { } limit
                ? new ReplicaOptions { SnapshotLogBytes = limit, SnapshotChunkBytes = 1 << 10 }
                : new ReplicaOptions(),
        });
        _wire = new Wire(_cluster.Network);
        _history = new SuiteHistory(_cluster.Time);
        _connections = [.. Enumerable.Range(0, options.Clients).Select(_ =>
            new SuiteConnection(_cluster, new Random(_random.Next())) { IsUnreliable = options.IsUnreliable })];
        // No call may give up: all of them succeed once the nodes are connected again.
        var patient = new KvClientOptions { Timeout = Seconds(60) };
        _clients = [.. _connections.Select((connection, i) => SuiteClient.Create(options.Workload, i, options.Clients,
            new KvClient(connection, _cluster.Time, _cluster.Scheduler, patient, (ulong)_random.NextInt64()),
            new Random(_random.Next()), _history))];
        foreach (SimulatedDisk disk in _cluster.Disks.Values) disk.Observed = CountSnapshots;
        if (options.IsUnreliable) _cluster.Network.Faults = Unreliable;
    }

    /// <summary>What the suites call an unreliable network; that frames come twice is ours.</summary>
    public static NetworkFaults Unreliable { get; } = new()
    {
        Loss = 0.1,
        Duplication = 0.05,
        Delay = (TimeSpan.Zero, TimeSpan.FromMilliseconds(27)),
    };

    public static void Require(SuiteOptions options, ITestOutputHelper output, ulong seed = 1)
    {
        var run = new SuiteRun(options, seed);
        for (int round = 0; round < options.Rounds; round++) run.DoRound();
        run.RequireEqualReplicas();
        output.WriteLine(run.Describe());
        run.RequireWork();
        run._history.RequireLinearizable();
    }

    private void DoRound()
    {
        bool stop = false;
        // Many clients ask together as often as few.
        TimeSpan pause = TimeSpan.FromMilliseconds(Math.Max(40, 8 * _clients.Length));
        Running<bool>[] clients =
            [.. _clients.Select(client => _cluster.Begin(() => client.RunAsync(_cluster.Time, pause, () => stop)))];
        for (TimeSpan end = _cluster.Time.Now + _options.Round; _cluster.Time.Now < end;)
        {
            if (_options.HasPartitions) Part();
            Pass(PartitionPeriod + TimeSpan.FromMilliseconds(_random.Next(1000)));
        }
        _cluster.Network.Heal();
        // What the restart interrupts is under way then, and more follows after it.
        if (_options.HasRestarts) RestartAll();
        Pass(PartitionPeriod);
        stop = true;
        _cluster.RunUntil(() => clients.All(client => client.HasEnded), Seconds(60), "all clients ended their calls");
        Assert.All(clients, client => Assert.True(client.Result));
        Running<bool>[] ends = [.. _clients.Select(client => _cluster.Begin(async () =>
        {
            await client.EndAsync();
            return true;
        }))];
        _cluster.RunUntil(() => ends.All(end => end.HasEnded), Seconds(60), "all clients found what they wrote");
        Assert.All(ends, end => Assert.True(end.Result));
        RequireShortLogs();
    }

    /// <summary>Lets time pass, looking at what must not happen meanwhile.</summary>
    private void Pass(TimeSpan time)
    {
        for (TimeSpan end = _cluster.Time.Now + time; _cluster.Time.Now < end;)
        {
            _cluster.RunFor(TimeSpan.FromMilliseconds(50));
            Assert.Empty(_cluster.StartFailure);
            foreach (Replica replica in _cluster.Nodes.Values.Select(node => node.Find(First)).OfType<Replica>())
            {
                Assert.Null(replica.StopReason);
                if (replica.Status.Role == "leader") _terms.Add(replica.Status.Term);
                _mostLogBytes = Math.Max(_mostLogBytes, replica.LogBytes);
            }
        }
    }

    private void Part()
    {
        _cluster.Network.Heal();
        ILookup<bool, NodeName> sides = _cluster.Names.ToLookup(_ => _random.Next(2) == 0);
        if (sides.Count == 2) _partitions++;
        _cluster.Network.Part(sides[true], sides[false]);
    }

    private void RestartAll()
    {
        RequireAllUp();
        foreach (NodeName node in _cluster.Names)
        {
            _cluster.CrashNode(node, (CrashLoss)_random.Next(3));
            _restarts++;
        }
        _cluster.RunFor(DownTime);
        foreach (NodeName node in _cluster.Names) _cluster.StartNode(node);
        RequireAllUp();
    }

    private void RequireAllUp() => _cluster.RunUntil(
        () => _cluster.Names.All(name => _cluster.Nodes.GetValueOrDefault(name)?.Find(First) is not null),
        Seconds(30), "all nodes are up");

    private void RequireShortLogs()
    {
        foreach (StoreNode node in _cluster.Nodes.Values)
        {
            NodeStatus status = node.GetStatus();
            if (_options.LogLimitBytes is not { } limit)
            {
                Assert.Equal(0, status.Snapshots);
                continue;
            }
            _mostLogBytesOnDisk = Math.Max(_mostLogBytesOnDisk, status.LogBytes);
            Assert.True(status.LogBytes <= LogBound * _options.SegmentBytes, $"{node.Name} keeps {status.LogBytes} "
                + $"bytes of log on disk, more than {LogBound} segments of {_options.SegmentBytes}");
            Assert.True(_mostLogBytes <= LogBound * limit, $"a replica kept {_mostLogBytes} bytes of log in memory, "
                + $"more than {LogBound} times the limit of {limit}");
        }
    }

    private void RequireEqualReplicas()
    {
        _cluster.Network.Faults = new NetworkFaults();
        RequireAllUp();
        _cluster.WaitForEqualReplicas();
        StateDigest?[] digests =
            [.. _cluster.Names.Select(name => _cluster.Run(() => _cluster.ReplicaOn(name).DigestAsync()))];
        Assert.All(digests, digest => Assert.NotNull(digest));
        Assert.Single(digests.Select(digest => digest!.Value.Checksum).Distinct());
    }

    private void CountSnapshots(DiskOperation operation)
    {
        if (operation.Kind == DiskOperationKind.Create
            && operation.Path.StartsWith("snapshots", StringComparison.Ordinal)) _snapshots++;
    }

    private void RequireWork()
    {
        int rounds = _options.Rounds;
        string done = Describe();
        Assert.True(_clients.All(client => client.Writes >= 5 * rounds && client.Reads >= 5 * rounds),
            $"a client did too little: {done}");
        Assert.True(!_options.HasPartitions || _partitions >= 2 * rounds, $"too few partitions: {done}");
        Assert.True(!_options.HasRestarts || _restarts == rounds * _options.Nodes, $"too few restarts: {done}");
        Assert.True(!(_options.HasRestarts || _options.HasPartitions) || _terms.Count >= rounds,
            $"too few leaders: {done}");
        Assert.True(!_options.IsUnreliable || Lost > 10 * rounds, $"too little was lost: {done}");
        Assert.True(_options is { IsUnreliable: false, HasPartitions: false } || _cluster.Network.Dropped > 50 * rounds,
            $"too few frames were dropped: {done}");
        Assert.True(_options.LogLimitBytes is null || _snapshots >= 2 * rounds * _options.Nodes,
            $"too few snapshots: {done}");
        Assert.True(_options.LogLimitBytes is null || !_options.HasPartitions || _wire.Of<SnapshotChunk>() >= rounds,
            $"no snapshot was sent: {done}");
    }

    private int Lost => _connections.Sum(connection => connection.Lost);

    private string Describe() => $"{_options.Nodes} nodes, {_options.Clients} clients: "
        + $"{_clients.Sum(client => client.Writes)} writes, {_clients.Sum(client => client.Reads)} reads "
        + $"(least of a client: {_clients.Min(client => Math.Min(client.Writes, client.Reads))}), "
        + $"{_terms.Count} leaders, {_partitions} partitions, {_restarts} restarts, {Lost} requests and replies and "
        + $"{_cluster.Network.Dropped} frames lost, {_wire.Messages} messages in {_wire.Frames} frames, {_snapshots} "
        + $"snapshots written, {_wire.Of<SnapshotChunk>()} parts sent, {_mostLogBytes} bytes of log in memory, "
        + $"{_mostLogBytesOnDisk} on disk";
}
