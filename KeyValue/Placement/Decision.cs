using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>One thing to be done. Each names the version it was decided for: it is void for any other.</summary>
/// <param name="Reason">In words, for people.</param>
public abstract record Decision(GroupId Group, string Reason)
{
    /// <summary>What, without why.</summary>
    public abstract string What { get; }

    public sealed override string ToString() => $"{Group}: {What}, because {Reason}";
}

/// <summary>A new replica begins to learn: the first step of a move.</summary>
/// <param name="InsteadOf">Whose replica goes once the new one has caught up; null: none.</param>
public sealed record AddLearnerDecision(
    GroupId Group, ulong ConfigVersion, NodeName Node, NodeName? InsteadOf, string Reason) : Decision(Group, Reason)
{
    public override string What =>
        InsteadOf is { } old ? $"move a replica from {old} to {Node}" : $"add a replica on {Node}";
}

/// <summary>A learner becomes a voter and, in the same change, another replica goes.</summary>
/// <param name="Removed">None: nothing goes.</param>
public sealed record PromoteDecision(
    GroupId Group, ulong ConfigVersion, ReplicaId Learner, ReplicaId Removed, string Reason) : Decision(Group, Reason)
{
    public override string What => Removed.IsNone ? $"promote {Learner}" : $"promote {Learner}, remove {Removed}";
}

/// <summary>A replica goes and none comes for it.</summary>
public sealed record RemoveReplicaDecision(GroupId Group, ulong ConfigVersion, ReplicaId Replica, string Reason)
    : Decision(Group, Reason)
{
    /// <summary>The node on which a learner did not catch up in time: the move that it was part of is given up with it.
    /// Null if it goes for another reason.</summary>
    public NodeName? GaveUpOn { get; init; }

    public override string What => $"remove {Replica}";
}

/// <summary>The replica on a node should lead.</summary>
public sealed record TransferDecision(GroupId Group, NodeName To, string Reason) : Decision(Group, Reason)
{
    public override string What => $"let the replica on {To} lead";
}

/// <summary>A group is divided.</summary>
/// <param name="Key">Null: at the middle of its bytes.</param>
public sealed record SplitDecision(GroupId Group, ulong RangeVersion, byte[]? Key, string Reason)
    : Decision(Group, Reason)
{
    public override string What => Key is null ? "split" : $"split at {Convert.ToHexStringLower(Key)}";
}

/// <summary>A group ends, and a neighbour takes all it has.</summary>
public sealed record MergeDecision(GroupId Group, ulong RangeVersion, GroupId Into, string Reason)
    : Decision(Group, Reason)
{
    public override string What => $"merge it into {Into}";
}

/// <summary>A planned move has arrived, or is given up.</summary>
public sealed record EndMoveDecision(GroupId Group, bool HasArrived, string Reason) : Decision(Group, Reason)
{
    public override string What => HasArrived ? "the move is over" : "give the move up";
}
