using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Testing;

/// <summary>How to set up a <see cref="StoreCluster"/>.</summary>
public sealed record StoreClusterOptions
{
    public ulong Seed { get; init; } = 1;

    public int Nodes { get; init; } = 3;

    public int Groups { get; init; } = 1;

    public ReplicaOptions Replica { get; init; } = new();

    /// <summary>How the cluster looks after itself. Null: not at all, so that nothing moves but what a test
    /// moves.</summary>
    public ControllerOptions? Controller { get; init; }

    /// <summary>Of the nodes those that are not there when the cluster forms, and join it when they are
    /// started.</summary>
    public IReadOnlyList<NodeName> Joining { get; init; } = [];

    public StoreLimits Limits { get; init; } = new();

    public KvClientOptions Client { get; init; } = new();

    public int LogSegmentBytes { get; init; } = 1 << 20;

    public SimulatedStorage Storage { get; init; }

    /// <summary>Runs tasks in an order drawn from the seed instead of oldest first.</summary>
    public bool RandomOrder { get; init; }

    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>A deliberate bug, on every node. None.</summary>
    internal FaultPoints Faults { get; init; }

    /// <summary>Stands between a node and its storage. Null: nothing does.</summary>
    public Func<NodeName, INodeStorage, INodeStorage>? WrapStorage { get; init; }

    /// <summary>Changes the options of single nodes, to set them up differently from the others.</summary>
    public Func<StoreNodeOptions, StoreNodeOptions>? PerNode { get; init; }
}

/// <summary>
/// The real store on one thread: simulated disks or databases, a simulated network, virtual time, one scheduler.
/// Nothing happens but while one of its Run methods runs; the same seed and calls give the same history.
/// </summary>
public sealed partial class StoreCluster : IStoreConnection
{
    private static readonly TimeSpan TickPeriod = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromMilliseconds(500);

    private readonly StoreClusterOptions _options;
    private readonly Random _random;
    private readonly Dictionary<NodeName, NodeClock> _clocks;

    // Of the nodes that are up or starting.
    private readonly Dictionary<NodeName, NodeLife> _lives = [];

    // Of the nodes whose storage was opened a second time, while the first opening's process lives.
    private readonly SortedDictionary<NodeName, NodeLife> _earlier = [];
    private RouteTable? _routes;

    public StoreCluster(StoreClusterOptions options)
    {
        _options = options;
        _random = new Random((int)(options.Seed * 0x9e3779b9));
        Scheduler = new DeterministicScheduler(options.RandomOrder ? _random.Next() : null);
        Time = new VirtualTime(Scheduler);
        Network = new SimulatedNetwork(Time, options.Seed);
        Names = [.. Enumerable.Range(1, options.Nodes).Select(i => new NodeName($"node-{i}"))];
        foreach (NodeName name in Names) MakeMedium(name);
        _clocks = Names.ToDictionary(name => name, name => new NodeClock(Time, Scheduler.CreateLane()));
    }

    public DeterministicScheduler Scheduler { get; }

    public VirtualTime Time { get; }

    public SimulatedNetwork Network { get; }

    public IReadOnlyList<NodeName> Names { get; }

    /// <summary>Empty if the nodes have databases.</summary>
    public Dictionary<NodeName, SimulatedDisk> Disks { get; } = [];

    /// <summary>Empty if the nodes have disks.</summary>
    public Dictionary<NodeName, SimulatedDatabase> Databases { get; } = [];

    /// <summary>The nodes that are up.</summary>
    public SortedDictionary<NodeName, StoreNode> Nodes { get; } = [];

    /// <summary>Makes a cluster, forms it and waits until every group has a leader.</summary>
    public static StoreCluster Start(StoreClusterOptions? options = null)
    {
        var cluster = new StoreCluster(options ?? new StoreClusterOptions());
        foreach (NodeName name in cluster.Names.Except(cluster._options.Joining)) cluster.StartNode(name);
        cluster.RunUntil(cluster.AllGroupsHaveLeaders, TimeSpan.FromSeconds(30), "every group has a leader");
        return cluster;
    }

