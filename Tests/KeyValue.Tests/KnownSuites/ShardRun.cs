using Orleans.Raft.Core;
using Orleans.Raft.KeyValue.Tests.Meta;
using Orleans.Raft.KeyValue.Tests.Ranges;
using Orleans.Raft.Testing;
using Xunit;
using Xunit.Abstractions;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>One case of the routine that TinyKV 3B's configuration changes and splits share.</summary>
internal sealed record ShardOptions
{
    public int Clients { get; init; } = 1;

    /// <summary>Frames, requests and replies are lost and take up to 27 ms, so that they overtake each other.</summary>
    public bool IsUnreliable { get; init; }

    /// <summary>Every one to two seconds the nodes are parted anew in two at random; clients reach all of
    /// them.</summary>
    public bool HasPartitions { get; init; }

    /// <summary>At the end of every round all nodes lose their power and start again a second later.</summary>
    public bool HasRestarts { get; init; }

    /// <summary>How long the log may get before a snapshot is taken; null: none is for that reason.</summary>
    public int? LogLimitBytes { get; init; }

    /// <summary>Replicas, those of leaders among them, are moved to other nodes all the time.</summary>
    public bool HasMoves { get; init; } = true;

    /// <summary>The largest group is split once per round.</summary>
    public bool HasSplits { get; init; }

    public int Rounds { get; init; } = 3;
}

/// <summary>
/// Clients work on three replicas each of a few groups on five nodes in rounds, while the controller moves replicas on
/// request, and the network loses, the nodes are parted and restarted, groups are split, and the log is cut, as the case
/// says. No call may fail, every append is there once and in order, and in the end each group has three equal replicas
/// and no node has another. A run that did too little fails.
/// </summary>
internal sealed class ShardRun
{
    private static readonly TimeSpan Round = Seconds(10);
    private static readonly ReplicaId[] Formed = [new(1), new(2), new(3)];

    private readonly ShardOptions _options;
    private readonly Random _random;
    private readonly StoreCluster _cluster;
    private readonly List<Running<AdministrationAnswer>> _asked = [];
    private int _partitions;

