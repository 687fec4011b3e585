namespace Orleans.Raft.Grains.Interfaces;

/// <summary>Serves the map of the cluster: which group owns which keys, and how the silos see their replicas. A
/// stateless worker.</summary>
[Alias("Orleans.Raft.IRouterGrain")]
public interface IRouterGrain : IGrainWithIntegerKey
{
    /// <summary>Which group owns which keys, as far as the silo that answers has heard; without limits while the cluster is
    /// not formed.</summary>
    [Alias("GetRoutes"), ResponseTimeout("00:00:02")]
    Task<RoutesMessage> GetRoutes();

    /// <summary>What every silo says of itself; silos that do not answer within half a second are reported without a
    /// status.</summary>
    [Alias("GetStatus"), ResponseTimeout("00:00:05")]
    Task<ClusterViewMessage> GetStatus();
}
