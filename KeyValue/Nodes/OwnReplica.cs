using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>A replica that should be open on this node.</summary>
/// <param name="Start">What its group began as, if it was there from the beginning; null if it begins with a
/// snapshot or a base.</param>
/// <param name="Base">The state that its group began with when it was split off; kept until a snapshot of its own is
/// durable. Null for all others.</param>
/// <param name="IsBesideLeader">Whether the group it was split off from is led from here: then it should lead, too.</param>
internal sealed record OwnReplica(
    GroupId Group, ReplicaId Id, GroupDescriptor? Start, GroupStateSnapshot? Base = null, bool IsBesideLeader = false);
