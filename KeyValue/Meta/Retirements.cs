using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Replicas that believe to be members of a group that has left them out, and all those of a group that is no
/// more.</summary>
internal static class Retirements
{
    /// <summary>Those of a node's replicas that are to go. One whose id is news here may be newer than what is
    /// known.</summary>
    /// <param name="known">A group as it is known; null if it is not.</param>
    /// <param name="isMerged">Whether a group is known to be no more.</param>
    public static IEnumerable<RetireOrder> Among(IEnumerable<ReplicaSighting> replicas, NodeName node,
        Func<GroupId, GroupDescriptor?> known, Func<GroupId, bool> isMerged)
    {
        foreach (ReplicaSighting replica in replicas)
        {
            if (isMerged(replica.Group))
                yield return new RetireOrder(replica.Group, replica.Replica, replica.ConfigVersion);
            else if (known(replica.Group) is { } group && group.ConfigVersion > replica.ConfigVersion
                && group.HasLeft(replica.Replica, node)
                && group.Replicas.All(r => r.Role is ReplicaRole.Voter or ReplicaRole.Learner))
                yield return new RetireOrder(replica.Group, replica.Replica, group.ConfigVersion);
        }
    }
}
