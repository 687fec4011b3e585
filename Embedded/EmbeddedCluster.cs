using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Embedded;

/// <summary>A whole cluster in one process: durable, with real threads and clocks, and without Orleans.</summary>
public sealed class EmbeddedCluster : IClusterAdministration, IFaultControl, INodeControl, IStoreConnection,
    IAsyncDisposable
{
    /// <summary>How long an attempt may take before another replica is asked.</summary>
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan TickPeriod = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan FormationTimeout = TimeSpan.FromSeconds(30);

    // Replicas of a node: each may read a snapshot into memory.
    private const int OpenAtATime = 64;

    private const int MaxNameLength = 64;

    private readonly EmbeddedOptions _options;
    private readonly InProcessNetwork _network = new();
    private readonly ConcurrentDictionary<NodeName, StoreNode> _nodes = new();
    private readonly SemaphoreSlim _control = new(1, 1);
    private readonly ILogger _logger;
    private readonly Timer _ticker;
    private volatile NodeName[] _names;
    private RouteTable? _routes;
    private FormationRecord? _formation;
    private KvClient? _client;

    private EmbeddedCluster(EmbeddedOptions options)
    {
        _options = options;
        _names = [.. options.NodeNames];
        _logger = options.LoggerFactory.CreateLogger("Orleans.Raft");
        _ticker = new Timer(static cluster => ((EmbeddedCluster)cluster!).Tick(), this, TickPeriod, TickPeriod);
    }

    /// <summary>The client of this cluster. Others may be made with <see cref="CreateClient"/>.</summary>
    public KvClient Client => _client ?? throw new InvalidOperationException("The cluster is not started.");

    /// <summary>Messages that replicas on the nodes that are up sent to other nodes so far.</summary>
    public long SentMessages => _nodes.Values.Sum(node => node.SentMessages);

    /// <summary>For checks: a node that is up, or null.</summary>
    internal StoreNode? Find(NodeName node) => _nodes.GetValueOrDefault(node);

    /// <summary>Opens or creates the data directory and starts all nodes.</summary>
    /// <exception cref="ArgumentException">The options are invalid; the message lists every problem.</exception>
    /// <exception cref="FormationException">The data directory is another cluster's, or misses a node's
    /// folder.</exception>
    /// <exception cref="IOException">The disk refuses, or holds something that is not what was written.</exception>
    public static async Task<EmbeddedCluster> StartAsync(EmbeddedOptions options)
    {
        IReadOnlyList<string> problems = options.Validate();
        if (problems.Count > 0) throw new ArgumentException(string.Join(" ", problems));
        var cluster = new EmbeddedCluster(options);
        try
        {
            await cluster.StartNodesAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes another client, with sessions of its own.</summary>
    public KvClient CreateClient(KvClientOptions? options = null) =>
        new(this, TimeProvider.System, TaskScheduler.Default, options ?? _options.Client, NextSeed());

    /// <summary>Waits until every group has a leader.</summary>
    public async Task WaitForLeadersAsync(CancellationToken cancellationToken = default)
    {
        while ((await GetStatusAsync(cancellationToken)).Groups.Any(g => g.Leader is null))
            await Task.Delay(TickPeriod, cancellationToken);
    }

    public Task<ClusterStatus> GetStatusAsync(CancellationToken cancellationToken = default)
    {
        FormationRecord formation = _formation ?? throw new InvalidOperationException("The cluster is not started.");
        return Task.FromResult(ClusterView.Merge(formation, [.. _names.Select(name =>
            _nodes.TryGetValue(name, out StoreNode? node) ? ClusterView.Of(node) : new NodeView(name))]));
    }

    public Task<AdministrationAnswer> AdministerAsync(
        AdministrationRequest request, CancellationToken cancellationToken = default) =>
        new AdministrationClient(this, TimeProvider.System, _options.Client.Timeout)
            .AskAsync(request, cancellationToken);

    public ValueTask<StoreRoutes?> GetRoutesAsync()
    {
        LearnRoutes();
        return ValueTask.FromResult(_routes?.Routes);
    }

    public async Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request)
    {
        // No route leads to the meta group: only nodes know where it is.
        if (group == GroupId.Meta) LearnRoutes();
        if (_routes!.Leaders.Pick(group) is not { } node) return GroupReply.Of(GroupReplyStatus.Unavailable);
        // An isolated leader may never answer; what it did is then unknown.
        GroupReply reply = _nodes.TryGetValue(node, out StoreNode? store) && store.Find(group) is { } replica
            ? await Attempt.WithinAsync(replica.ExecuteAsync(request), AttemptTimeout, TimeProvider.System)
            : GroupReply.Of(GroupReplyStatus.Unavailable);
        _routes.Leaders.Learn(group, node, reply);
        return reply;
    }

    private void LearnRoutes()
    {
        foreach (StoreNode node in _nodes.Values) _routes?.Update(node);
    }

    public Task KillAsync(NodeName node, CancellationToken cancellationToken = default) => ControlAsync(async () =>
    {
        StoreNode store = RequireUp(node);
        _network.Detach(node);
        _nodes.TryRemove(node, out _);
        await store.CrashAsync();
    }, cancellationToken);

    public Task StartAsync(NodeName node, CancellationToken cancellationToken = default) => ControlAsync(() =>
    {
        RequireKnown(node);
        return _nodes.ContainsKey(node)
            ? throw new KeyValueArgumentException("BadArgument", $"{node} is up already.")
            : StartNodeAsync(node, cancellationToken);
    }, cancellationToken);

    public Task AddAsync(NodeName node, CancellationToken cancellationToken = default) => ControlAsync(async () =>
    {
        if (!IsFolderName(node.Value))
            throw new KeyValueArgumentException("BadArgument", $"'{node}' cannot be a node's name, which is its "
                + $"folder's, too: use 1 to {MaxNameLength} letters, digits, dots, dashes and underscores, a letter "
                + "or digit first.");
        if (_nodes.ContainsKey(node))
        {
            await RequireMemberAsync(node, cancellationToken);
            return;
        }
        if (_names.Length >= EmbeddedOptions.MaxNodes)
            throw new KeyValueArgumentException("BadArgument",
                $"There are {_names.Length} nodes; one process has no more than {EmbeddedOptions.MaxNodes}.");
        try
        {
            await StartNodeAsync(node, cancellationToken);
        }
        catch (Exception failure) when (failure is ArgumentException or FormationException)
        {
            throw new AdministrationRefusedException(failure.Message);
        }
        catch (IOException failure)
        {
            throw new UnavailableException($"{node} did not start: {failure.Message}");
        }
        catch (TimeoutException)
        {
            throw new UnavailableException($"{node} was not let in within {FormationTimeout.TotalSeconds:F0} s, and "
                + "was stopped again: the meta group may have no leader. Try again when most of its nodes are up.");
        }
        // It knows that it was let in: from here on it is listed, whatever the controller says.
        NodeName[] before = _names;
        if (!before.Contains(node)) _names = [.. before, node];
        try
        {
            await RequireMemberAsync(node, cancellationToken);
        }
        catch (AdministrationRefusedException)
        {
            await StopNodeAsync(node, _nodes[node]);
            _names = before;
            throw;
        }
    }, cancellationToken);

    public Task IsolateAsync(NodeName node, CancellationToken cancellationToken = default) => ControlAsync(() =>
    {
        RequireUp(node);
        _network.Isolate(node);
        return Task.CompletedTask;
    }, cancellationToken);

    public Task HealAsync(CancellationToken cancellationToken = default) => ControlAsync(() =>
    {
        _network.Heal();
        return Task.CompletedTask;
    }, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _ticker.DisposeAsync();
        if (_client is not null) await _client.DisposeAsync();
        foreach (StoreNode node in _nodes.Values)
        {
            _network.Detach(node.Name);
            await node.DisposeAsync();
        }
        _nodes.Clear();
        _control.Dispose();
    }

    private async Task StartNodesAsync()
    {
        NodeName[] missing = [.. _options.NodeNames.Where(name => !Directory.Exists(DirectoryOf(name)))];
        foreach (NodeName name in _options.NodeNames.Except(missing)) await OpenNodeAsync(name);
        foreach (NodeName name in missing)
            if (!await WasRemovedAsync(name)) await OpenNodeAsync(name);
        foreach (StoreNode node in _nodes.Values.OrderBy(n => n.Name))
            await WaitUntilFormedAsync(node, CancellationToken.None);
        // All at once: those that lead first should not wait for nodes that open theirs later.
        await Task.WhenAll(_nodes.Values.Select(OpenReplicasAsync));
        await StartJoinedAsync();
        FormationRecord formation = _formation = _nodes.Values.First().Formation;
        _routes = new RouteTable(new RangeMap(formation.Groups), formation.Limits);
        _client = CreateClient();
    }

    /// <summary>Whether a node whose folder is gone is none of the cluster's any more: it stays down.</summary>
    private async Task<bool> WasRemovedAsync(NodeName missing)
    {
        foreach (StoreNode node in _nodes.Values.Where(node => node.Storage.Formation is not null))
        {
            await WaitUntilFormedAsync(node, CancellationToken.None);
            // All began with it; who does not know it any more has heard that it left.
            if (!node.Directory.Contains(missing)) return true;
        }
        return false;
    }

    /// <summary>Starts the nodes that joined in an earlier life; one whose folder is gone stays down.</summary>
    private async Task StartJoinedAsync()
    {
        IEnumerable<NodeName> members = _nodes.Values.SelectMany(node => node.Directory.Nodes.Select(n => n.Name));
        NodeName[] joined = [.. members.Except(_names).Order()];
        _names = [.. _names, .. joined];
        foreach (NodeName node in joined)
            if (Directory.Exists(DirectoryOf(node))) await StartNodeAsync(node, CancellationToken.None);
    }

    private async Task StartNodeAsync(NodeName node, CancellationToken cancellationToken)
    {
        StoreNode store = await OpenNodeAsync(node);
        try
        {
            await WaitUntilFormedAsync(store, cancellationToken);
            await OpenReplicasAsync(store);
        }
        catch
        {
            // Half open it would count as up and could not be started again.
            await StopNodeAsync(node, store);
            throw;
        }
    }

    private async Task StopNodeAsync(NodeName node, StoreNode store)
    {
        _network.Detach(node);
        _nodes.TryRemove(node, out _);
        await store.DisposeAsync();
    }

    /// <summary>One that was removed and starts with its old folder is none of the cluster's.</summary>
    private async Task RequireMemberAsync(NodeName node, CancellationToken cancellationToken)
    {
        AdministrationAnswer known;
        try
        {
            known = await AdministerAsync(new ListNodesRequest(), cancellationToken);
        }
        catch (UnavailableException failure)
        {
            throw new UnavailableException($"{node} is started, and stays so, but nobody could say whether it was "
                + $"removed meanwhile. {failure.Message} Then add it again.");
        }
        if (!known.Nodes.Any(overview => overview.Name == node && overview.State == NodeState.Removed)) return;
        throw new AdministrationRefusedException($"{node} was removed from the cluster, and its data with it. If it is "
            + $"up, kill it; delete its folder {DirectoryOf(node)} and add it again.");
    }

    private async Task<StoreNode> OpenNodeAsync(NodeName name)
    {
        // Only nodes that joined have a place after those that are configured.
        int place = Array.IndexOf(_names, name);
        StoreNode node = await StoreNode.StartAsync(new StoreNodeOptions
        {
            Name = name,
            Nodes = _options.NodeNames,
            Joins = place < 0 || place >= _options.Nodes,
            Zone = _options.Zones?.ElementAtOrDefault(place < 0 ? _names.Length : place) ?? "",
            Groups = _options.Groups,
            SplitKeys = _options.SplitKeys,
            Limits = _options.Limits,
            Replica = _options.Replica,
            ReplicationFactor = _options.Controller.Placement.ReplicaCount,
            Controller = _options.Controller,
            LogSegmentBytes = _options.LogSegmentBytes,
            Time = TimeProvider.System,
            Scheduler = TaskScheduler.Default,
            Seed = NextSeed(),
            Logger = _logger,
            ReplicaWanted = group => _ = OpenWantedAsync(name, group),
            IsMeasured = true,
        }, context => OpenStorageAsync(name, context), _network.For(name));
        _nodes[name] = node;
        _network.Attach(node);
        return node;
    }

    private Task<INodeStorage> OpenStorageAsync(NodeName name, StorageContext context) =>
        _options.OpenStorage is { } open
            ? open(name, context)
            : NodeStorage.OpenOwnedAsync(
                new LocalDisk(DirectoryOf(name), new LocalDiskOptions { FlushToDisk = _options.FlushToDisk }), context);

    private string DirectoryOf(NodeName node) =>
        Path.Combine(Path.GetFullPath(_options.DataDirectory), node.Value);

    private static async Task WaitUntilFormedAsync(StoreNode node, CancellationToken cancellationToken)
    {
        try
        {
            await node.Formed.WaitAsync(FormationTimeout, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{node.Name} is not part of a formed cluster after "
                + $"{FormationTimeout.TotalSeconds:F0} s: "
                + $"it waits for {string.Join(", ", node.WaitingFor)}. Start those nodes, with the same "
                + "configuration.");
        }
    }

    /// <summary>Many at a time, so that they share flushes.</summary>
    private static Task OpenReplicasAsync(StoreNode node) => Parallel.ForEachAsync(node.OwnGroups,
        new ParallelOptions { MaxDegreeOfParallelism = OpenAtATime },
        async (group, _) => await node.OpenReplicaAsync(group, TaskScheduler.Default));

    /// <summary>Opens a replica that came to a node while it was running.</summary>
    private async Task OpenWantedAsync(NodeName name, GroupId group)
    {
        try
        {
            if (_nodes.TryGetValue(name, out StoreNode? node))
                await node.OpenReplicaAsync(group, TaskScheduler.Default);
        }
        // It was removed meanwhile, the node was killed, or its disk failed; all of them are told elsewhere, too.
        catch (Exception failure) when (failure is InvalidOperationException or IOException)
        {
            EmbeddedLog.NotOpened(_logger, failure, name, group, failure.Message);
        }
    }

    private void Tick()
    {
        foreach ((_, StoreNode node) in _nodes) node.Tick();
    }

    private async Task ControlAsync(Func<Task> action, CancellationToken cancellationToken)
    {
        await _control.WaitAsync(cancellationToken);
        try
        {
            await action();
        }
        finally
        {
            _control.Release();
        }
    }

    private StoreNode RequireUp(NodeName node)
    {
        RequireKnown(node);
        return _nodes.TryGetValue(node, out StoreNode? store)
            ? store
            : throw new KeyValueArgumentException("BadArgument", $"{node} is down already; start it first.");
    }

    private void RequireKnown(NodeName node)
    {
        if (!_names.Contains(node))
            throw new KeyValueArgumentException("BadArgument",
                $"There is no node {node}; the nodes are {string.Join<NodeName>(", ", _names)}.");
    }

    private static bool IsFolderName(string name) => name.Length is > 0 and <= MaxNameLength
        && char.IsAsciiLetterOrDigit(name[0])
        && name.All(character => char.IsAsciiLetterOrDigit(character) || character is '.' or '-' or '_');

    private static ulong NextSeed() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));
}

internal static partial class EmbeddedLog
{
    [LoggerMessage(70, LogLevel.Warning, "{Node}: could not open its replica of {Group}: {Why}")]
    public static partial void NotOpened(ILogger logger, Exception failure, NodeName node, GroupId group, string why);
}
