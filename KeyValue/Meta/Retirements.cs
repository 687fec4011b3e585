using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Replicas that believe to be members of a group that has left them out.</summary>
internal static class Retirements
{
    /// <summary>Those of a node's replicas that are to go. One whose id is news here may be newer than what is
    /// known.</summary>
    /// <param name="known">A group as it is known; null if it is not.</param>
    public static IEnumerable<RetireOrder> Among(
        IEnumerable<ReplicaSighting> replicas, NodeName node, Func<GroupId, GroupDescriptor?> known) =>
        from replica in replicas
        let @group = known(replica.Group)
        where @group is not null && @group.ConfigVersion > replica.ConfigVersion
            && @group.HasLeft(replica.Replica, node)
            && @group.Replicas.All(r => r.Role is ReplicaRole.Voter or ReplicaRole.Learner)
        select new RetireOrder(replica.Group, replica.Replica, @group.ConfigVersion);
}
