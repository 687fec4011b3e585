namespace Orleans.Raft.Core;

/// <summary>What a leader is asked to change; all of it is one change.</summary>
public sealed record MembershipChange
{
    /// <summary>New replicas: they begin as learners. Their ids were never used in the group before.</summary>
    public IReadOnlyList<Member> Add { get; init; } = [];

    /// <summary>Learners that have caught up and become voters.</summary>
    public IReadOnlyList<ReplicaId> Promote { get; init; } = [];

    /// <summary>Voters or learners.</summary>
    public IReadOnlyList<ReplicaId> Remove { get; init; } = [];

    public override string ToString() =>
        $"add [{string.Join(' ', Add)}] promote [{string.Join(' ', Promote)}] remove [{string.Join(' ', Remove)}]";
}

/// <summary>What became of a <see cref="MembershipChange"/>.</summary>
public enum MembershipOutcome
{
    /// <summary>Its first entry was appended. The change goes on by itself, under later leaders too, and is done when
    /// a configuration that is not joint is committed; until the first entry is, it may still come to
    /// nothing.</summary>
    Accepted,

    /// <summary>This replica does not lead.</summary>
    NotLeader,

    /// <summary>A bound is reached, or leadership is being transferred.</summary>
    Busy,

    /// <summary>An earlier change is not committed, or its joint configuration not left yet.</summary>
    ChangeInFlight,

    /// <summary>This leader has not committed an entry of its own term yet.</summary>
    NotReady,

    /// <summary>A learner that should become a voter lags by more than an election timeout. Thesis §4.2.1.</summary>
    NotCaughtUp,

    /// <summary>So few of the voters that would result have answered within an election timeout that nothing could be
    /// committed any more.</summary>
    NoMajority,

    /// <summary>The change makes no sense for this configuration.</summary>
    Invalid,
}

/// <summary>The answer to a <see cref="MembershipChange"/>; nothing was appended unless it is
/// <see cref="MembershipOutcome.Accepted"/>.</summary>
/// <param name="Entry">Where the first configuration was appended; zero if none was.</param>
/// <param name="Problem">In words; null if there is none.</param>
public readonly record struct MembershipAnswer(MembershipOutcome Outcome, EntryId Entry, string? Problem);
