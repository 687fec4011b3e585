using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>A replica that should be open on this node.</summary>
/// <param name="Start">What its group began as, if it was there from the beginning; null if it begins with a
/// snapshot.</param>
internal sealed record OwnReplica(GroupId Group, ReplicaId Id, GroupDescriptor? Start);
