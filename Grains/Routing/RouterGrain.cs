using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;

namespace Orleans.Raft.Grains;

/// <summary>Serves the map and the status from whichever silo the call enters.</summary>
[StatelessWorker, Reentrant, GrainDirectory(NoDirectory.Name)]
internal sealed class RouterGrain(SiloNodes nodes, SiloNetwork network, SiloRoutes routes, NodePlaces places)
    : Grain, IRouterGrain
{
    public Task<RoutesMessage> GetRoutes() => Task.FromResult(routes.Current);

    public Task<RoutesMessage?> WaitForRoutes(Guid seen) => routes.NextAsync(seen);

    public async Task<ClusterViewMessage> GetStatus()
    {
        if (routes.Known is not { } known) return new ClusterViewMessage(null, []);
        SiloViewMessage[] views = await Task.WhenAll(known.Formation.Members.Select(n => ViewOfAsync(n.Name)));
        return new ClusterViewMessage(known.Formation.Encode(), views);
    }

    private async Task<SiloViewMessage> ViewOfAsync(NodeName node)
    {
        SiloViewMessage view = nodes.Find(node) is { } here
            ? here.View()
            : await network.GetViewAsync(node) ?? new SiloViewMessage(node.Value, null, []);
        return view with { Host = places.HostOfSlot(node) };
    }
}
