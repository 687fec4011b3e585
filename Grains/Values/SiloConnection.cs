using System.Collections.Concurrent;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Grains;

/// <summary>The store as seen from inside a silo: straight to a replica that is here, by a grain call to one
/// elsewhere.</summary>
internal sealed class SiloConnection(SiloNode silo, IGrainFactory grains) : IStoreConnection
{
    private readonly ConcurrentDictionary<PeerKey, IRaftPeerGrain> _peers = new();
    private readonly Lock _lock = new();
    private volatile RouteTable? _routes;

    // What the node knew when the routes were brought up to date last.
    private volatile RangeMap? _seen;

    public ValueTask<StoreRoutes?> GetRoutesAsync()
    {
        RouteTable? routes = CurrentRoutes();
        if (silo.FormedStore is { } store) routes?.Update(store);
        return ValueTask.FromResult(routes?.Routes);
    }

    public async Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request)
    {
        // No route leads to the meta group: only nodes know where it is. What came to other groups elsewhere, a silo that
        // has no part in them hears from its node alone.
        if (silo.FormedStore is { } store && (group == GroupId.Meta || !ReferenceEquals(_seen, store.Ranges)))
        {
            _seen = store.Ranges;
            CurrentRoutes()?.Update(store);
        }
        if (CurrentRoutes() is not { } routes || Choose(routes, group, request.Kind) is not { } asked)
            return GroupReply.Of(GroupReplyStatus.Unavailable);
        GroupReply reply = await AskAsync(routes, group, asked, request);
        // A name is worth one more try; nothing was proposed.
        return reply.IsRedirect && reply.LeaderHint is { } leader && leader != asked
            ? await AskAsync(routes, group, leader, request)
            : reply;
    }

    /// <summary>A replica of this silo hears from its leader ten times a second, so it knows best whom to
    /// ask.</summary>
    private NodeName? Choose(RouteTable routes, GroupId group, RequestKind kind)
    {
        if (silo.Store!.Find(group) is { StopReason: null } replica)
        {
            if (kind == RequestKind.StaleRead) return silo.Name;
            if (replica.Leader is { } leader) return leader;
        }
        return routes.Leaders.Pick(group);
    }

    private async Task<GroupReply> AskAsync(RouteTable routes, GroupId group, NodeName node, GroupRequest request)
    {
        GroupReply reply = node != silo.Name ? await AskPeerAsync(group, node, request)
            : silo.Store!.Find(group) is { } replica
            ? await Attempt.WithinAsync(replica.ExecuteAsync(request), silo.Options.AttemptTimeout, TimeProvider.System)
            : GroupReply.Of(GroupReplyStatus.Unavailable);
        routes.Leaders.Learn(group, node, reply);
        return reply;
    }

    private async Task<GroupReply> AskPeerAsync(GroupId group, NodeName node, GroupRequest request)
    {
        IRaftPeerGrain peer = _peers.GetOrAdd(new PeerKey(group, node), static (key, grains) =>
            grains.GetGrain<IRaftPeerGrain>(key.ToString()), grains);
        Task<GroupReplyMessage> call = peer.Execute((byte)request.Kind, Payload.Of(request.Batch));
        // How the call ended is seen on the call itself.
        await ((Task)call).WaitAsync(silo.Options.AttemptTimeout)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        return call.IsCompletedSuccessfully
            ? StoreMessages.ToReply(await call)
            : GroupReply.Of(GroupReplyStatus.Unknown);
    }

    private RouteTable? CurrentRoutes()
    {
        if (_routes is { } routes) return routes;
        if (silo.FormedStore is not { } store) return null;
        lock (_lock) return _routes ??= new RouteTable(store.Ranges, store.Formation.Limits);
    }
}
