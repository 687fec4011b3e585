namespace Orleans.Raft.Core;

/// <summary>Which group a message is for, and which replicas of it send and receive it.</summary>
public readonly record struct MessageAddress(GroupId Group, ReplicaId From, ReplicaId To);

/// <summary>Names the cluster and the two disks a frame travels between; a receiver refuses any other. One per
/// frame.</summary>
public readonly record struct FrameHeader(ClusterId Cluster, StoreId From, StoreId To);
