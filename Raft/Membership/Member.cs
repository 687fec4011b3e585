namespace Orleans.Raft.Core;

/// <summary>A replica of a group and the node it lives on. Neither ever changes for the other: a replica that moves
/// gets a new id.</summary>
public readonly record struct Member(ReplicaId Id, NodeName Node)
{
    public override string ToString() => $"{Id}@{Node}";
}
