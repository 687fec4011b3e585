using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Grains;

/// <summary>
/// A node of the store that a silo hosts. Opens the storage; then lets the cluster form, activates a grain for every
/// replica of the node, and activates again what was deactivated.
/// </summary>
public sealed class SiloNode : IAsyncDisposable
{
    private static readonly TimeSpan WatchPeriod = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan WaitingNoticePeriod = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan HandOverPeriod = TimeSpan.FromMilliseconds(20);

    private readonly IGrainFactory _grains;
    private readonly SiloNetwork _network;
    private readonly ILogger _logger;
    private readonly string _zone;
    private readonly ConcurrentDictionary<GroupId, int> _activations = new();
    private readonly TaskCompletionSource _serving = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stopping = new();
    private StoreNode? _store;
    private Func<NodeName, bool> _leaves = _ => false;
    private bool _disposed;
    private Task _watch = Task.CompletedTask;
    private Task _ticking = Task.CompletedTask;
    private Task _handingOver = Task.CompletedTask;

    internal SiloNode(NodeName name, string zone, OrleansRaftOptions options, IGrainFactory grains, SiloNetwork network,
        ILogger logger)
    {
        Name = name;
        Options = options;
        _zone = zone;
        _grains = grains;
        _network = network;
        _logger = logger;
    }

    public NodeName Name { get; }

    /// <summary>Completes when every replica of this node knows a leader; fails if the node cannot be part of its
    /// cluster.</summary>
    public Task Serving => _serving.Task;

    /// <summary>The node; null before its storage was opened.</summary>
    public StoreNode? Store => _store;

    /// <summary>Why clients should rather go elsewhere; null while every replica of this node leads or follows a leader
    /// and the storage answers.</summary>
    public string? WhyNotReady
    {
        get
        {
            if (IsLeaving) return $"{Name} is about to stop";
            if (FormedStore is not { } store) return $"{Name} is not part of a formed cluster yet";
            if (store.DescribeStall() is { } stall) return stall;
            GroupId[] without = [.. store.OwnGroups.Where(group =>
                store.Find(group) is not { StopReason: null, Leader: not null })];
            return without.Length > 0 ? $"without a leader here: {string.Join(", ", without)}"
                : _serving.Task.IsCompletedSuccessfully ? null : $"{Name} starts";
        }
    }

    /// <summary>Why this node can do nothing any more until it is started anew; null while it works.</summary>
    public string? WhyNotLive => _store?.Storage.Failure is { } failure ? $"the storage failed: {failure.Message}"
        : _serving.Task.Exception is { InnerException: { } cause } ? cause.Message : null;

    /// <summary>Whether it hands over what it leads, to stop afterwards.</summary>
    public bool IsLeaving { get; private set; }

    internal OrleansRaftOptions Options { get; }

    /// <summary>Completes when the node has ended here.</summary>
    internal Task Ended => _ended.Task;

    /// <summary>Whether the storage was opened elsewhere: nothing here can work any more.</summary>
    internal bool IsFenced => _store?.Storage.Failure is FencedException;

    /// <summary>The node, once the cluster has formed; else null.</summary>
    internal StoreNode? FormedStore => _store is { Formed.IsCompletedSuccessfully: true } store ? store : null;