    public KvClient CreateClient(KvClientOptions? options = null) =>
        new(new ClientConnection(this), Time, Scheduler, options ?? _options.Client, (ulong)_random.NextInt64());

    /// <summary>Opens a node on its disk and lets it join in the background; <see cref="StartFailure"/> tells if it
    /// could not. Does nothing if it is up or starting.</summary>
    public void StartNode(NodeName name)
    {
        var life = new NodeLife(name, Scheduler.CreateLane(), _clocks[name]);
        if (!_lives.TryAdd(name, life)) return;
        _clocks[name].Lane = life.Lane;
        StartFailure.Remove(name);
        _ = life.Lane.Start(() => StartNodeAsync(life));
    }

    /// <summary>Why a node could not start when it was started last.</summary>
    public Dictionary<NodeName, Exception> StartFailure { get; } = [];

    /// <summary>The power fails: the node is gone, also if it was starting or paused, and so is what its disk had not
    /// flushed. Does nothing if it is down.</summary>
    public void CrashNode(NodeName name, CrashLoss loss = CrashLoss.Everything)
    {
        if (!_lives.Remove(name, out NodeLife? life)) return;
        // First its ways out: nothing of what the node does while it dies may reach its disk or another node.
        Network.Detach(name);
        MediumOf(name).Crash(loss);
        Nodes.Remove(name);
        _up = null;
        End(life);
    }

    private void End(NodeLife life)
    {
        life.StopTicking();
        if (life is { Node: { } node, Lane.IsPaused: false })
        {
            Task crash = life.Lane.Start(node.CrashAsync);
            Scheduler.RunUntilIdle();
            if (crash.IsFaulted) crash.GetAwaiter().GetResult();
        }
        else life.Lane.Discard();
    }

    public bool AllGroupsHaveLeaders()
    {
        if (Nodes.Count == 0 || Nodes.Values.Any(n => !n.Formed.IsCompletedSuccessfully)) return false;
        return Nodes.Values.First().Ranges.Groups.All(g => LeaderOf(g.Group) is not null);
    }

    /// <summary>The node whose replica leads a group in the highest term; null if none does.</summary>
    public NodeName? LeaderOf(GroupId group) => Nodes.Values
        .Select(node => (node.Name, Replica: node.Find(group)))
        .Where(r => r.Replica?.Status.Role == "leader")
        .OrderByDescending(r => r.Replica!.Status.Term)
        .Select(r => (NodeName?)r.Name)
        .FirstOrDefault();

    /// <summary>Lets virtual time pass.</summary>
    public void RunFor(TimeSpan time) => Time.Advance(time);

    /// <summary>Lets virtual time pass until something holds; throws if it does not within
    /// <paramref name="limit"/>.</summary>
    public void RunUntil(Func<bool> condition, TimeSpan limit, string what)
    {
        TimeSpan end = Time.Now + limit;
        Scheduler.RunUntilIdle();
        while (!condition())
        {
            if (Time.Now >= end)
                throw new TimeoutException($"Seed {_options.Seed}: after {limit.TotalSeconds:F0} simulated seconds it "
                    + $"still does not hold that {what}.");
            Time.Advance(TimeSpan.FromTicks(Math.Max(1, (Time.UntilNextTimer ?? TickPeriod).Ticks)));
        }
    }

    /// <summary>Runs work, letting time pass, until it ends.</summary>
    public T Run<T>(Func<Task<T>> work)
    {
        Running<T> running = Begin(work);
        RunUntil(() => running.HasEnded, TimeSpan.FromSeconds(120), "the call ended");
        return running.Result;
    }