    private ShardRun(ShardOptions options, ulong seed)
    {
        _options = options;
        _random = new Random((int)seed);
        _cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Seed = seed,
            Nodes = 5,
            RandomOrder = true,
            LogSegmentBytes = 16 << 10,
            Controller = new ControllerOptions
            {
                IsBalanceOn = false, ReportInterval = Seconds(0.2), DecisionInterval = Seconds(0.2),
            },
            Replica = options.LogLimitBytes is { } limit
                ? new ReplicaOptions { SnapshotLogBytes = limit, SnapshotChunkBytes = 1 << 10 }
                : new ReplicaOptions(),
        });
    }

    public static void Require(ShardOptions options, ITestOutputHelper output, ulong seed = 1)
    {
        var run = new ShardRun(options, seed);
        var load = new AppendLoad(run._cluster, options.Clients, (int)seed);
        if (options.IsUnreliable)
        {
            run._cluster.Network.Faults = SuiteRun.Unreliable;
            run._cluster.ClientLoss = 0.05;
        }
        for (int round = 1; round <= options.Rounds; round++) run.DoRound(round);
        run._cluster.Network.Faults = new NetworkFaults();
        run._cluster.ClientLoss = 0;
        run.RequireSettled();
        load.Stop();
        load.Check();
        run.RequireEqualReplicas();
        output.WriteLine(run.Describe(load));
        run.RequireWork(load);
    }

    private void DoRound(int round)
    {
        TimeSpan nextPart = _cluster.Time.Now;
        for (TimeSpan end = _cluster.Time.Now + Round; _cluster.Time.Now < end;)
        {
            if (_options.HasPartitions && _cluster.Time.Now >= nextPart)
            {
                Part();
                nextPart = _cluster.Time.Now + Seconds(1 + _random.NextDouble());
            }
            if (_options.HasMoves) Ask(AnyMove());
            Pass(Seconds(0.5));
        }
        _cluster.Network.Heal();
        if (_options.HasRestarts) RestartAll();
        if (_options.HasSplits)
        {
            AdministrationAnswer split = _cluster.Complete(new GrowGroupsRequest(round + 1));
            Assert.True(split.Status == AdministrationStatus.Done, split.Text);
        }
    }

    private void Pass(TimeSpan time)
    {
        _cluster.RunFor(time);
        Assert.Empty(_cluster.StartFailure);
        Assert.All(_cluster.Nodes.Values.SelectMany(node => node.Replicas),
            replica => Assert.Null(replica.StopReason));
    }

    private MoveReplicaRequest AnyMove()
    {
        GroupId[] groups = _cluster.GroupIds();
        GroupDescriptor group = _cluster.DescriptorOf(groups[_random.Next(groups.Length)]);
        NodeName[] others = [.. _cluster.Names.Where(name => group.Replicas.All(r => r.Node != name))];
        // Every third time it is the leader who goes.
        NodeName from = _random.Next(3) == 0 && _cluster.LeaderOf(group.Group) is { } leader
            ? leader
            : group.Replicas[_random.Next(group.Replicas.Count)].Node;
        return new MoveReplicaRequest(group.Group, from, others[_random.Next(others.Length)]);
    }

    /// <summary>An administrator asks and does not wait for it.</summary>
    private void Ask(AdministrationRequest request) => _asked.Add(
        _cluster.Begin(() => new AdministrationClient(_cluster, _cluster.Time, Seconds(2)).AskAsync(request)));

    private void Part()
    {
        _cluster.Network.Heal();
        ILookup<bool, NodeName> sides = _cluster.Names.ToLookup(_ => _random.Next(2) == 0);
        if (sides.Count == 2) _partitions++;
        _cluster.Network.Part(sides[true], sides[false]);
    }

    private void RestartAll()
    {
        foreach (NodeName node in _cluster.Names) _cluster.CrashNode(node, (CrashLoss)_random.Next(3));
        _cluster.RunFor(Seconds(1));
        foreach (NodeName node in _cluster.Names) _cluster.StartNode(node);
        _cluster.RunUntil(() => _cluster.Names.All(_cluster.Nodes.ContainsKey), Seconds(30), "all nodes are up");
    }

    /// <summary>Every move has ended, and what was moved away is gone.</summary>
    private void RequireSettled()
    {
        _cluster.RunUntil(() => _asked.TrueForAll(asked => asked.HasEnded), Seconds(30), "all requests have ended");
        foreach (Running<AdministrationAnswer> asked in _asked)
            Assert.True(asked.Failure is null or UnavailableException, $"{asked.Failure}");
        _cluster.RunUntil(() => _cluster.Administer(new BalanceStatusRequest()).Balance!.UnderWay.Count == 0,
            Seconds(60), "all moves have ended");
        _cluster.RunUntil(() => _cluster.GroupIds().All(IsOnItsNodesOnly), Seconds(60),
            "every group has three voters, and no node has another replica");
    }

    private bool IsOnItsNodesOnly(GroupId group)
    {
        GroupDescriptor descriptor = _cluster.DescriptorOf(group);
        NodeName[] holders = [.. _cluster.Names.Where(name => _cluster.Nodes[name].Find(group) is not null)];
        return descriptor.Replicas.Count == 3 && descriptor.Replicas.All(r => r.Role == ReplicaRole.Voter)
            && holders.Order().SequenceEqual(descriptor.Replicas.Select(r => r.Node).Order());
    }

    private void RequireEqualReplicas()
    {
        foreach (GroupId group in _cluster.GroupIds())
        {
            Replica[] replicas = [.. _cluster.Nodes.Values.Select(node => node.Find(group)).OfType<Replica>()];
            _cluster.RunUntil(() => replicas.Select(r => r.Status.Applied).Distinct().Count() == 1, Seconds(30),
                $"all replicas of {group} applied the same");
            Assert.Single(replicas.Select(replica => _cluster.Run(replica.DigestAsync)).Distinct());
        }
    }

    private void RequireWork(AppendLoad load)
    {
        string done = Describe(load);
        Assert.True(load.Answered >= 40 * _options.Rounds, $"the clients did too little: {done}");
        Assert.True(!_options.HasMoves || NewReplicas >= (_options.HasPartitions ? 1 : 2) * _options.Rounds, $"too few moves: {done}");
        Assert.True(!_options.HasPartitions || _partitions >= 2 * _options.Rounds, $"too few partitions: {done}");
        Assert.True(!_options.IsUnreliable || _cluster.Network.Dropped > 100 * _options.Rounds,
            $"too few frames were dropped: {done}");
        Assert.True(!_options.HasSplits || _cluster.GroupIds().Length > _options.Rounds, $"too few splits: {done}");
        Assert.True(_options.LogLimitBytes is not { } limit || _cluster.GroupIds().All(group =>
            _cluster.ReplicaOn(_cluster.Leader(group), group).LogBytes <= 8 * limit), $"a log is too long: {done}");
    }

    /// <summary>Ids are never used twice, so each tells of one replica that was added.</summary>
    private long NewReplicas => _cluster.GroupIds()
        .Sum(group => (long)_cluster.DescriptorOf(group).HighestReplica.Value - Formed.Length);

    private string Describe(AppendLoad load) =>
        $"{_options}: {load.Answered} calls answered, {_asked.Count} moves asked for, {NewReplicas} replicas added, "
        + $"{_cluster.GroupIds().Length} groups, {_partitions} partitions, {_cluster.Network.Dropped} frames lost";
}
