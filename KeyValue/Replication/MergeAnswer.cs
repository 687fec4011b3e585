namespace Orleans.Raft.KeyValue;

/// <summary>What became of a step of a merge that a replica was asked for.</summary>
public enum MergeStatus
{
    /// <summary>It is done, now or before: <see cref="MergeAnswer.State"/> says with what result.</summary>
    Done,

    /// <summary>The replica does not lead, or has stopped; nothing happened.</summary>
    NotLeader,

    /// <summary>It cannot be as the group is; nothing happened. <see cref="MergeAnswer.Reason"/> says why.</summary>
    Refused,

    /// <summary>Not now; nothing happened.</summary>
    Busy,

    /// <summary>It may be done, or be about to: asking again does no harm.</summary>
    Unknown,
}

/// <summary>See <see cref="MergeStatus"/>.</summary>
/// <param name="State">The group's, as far as this replica has applied its log by then.</param>
public sealed record MergeAnswer(MergeStatus Status, MergeState State, string? Reason = null);
