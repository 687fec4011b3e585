using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Grains;

/// <summary>
/// The nodes of the store that this silo hosts. One, of the silo's own name, for as long as the silo lives; or, where
/// nodes are slots, those that it holds at present, which may be none.
/// </summary>
public sealed class SiloNodes : ILifecycleParticipant<ISiloLifecycle>, IAsyncDisposable
{
    private readonly ConcurrentDictionary<NodeName, SiloNode> _nodes = new();
    private readonly TaskCompletionSource _serving = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IGrainFactory _grains;
    private readonly SiloNetwork _network;
    private readonly NodePlaces _places;
    private readonly ILogger<SiloNode> _logger;
    private bool _disposed;

    internal SiloNodes(IOptions<OrleansRaftOptions> options, ILocalSiloDetails silo, IGrainFactory grains,
        SiloNetwork network, NodePlaces places, ILogger<SiloNode> logger)
    {
        Options = options.Value;
        SiloName = silo.Name;
        _grains = grains;
        _network = network;
        _places = places;
        _logger = logger;
    }

    public string SiloName { get; }

    /// <summary>Those that are hosted here now, by name.</summary>
    public IReadOnlyList<SiloNode> Hosted => [.. _nodes.Values.OrderBy(node => node.Name)];

    /// <summary>Completes when every replica of this silo knows a leader; fails if the silo cannot be part of its
    /// cluster.</summary>
    public Task Serving => _serving.Task;

    /// <summary>Why clients should rather go elsewhere; null while every replica of this silo leads or follows a
    /// leader.</summary>
    public string? WhyNotReady => IsLeaving ? $"{SiloName} is about to stop"
        : Hosted.Select(node => node.WhyNotReady).FirstOrDefault(why => why is not null)
            ?? (_serving.Task.IsCompletedSuccessfully ? null : $"{SiloName} starts");

    /// <summary>Why this silo can do nothing any more until it is started anew; null while it works. A slot that was
    /// opened elsewhere is no reason.</summary>
    public string? WhyNotLive => Hosted.Where(node => !node.IsFenced).Select(node => node.WhyNotLive)
        .FirstOrDefault(why => why is not null) ?? _serving.Task.Exception?.InnerException?.Message;

    /// <summary>Whether it hands over what it leads, to stop afterwards.</summary>
    public bool IsLeaving { get; private set; }

    internal OrleansRaftOptions Options { get; }

    /// <summary>A node here that is part of the formed cluster; null if there is none.</summary>
    internal StoreNode? FormedStore
    {
        get
        {
            foreach ((_, SiloNode node) in _nodes) if (node.FormedStore is { } store) return store;
            return null;
        }
    }

    void ILifecycleParticipant<ISiloLifecycle>.Participate(ISiloLifecycle lifecycle)
    {
        if (Options.Slots is not null) return;
        lifecycle.Subscribe("OrleansRaft.Store", ServiceLifecycleStage.RuntimeStorageServices,
            _ => Add(new NodeName(SiloName)).OpenStoreAsync(), StopStoresAsync);
        lifecycle.Subscribe("OrleansRaft.Peers", ServiceLifecycleStage.Active, StartWatchesAsync,
            _ => Task.WhenAll(Hosted.Select(node => node.StopWatchAsync())));
    }

    /// <summary>May be called twice: the silo knows this object under two names.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true)) return;
        foreach (SiloNode node in Hosted) await node.DisposeAsync();
        _serving.TrySetCanceled();
    }

    /// <summary>The node of a name, if it is hosted here; else null.</summary>
    public SiloNode? Find(NodeName node) => _nodes.GetValueOrDefault(node);

    /// <summary>
    /// Lets other silos lead what this one leads, from now on until it stops: what is asked of this silo meanwhile is
    /// served, and no client has to wait for an election when it is gone.
    /// </summary>
    /// <returns>How many groups it still leads when the time is over; 0 as soon as there is none.</returns>
    public async Task<int> HandOverAsync(TimeSpan limit)
    {
        IsLeaving = true;
        int[] left = await Task.WhenAll(Hosted.Select(node => node.HandOverAsync(limit, IsHere)));
        return left.Sum();
    }

    /// <summary>A replica of a group that works here, and its node; null if there is none.</summary>
    internal (NodeName Node, Replica Replica)? FindReplica(GroupId group)
    {
        foreach ((NodeName name, SiloNode node) in _nodes)
            if (node.Store?.Find(group) is { StopReason: null } replica) return (name, replica);
        return null;
    }

    /// <summary>Opens a slot's storage and lets it work here; what opened it before is fenced. It is hosted here only
    /// when all that is done, so that it cannot be ended halfway.</summary>
    internal async Task HostAsync(NodeName slot)
    {
        if (Find(slot) is not null) throw HostedAlready(slot);
        SiloNode node = Make(slot);
        try
        {
            await node.OpenStoreAsync();
            _places.NoteHosted(slot);
            node.StartWatch();
            if (!_nodes.TryAdd(slot, node)) throw HostedAlready(slot);
            // Who disposed of all others in between did not see this one.
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), this);
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends a slot's work here.</summary>
    internal async Task EndAsync(NodeName slot, bool crashes = false)
    {
        if (Find(slot) is not { } node) return;
        await node.StopWatchAsync();
        await node.StopStoreAsync(crashes);
        _places.NoteGone(slot);
        _nodes.TryRemove(slot, out _);
        await node.DisposeAsync();
    }

    internal void NoteServing() => _serving.TrySetResult();

    internal void NoteCannotServe(Exception failure) => _serving.TrySetException(failure);

    private bool IsHere(NodeName node) => _nodes.ContainsKey(node);

    private SiloNode Add(NodeName name)
    {
        SiloNode node = Make(name);
        return _nodes.TryAdd(name, node) ? node : throw HostedAlready(name);
    }

    private SiloNode Make(NodeName name) => new(name, Options.ZoneOf(name), Options, _grains, _network, _logger);

    private InvalidOperationException HostedAlready(NodeName name) => new($"{SiloName} hosts {name} already.");

    private Task StartWatchesAsync(CancellationToken cancellationToken)
    {
        foreach (SiloNode node in Hosted)
        {
            node.StartWatch();
            _ = FollowAsync(node.Serving);
        }
        return Task.CompletedTask;
    }

    private async Task StopStoresAsync(CancellationToken cancellationToken)
    {
        foreach (SiloNode node in Hosted) await node.StopStoreAsync(cancellationToken.IsCancellationRequested);
    }

    private async Task FollowAsync(Task serving)
    {
        await serving
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        if (serving.IsFaulted) NoteCannotServe(serving.Exception!.InnerException!);
        else if (serving.IsCanceled) _serving.TrySetCanceled();
        else NoteServing();
    }
}
