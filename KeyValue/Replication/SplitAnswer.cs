namespace Orleans.Raft.KeyValue;

/// <summary>What became of a request to split a group; see <see cref="Replica.SplitAsync"/>.</summary>
public enum SplitStatus
{
    /// <summary>The group is split.</summary>
    Split,

    /// <summary>The replica does not lead, or has stopped; nothing happened.</summary>
    NotLeader,

    /// <summary>It cannot be, or not now; nothing happened. <see cref="SplitAnswer.Reason"/> says why.</summary>
    Refused,

    /// <summary>It may be split, or be about to: <see cref="Replica.Descriptor"/> will tell.</summary>
    Unknown,
}

/// <summary>See <see cref="SplitStatus"/>.</summary>
/// <param name="Key">The first key of the new group, as far as one was found.</param>
public sealed record SplitAnswer(SplitStatus Status, ReadOnlyMemory<byte> Key = default, string? Reason = null);
