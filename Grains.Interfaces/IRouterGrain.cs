namespace Orleans.Raft.Grains.Interfaces;

/// <summary>Serves the map of the cluster: which group owns which keys, and how the silos see their replicas. A
/// stateless worker.</summary>
[Alias("Orleans.Raft.IRouterGrain")]
public interface IRouterGrain : IGrainWithIntegerKey
{
    /// <summary>The cluster's formation record in the store's own format; null while the cluster is not
    /// formed.</summary>
    [Alias("GetFormation"), ResponseTimeout("00:00:02")]
    Task<FormationMessage> GetFormation();

    /// <summary>What every silo says of itself; silos that do not answer within half a second are reported without a
    /// status.</summary>
    [Alias("GetStatus"), ResponseTimeout("00:00:05")]
    Task<ClusterViewMessage> GetStatus();
}
