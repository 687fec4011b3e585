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

    /// <summary>The same as soon as it is of another version than <paramref name="seen"/>; null if it is not within three
    /// seconds. Who calls it again and again is told of every change.</summary>
    [Alias("WaitForRoutes"), ResponseTimeout("00:00:05")]
    Task<RoutesMessage?> WaitForRoutes(Guid seen);

    /// <summary>What every node says of itself; nodes that do not answer within half a second are reported without a
    /// status.</summary>
    [Alias("GetStatus"), ResponseTimeout("00:00:05")]
    Task<ClusterViewMessage> GetStatus();
}
