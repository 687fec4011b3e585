using System.Collections.Concurrent;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Grains;

/// <summary>The store as seen from inside a silo: straight to a replica that is here, by a grain call to one
/// elsewhere.</summary>
internal sealed class SiloConnection(SiloNodes nodes, SiloRoutes known, IGrainFactory grains) : IStoreConnection
{
    private readonly ConcurrentDictionary<PeerKey, IRaftPeerGrain> _peers = new();
    private readonly Lock _lock = new();
    private volatile RouteTable? _routes;

    // What the silo knew when the routes were brought up to date last.
    private volatile RangeMap? _seen;

    /// <summary>Writes go on to other silos even where the leader is here.</summary>
    public bool IsRemote => true;

    public ValueTask<StoreRoutes?> GetRoutesAsync() => ValueTask.FromResult(Refresh()?.Routes);

    public async Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request)
    {
        // A slot that was opened elsewhere learns of it only by asking its storage: a lease proves nothing there.
        if (nodes.Options.Slots is not null && request.Kind == RequestKind.LeaseRead)
            request = request with { Kind = RequestKind.LinearizableRead };
        // No route leads to the meta group: only nodes know where it is. What came to other groups elsewhere, a silo that
        // has no part in them hears from its nodes alone, or from another silo's.
        RouteTable? current = group == GroupId.Meta || !ReferenceEquals(_seen, known.Known?.Ranges)
            ? Refresh()
            : _routes;
        if (current is not { } routes || Choose(routes, group, request.Kind) is not { } asked)
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
        if (nodes.FindReplica(group) is { } here)
        {
            if (kind == RequestKind.StaleRead) return here.Node;
            if (here.Replica.Leader is { } leader) return leader;
        }
        return routes.Leaders.Pick(group);
    }

    private async Task<GroupReply> AskAsync(RouteTable routes, GroupId group, NodeName node, GroupRequest request)
    {
        GroupReply reply = nodes.Find(node) is not { } here ? await AskPeerAsync(group, node, request)
            : here.Store?.Find(group) is { } replica
            ? await Attempt.WithinAsync(replica.ExecuteAsync(request), nodes.Options.AttemptTimeout, TimeProvider.System)
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
        await ((Task)call).WaitAsync(nodes.Options.AttemptTimeout)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        return call.IsCompletedSuccessfully
            ? StoreMessages.ToReply(await call)
            : GroupReply.Of(GroupReplyStatus.Unknown);
    }

    /// <summary>Brings the routes up to date; null while nothing is known of the cluster.</summary>
    private RouteTable? Refresh()
    {
        if (known.Known is not { } news) return _routes;
        RouteTable routes;
        lock (_lock) routes = _routes ??= new RouteTable(news.Ranges, news.Formation.Limits);
        routes.Update(news.Ranges);
        if (news.MetaGroup is { } meta) routes.Leaders.Update(meta);
        _seen = news.Ranges;
        return routes;
    }
}