    /// <summary>Ends as a stop with all the time it takes.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true)) return;
        await StopWatchAsync();
        await StopStoreAsync(crashes: false);
        _stopping.Dispose();
    }

    /// <summary>
    /// Lets other nodes lead what this one leads, from now on until it stops: what is asked of this node meanwhile is
    /// served, and no client has to wait for an election when it is gone.
    /// </summary>
    /// <param name="leaves">Which other nodes are about to stop as well, and shall not lead.</param>
    /// <returns>How many groups it still leads when the time is over; 0 as soon as there is none.</returns>
    internal async Task<int> HandOverAsync(TimeSpan limit, Func<NodeName, bool> leaves)
    {
        IsLeaving = true;
        if (FormedStore is not { } store) return 0;
        _leaves = leaves;
        SiloNodeLog.HandsOver(_logger, Name);
        var none = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _handingOver = Task.Run(() => KeepHandingOverAsync(store, none), CancellationToken.None);
        await none.Task.WaitAsync(limit)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        return none.Task.IsCompleted ? 0 : store.Replicas.Count(replica => replica.Status.Role == "leader");
    }

    /// <summary>Opens a replica of this node, whose turns run on <paramref name="scheduler"/>.</summary>
    internal async Task<Replica> OpenReplicaAsync(GroupId group, TaskScheduler scheduler)
    {
        StoreNode store = FormedStore
            ?? throw new InvalidOperationException($"{Name} is not part of a formed cluster yet.");
        Replica replica = await store.OpenReplicaAsync(group, scheduler);
        int count = _activations.AddOrUpdate(group, 1, static (_, before) => before + 1);
        SiloNodeLog.Activated(_logger, Name, group, replica.Incarnation, count);
        return replica;
    }

    internal PeerInfo Describe(Replica replica) =>
        StoreMessages.ToMessage(replica, _activations.GetValueOrDefault(replica.Group));

    internal SiloViewMessage View() => FormedStore is { } store
        ? new SiloViewMessage(Name.Value, StoreMessages.ToMessage(store.GetStatus()),
            [.. store.Replicas.Select(Describe)])
        : new SiloViewMessage(Name.Value, null, []);

    /// <summary>Whether a stopped replica is the latest of its group here and will not work again in this
    /// process.</summary>
    internal bool IsFailed(Replica replica) =>
        replica.Status.Role == "failed" && FormedStore is { } store
            && ReferenceEquals(store.Find(replica.Group), replica);

    internal async Task OpenStoreAsync()
    {
        _store = await StoreNode.StartAsync(new StoreNodeOptions
        {
            Name = Name,
            Nodes = Options.FormingNodes,
            Joins = Options.JoinsAs(Name),
            JoinsIfFormed = Options.JoinIfFormed,
            Zone = _zone,
            Groups = Options.Groups,
            SplitKeys = Options.SplitKeys,
            Limits = Options.Limits,
            Replica = Options.Replica,
            ReplicationFactor = Options.Controller.Placement.ReplicaCount,
            Controller = Options.Controller,
            LogSegmentBytes = Options.LogSegmentBytes,
            Time = TimeProvider.System,
            Scheduler = TaskScheduler.Default,
            Seed = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))),
            Logger = _logger,
            ReplicaWanted = ActivateWanted,
            IsMeasured = true,
        }, context => Options.OpenStorage(Name, context), _network);
    }

    /// <summary>A stop without time to spare is a crash, and the store treats it as one: nothing queued reaches the
    /// disk.</summary>
    internal async Task StopStoreAsync(bool crashes)
    {
        if (_store is { } store)
        {
            if (crashes) await store.CrashAsync();
            await store.DisposeAsync();
        }
        _ended.TrySetResult();
    }

    internal void StartWatch()
    {
        // Whoever starts it goes on; the watch lives until the node stops.
        _watch = Task.Run(WatchAsync, CancellationToken.None);
        _ticking = Task.Run(TickAsync, CancellationToken.None);
    }

    internal async Task StopWatchAsync()
    {
        await _stopping.CancelAsync();
        await _watch;
        await _ticking;
        await _handingOver;
    }

    private async Task KeepHandingOverAsync(StoreNode store, TaskCompletionSource none)
    {
        try
        {
            using var timer = new PeriodicTimer(HandOverPeriod);
            do
            {
                if (store.HandOver(_leaves) == 0) none.TrySetResult();
            }
            while (await timer.WaitForNextTickAsync(_stopping.Token));
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The silo stops.
        }
    }

    /// <summary>One timer for the node and all its replicas.</summary>
    private async Task TickAsync()
    {
        try
        {
            using var timer = new PeriodicTimer(Options.TickPeriod);
            while (await timer.WaitForNextTickAsync(_stopping.Token)) _store!.Tick();
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The silo stops.
        }
    }

    private async Task WatchAsync()
    {
        try
        {
            await FormAsync(_store!);
            using var timer = new PeriodicTimer(WatchPeriod);
            do
            {
                await Task.WhenAll(_store!.OwnGroups.Where(NeedsActivation).Select(ActivateAsync));
                if (_store.OwnGroups.All(group => _store.Find(group)?.Leader is not null)) _serving.TrySetResult();
            }
            while (await timer.WaitForNextTickAsync(_stopping.Token));
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            _serving.TrySetCanceled(_stopping.Token);
        }
        // Whatever ended the watch, who waits for this silo to serve must hear of it.
#pragma warning disable CA1031
        catch (Exception failure)
#pragma warning restore CA1031
        {
            SiloNodeLog.CannotServe(_logger, failure, Name, failure.Message);
            _serving.TrySetException(failure);
        }
    }

    private async Task FormAsync(StoreNode store)
    {
        using var timer = new PeriodicTimer(Options.TickPeriod);
        long noticed = TimeProvider.System.GetTimestamp();
        while (!store.Formed.IsCompleted)
        {
            if (TimeProvider.System.GetElapsedTime(noticed) >= WaitingNoticePeriod)
            {
                noticed = TimeProvider.System.GetTimestamp();
                SiloNodeLog.Waiting(_logger, Name, string.Join(", ", store.WaitingFor));
            }
            await timer.WaitForNextTickAsync(_stopping.Token);
        }
        await store.Formed;
    }

    /// <summary>A replica came while the silo was running: the watch would find it, too, but later.</summary>
    private void ActivateWanted(GroupId group)
    {
        if (!_stopping.IsCancellationRequested) _ = ActivateAsync(group);
    }

    private bool NeedsActivation(GroupId group) =>
        _store!.Find(group) is not { } replica || (replica.StopReason is not null && !IsFailed(replica));

    private async Task ActivateAsync(GroupId group)
    {
        try
        {
            await _grains.GetGrain<IRaftPeerGrain>(new PeerKey(group, Name).ToString()).Start()
                .WaitAsync(_stopping.Token);
        }
        // Tried again by the next round of the watch, for as long as the silo lives.
#pragma warning disable CA1031
        catch (Exception failure) when (failure is not OperationCanceledException)
#pragma warning restore CA1031
        {
            SiloNodeLog.ActivationFailed(_logger, failure, Name, group, failure.Message);
        }
    }
}

internal static partial class SiloNodeLog
{
    [LoggerMessage(50, LogLevel.Information,
        "{Node}: activated {Group}, incarnation {Incarnation}, activation {Count} since its silo opened it")]
    public static partial void Activated(ILogger logger, NodeName node, GroupId group, ulong incarnation, int count);

    [LoggerMessage(51, LogLevel.Error, "{Node}: could not activate {Group}: {Why}")]
    public static partial void ActivationFailed(ILogger logger, Exception failure, NodeName node, GroupId group,
        string why);

    [LoggerMessage(52, LogLevel.Warning, "{Node}: waiting for {Nodes} to form the cluster")]
    public static partial void Waiting(ILogger logger, NodeName node, string nodes);

    [LoggerMessage(54, LogLevel.Information, "{Node}: hands over what it leads")]
    public static partial void HandsOver(ILogger logger, NodeName node);

    [LoggerMessage(53, LogLevel.Critical, "{Node}: cannot serve: {Why}")]
    public static partial void CannotServe(ILogger logger, Exception failure, NodeName node, string why);
}
