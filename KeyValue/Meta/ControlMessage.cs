using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What nodes and the controller tell each other. Sent at most once: whatever is lost shows in the next
/// report.</summary>
internal abstract record ControlMessage;

/// <summary>What a node knows of itself and of the groups it leads.</summary>
/// <param name="Boot">Of this life of the node.</param>
/// <param name="Number">Grows by one with each report of a life.</param>
/// <param name="Map">How much of the map it has.</param>
/// <param name="IsFull">It leads no other groups than these; else only what has changed is told.</param>
/// <param name="Left">Groups that it told of and does not lead any more.</param>
/// <param name="Leaderless">Its replicas that know no leader, those that hold nothing yet or failed among them, and all of
/// groups that are merged into others.</param>
/// <param name="Joining">Nodes that would join and said so to it.</param>
internal sealed record NodeReport(ulong Boot, ulong Number, MapRevision Map, string Zone, bool IsFull,
    IReadOnlyList<GroupReport> Groups, IReadOnlyList<GroupId> Left, IReadOnlyList<ReplicaSighting> Leaderless,
    IReadOnlyList<FormationNode> Joining) : ControlMessage
{
    /// <summary>Why merges that were ordered here cannot go on, as far as that is for sure.</summary>
    public IReadOnlyList<MergeTrouble> MergeTroubles { get; init; } = [];
}

/// <summary>What a leader knows of its group.</summary>
/// <param name="Bytes">Of its keys and values.</param>
internal sealed record GroupReport(GroupDescriptor Descriptor, Term Term, long Bytes, long Keys,
    double OperationsPerSecond, byte[]? LoadSplitKey, IReadOnlyList<ModelMember> Members)
{
    public GroupId Group => Descriptor.Group;

    public MergeMarks Merges { get; init; }
}

/// <summary>What a group holds of merges.</summary>
/// <param name="Last">That ended last for it; 0: none.</param>
/// <param name="HasTaken">It took over another group in that one.</param>
/// <param name="Frozen">That for which it waits with all its content; 0: none.</param>
/// <param name="Incoming">That whose content it gathers; 0: none.</param>
internal readonly record struct MergeMarks(MergeId Last, bool HasTaken, MergeId Frozen, MergeId Incoming)
{
    public static MergeMarks Of(MergeState state) => new(state.Last, state.Outcome == MergeOutcome.Taken,
        state.Frozen?.Merge ?? default, state.Incoming?.Merge ?? default);
}

internal readonly record struct MergeTrouble(MergeId Merge, string Reason);

/// <summary>A group that is no more: another holds all it held. Its id is never used again.</summary>
internal readonly record struct MergedGroup(GroupId Group, GroupId Into);

/// <summary>A replica, and the configuration by which it believes to be one; 0 if it knows none.</summary>
internal readonly record struct ReplicaSighting(GroupId Group, ReplicaId Replica, ulong ConfigVersion);

/// <summary>How far a node has followed the map of one controller; another controller's says nothing.</summary>
internal readonly record struct MapRevision(Term Controller, ulong Number);

/// <summary>The controller's answer to a report: what is new of the map, and what to do.</summary>
/// <param name="Controller">The term of the meta group in which it leads; of an older one nothing is taken.</param>
/// <param name="Boot">With <paramref name="Number"/>: the report up to which it has heard everything; 0 if it needs a
/// full one.</param>
/// <param name="Since">What is told of the map is what changed after this revision; none: everything.</param>
/// <param name="Revision">What the map is then.</param>
/// <param name="Groups">The meta group among them.</param>
internal sealed record Orders(Term Controller, ulong Boot, ulong Number, ulong Since, ulong Revision,
    IReadOnlyList<NodeRow> Nodes, IReadOnlyList<GroupDescriptor> Groups, IReadOnlyList<Order> ToDo) : ControlMessage
{
    /// <summary>Groups that the map has no more.</summary>
    public IReadOnlyList<MergedGroup> Merged { get; init; } = [];

    /// <summary>No group ever had this number or a higher one.</summary>
    public uint NextGroup { get; init; }
}

/// <summary>Not the controller: asks elsewhere.</summary>
/// <param name="Leader">Where the meta group's leader is believed to be; null if unknown.</param>
/// <param name="Meta">The meta group as it is known there.</param>
internal sealed record Redirect(NodeName? Leader, GroupDescriptor Meta) : ControlMessage;

/// <summary>To a node that was removed from the cluster and that no group counts on, by any node that knows
/// so.</summary>
/// <param name="ToDo">Which of its replicas are to go.</param>
internal sealed record Dismissal(IReadOnlyList<Order> ToDo) : ControlMessage;

/// <summary>What the leader of a group is to do. It does nothing if the group is not as the order says.</summary>
internal abstract record Order(GroupId Group);

internal sealed record AddLearnerOrder(GroupId Group, ulong ConfigVersion, NodeName Node) : Order(Group);

/// <param name="Removed">None: no replica goes.</param>
internal sealed record PromoteOrder(GroupId Group, ulong ConfigVersion, ReplicaId Learner, ReplicaId Removed)
    : Order(Group);

internal sealed record RemoveReplicaOrder(GroupId Group, ulong ConfigVersion, ReplicaId Replica) : Order(Group);

internal sealed record TransferOrder(GroupId Group, NodeName To) : Order(Group);

/// <param name="Key">Null: at the middle of its bytes.</param>
internal sealed record SplitOrder(GroupId Group, ulong RangeVersion, byte[]? Key, GroupId Child) : Order(Group);

/// <summary>To the node of a replica that its group left out: it goes.</summary>
/// <param name="ConfigVersion">Of the configuration that left it out.</param>
internal sealed record RetireOrder(GroupId Group, ReplicaId Replica, ulong ConfigVersion) : Order(Group);

/// <summary>To the leader of the group that ends: it freezes, and sends its content to the other.</summary>
/// <param name="TargetNode">Where the group that takes it is led.</param>
/// <param name="RangeVersion">Of the group that ends.</param>
internal sealed record MergeOrder(GroupId Group, MergeId Merge, ulong RangeVersion, GroupId Target, NodeName TargetNode)
    : Order(Group);

/// <summary>To the leader of the group that would take another: it gives the merge up, if it has not taken it.</summary>
internal sealed record AbandonOrder(GroupId Group, MergeId Merge) : Order(Group);

/// <summary>To the leader of the group that would have ended: the merge was given up, it goes on.</summary>
internal sealed record ThawOrder(GroupId Group, MergeId Merge) : Order(Group);

/// <summary>A part of the content of a frozen group, from its leader's node to that of the group that takes it.</summary>
internal sealed record MergePart(GroupId Target, MergeChunk Chunk) : ControlMessage;

/// <summary>What became of a part. Sent as one byte.</summary>
internal enum MergeReplyStatus : byte
{
    /// <summary>What begins at <see cref="MergeReply.NextOffsetBytes"/> is wanted.</summary>
    Wanted = 0,

    /// <summary>Nothing more is wanted: the group has taken all, or given the merge up.</summary>
    Over = 1,

    /// <summary>It cannot be taken: the text says why.</summary>
    Refused = 2,

    /// <summary>Not here, or not now: the next order says where.</summary>
    Elsewhere = 3,
}

/// <summary>The answer to a <see cref="MergePart"/>.</summary>
internal sealed record MergeReply(MergeId Merge, MergeReplyStatus Status, long NextOffsetBytes, string Text)
    : ControlMessage;
