using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What a batch asks of a group.</summary>
public enum RequestKind : byte
{
    /// <summary>A command batch: proposed, replicated, applied.</summary>
    Write = 0,

    /// <summary>A read batch after a ReadIndex round.</summary>
    LinearizableRead = 1,

    /// <summary>A read batch under the leader's lease, or after a round if there is none.</summary>
    LeaseRead = 2,

    /// <summary>A read batch on whatever the replica asked has applied.</summary>
    StaleRead = 3,

    /// <summary>An <see cref="AdministrationRequest"/>, to the meta group; its leader's controller answers.</summary>
    Administer = 4,
}

/// <summary>A batch for one group.</summary>
/// <param name="Batch">What <see cref="CommandBatchWriter"/>, <see cref="ReadBatchWriter"/> or
/// <see cref="AdministrationCodec"/> wrote. Never changed after it was sent.</param>
public readonly record struct GroupRequest(RequestKind Kind, ReadOnlyMemory<byte> Batch);

/// <summary>What became of a <see cref="GroupRequest"/> as a whole.</summary>
public enum GroupReplyStatus : byte
{
    /// <summary>Every command or read has its own answer.</summary>
    Answered = 0,

    /// <summary>Not proposed: the replica does not lead; it may name who does.</summary>
    NotLeader = 1,

    /// <summary>Not proposed: a bound is reached, or, with a <see cref="GroupReply.Reason"/>, the replica's disk hangs
    /// and another one may lead.</summary>
    Busy = 2,

    /// <summary>Proposed, or perhaps proposed, and no answer will come: it may or may not be applied. Reads: simply ask
    /// again.</summary>
    Unknown = 3,

    /// <summary>Not proposed: no such replica there, or it is stopped.</summary>
    Unavailable = 4,

    /// <summary>Not proposed: the batch is malformed or beyond the limits.</summary>
    Malformed = 5,
}

/// <summary>The reply to a <see cref="GroupRequest"/>.</summary>
/// <param name="Answers">If answered: what <see cref="AnswerBatchReader"/> or <see cref="AdministrationCodec"/>
/// reads.</param>
/// <param name="LeaderHint">The node believed to lead; null if unknown.</param>
/// <param name="Reason">Why this replica cannot serve, for people; null if the status says it all.</param>
public readonly record struct GroupReply(
    GroupReplyStatus Status, ReadOnlyMemory<byte> Answers, NodeName? LeaderHint = null, string? Reason = null)
{
    public static GroupReply Of(GroupReplyStatus status, NodeName? leaderHint = null, string? reason = null) =>
        new(status, default, leaderHint, reason);

    /// <summary>Nothing was proposed, and the replica asked names another that may serve.</summary>
    public bool IsRedirect => LeaderHint is not null && Status is GroupReplyStatus.NotLeader or GroupReplyStatus.Busy;
}