    /// <summary>Starts work that goes on while time passes.</summary>
    public Running<T> Begin<T>(Func<Task<T>> work)
    {
        var running = new Running<T>();
        _ = Scheduler.Start(() => running.FollowAsync(work));
        return running;
    }

    /// <summary>Starts work that goes on while time passes.</summary>
    public Running<bool> Begin(Func<Task> work) => Begin(() => Finished(work));

    /// <summary>Runs work, letting time pass, until it ends.</summary>
    public void Run(Func<Task> work) => Run(() => Finished(work));

    private static async Task<bool> Finished(Func<Task> work)
    {
        await work();
        return true;
    }

    public ValueTask<StoreRoutes?> GetRoutesAsync() => ValueTask.FromResult(Refresh(_routes));

    /// <summary>Tells a connection all that the nodes which are up know.</summary>
    private StoreRoutes? Refresh(RouteTable? routes)
    {
        foreach (StoreNode node in Nodes.Values) routes?.Update(node);
        return routes?.Routes;
    }

    /// <summary>As a real connection: one attempt, over a network that may lose the request or the reply. All callers
    /// share one guess at who leads; a client of <see cref="CreateClient"/> has its own.</summary>
    public Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request) => ExecuteAsync(_routes!, group, request);

    private async Task<GroupReply> ExecuteAsync(RouteTable routes, GroupId group, GroupRequest request)
    {
        if (request.Kind != RequestKind.Write && _random.NextDouble() < ReadsAnywhere)
        {
            if (routes.Routes.Ranges.Find(group) is not { Replicas: var replicas })
                return GroupReply.Of(GroupReplyStatus.Unavailable);
            return await AttemptAsync(replicas[_random.Next(replicas.Count)].Node, group, request);
        }
        if (group == GroupId.Meta) Refresh(routes);
        if (routes.Leaders.Pick(group) is not { } node) return GroupReply.Of(GroupReplyStatus.Unavailable);
        GroupReply reply = await AttemptAsync(node, group, request);
        routes.Leaders.Learn(group, node, reply);
        // As a client learns of it by asking for routes again.
        if (reply.Status is GroupReplyStatus.NotLeader or GroupReplyStatus.Unavailable
            && FindDescriptor(group) is { } descriptor) routes.Leaders.Update(descriptor);
        return reply;
    }

    /// <summary>Of a client's request or reply being lost, or of a request arriving only after its client has given the
    /// attempt up, 0 to 1.</summary>
    public double ClientLoss { get; set; }

    /// <summary>Share of reads that go to any replica of the group instead of its leader, 0 to 1.</summary>
    public double ReadsAnywhere { get; set; }

    private async Task<GroupReply> AttemptAsync(NodeName node, GroupId group, GroupRequest request)
    {
        if (_random.NextDouble() < ClientLoss)
        {
            if (_random.Next(2) == 0) _ = Begin(() => ArriveLateAsync(node, group, request));
            await Task.Delay(AttemptTimeout, Time);
            return GroupReply.Of(GroupReplyStatus.Unknown);
        }
        GroupReply reply = await ArriveAsync(node, group, request);
        return _random.NextDouble() < ClientLoss ? GroupReply.Of(GroupReplyStatus.Unknown) : reply;
    }

    private async Task<GroupReply> ArriveLateAsync(NodeName node, GroupId group, GroupRequest request)
    {
        await Task.Delay(AttemptTimeout * (1 + 4 * _random.NextDouble()), Time);
        return await ArriveAsync(node, group, request);
    }

    private async Task<GroupReply> ArriveAsync(NodeName node, GroupId group, GroupRequest request)
    {
        bool toEarlier = _earlier.TryGetValue(node, out NodeLife? life) && _random.Next(2) == 0;
        if (!toEarlier) life = _lives.GetValueOrDefault(node);
        if (life?.Node?.Find(group) is not { } replica) return GroupReply.Of(GroupReplyStatus.Unavailable);
        // A paused node takes the request when it goes on, and not before.
        Task<GroupReply> execution = life.Lane.IsPaused
            ? life.Lane.Start(() => replica.ExecuteAsync(request))
            : replica.ExecuteAsync(request);
        return await Attempt.WithinAsync(execution, AttemptTimeout, Time);
    }

    private async Task StartNodeAsync(NodeLife life)
    {
        NodeName name = life.Name;
        StoreNode? node = null;
        try
        {
            bool joins = !Names.Contains(name) || _options.Joining.Contains(name) || _replaced.Contains(name);
            var options = new StoreNodeOptions
            {
                Name = name,
                Nodes = [.. joins ? AllNames.Where(other => other != name) : Names.Except(_options.Joining)],
                Joins = joins,
                Groups = _options.Groups,
                Limits = _options.Limits,
                Replica = _options.Replica,
                Controller = _options.Controller,
                LogSegmentBytes = _options.LogSegmentBytes,
                Time = life.Clock,
                Scheduler = life.Lane,
                Seed = (ulong)_random.NextInt64(),
                Logger = _options.Logger,
                Faults = _options.Faults,
                ReplicaWanted = group => _ = life.Lane.Start(() => OpenWantedAsync(life, group)),
            };
            node = await StoreNode.StartAsync(_options.PerNode?.Invoke(options) ?? options,
                context => OpenStorageAsync(name, context), Network.For(name));
            Nodes[name] = life.Node = node;
            _up = null;
            Network.Attach(name, frame => life.Receive(node, frame), life.Lane);
            life.StartTicking(node, TickPeriod);
            await node.Formed;
            _routes ??= new RouteTable(node.Ranges, node.Formation.Limits);
            foreach (GroupId group in node.OwnGroups) await node.OpenReplicaAsync(group, life.Lane);
        }
#pragma warning disable CA1031 // Kept for whoever asks why the node is not up.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            // A node that crashed while it was starting has an excuse.
            if (_lives.GetValueOrDefault(name) != life) return;
            StartFailure[name] = failure;
            if (node is null) _lives.Remove(name);
        }
    }

    private async Task<INodeStorage> OpenStorageAsync(NodeName name, StorageContext context)
    {
        INodeStorage storage = await MediumOf(name).OpenAsync(context);
        return _options.WrapStorage?.Invoke(name, storage) ?? storage;
    }

    /// <summary>Opens a replica that came to a node while it was running.</summary>
    private static async Task OpenWantedAsync(NodeLife life, GroupId group)
    {
        try
        {
            await life.Node!.OpenReplicaAsync(group, life.Lane);
        }
        catch (ReplicaRefusedException)
        {
            // It was removed meanwhile.
        }
    }

    private sealed class ClientConnection(StoreCluster cluster) : IStoreConnection
    {
        private RouteTable? _routes;

        public ValueTask<StoreRoutes?> GetRoutesAsync() => ValueTask.FromResult(cluster.Refresh(Routes()));

        public Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request) =>
            cluster.ExecuteAsync(Routes()!, group, request);

        private RouteTable? Routes() => cluster._routes is { Routes: var known }
            ? _routes ??= new RouteTable(known.Ranges, known.Limits)
            : null;
    }
}

/// <summary>Work under way on a simulated cluster. Unlike a task's, its end is seen in the very step in which it
/// happens.</summary>
public sealed class Running<T>
{
    private T? _result;

    public bool HasEnded { get; private set; }

    /// <summary>Why it failed; null otherwise.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>What it returned; throws what it threw.</summary>
    public T Result
    {
        get
        {
            if (Failure is { } failure) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
            return HasEnded ? _result! : throw new InvalidOperationException("It has not ended.");
        }
    }

    internal async Task FollowAsync(Func<Task<T>> work)
    {
        try
        {
            _result = await work();
        }
#pragma warning disable CA1031 // Kept for whoever asks for the result.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Failure = failure;
        }
        HasEnded = true;
    }
}
