using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>The group that holds what the cluster knows of itself. Formed with the cluster; not one of its
/// <see cref="FormationRecord.Groups"/>, for it owns no keys of the store.</summary>
public static class MetaGroup
{
    /// <summary>Its own: what it holds does not depend on what a store's users may write.</summary>
    internal static readonly StoreLimits Limits = new();

    /// <summary>Where it was formed: on the first nodes by name, whatever has become of it since.</summary>
    public static GroupDescriptor FormedBy(FormationRecord formation)
    {
        ArgumentNullException.ThrowIfNull(formation);
        ReplicaPlacement[] replicas =
        [
            .. formation.Nodes.Select(node => node.Name).Order().Take(FormationPlan.ReplicationFactor)
                .Select((node, i) => new ReplicaPlacement(new ReplicaId((ulong)i + 1), node)),
        ];
        return new GroupDescriptor(GroupId.Meta, [], [], RangeVersion: 1, ConfigVersion: 1, replicas);
    }
}
