namespace Orleans.Raft.Core;

/// <summary>How one <c>RaftNode</c> behaves. All replicas of a group use the same timeouts.</summary>
public sealed record RaftOptions
{
    public required ReplicaId Id { get; init; }

    /// <summary>Seeds the randomised election timeouts.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Differs for every life of a replica, so that answers to an earlier life are told apart.</summary>
    public required ulong BootNonce { get; init; }

    /// <summary>The shortest time without a leader after which a follower campaigns; each wait is drawn from one to two
    /// of it. Default 500 ms.</summary>
    public TimeSpan ElectionTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How often a leader starts a round of heartbeats. Default 100 ms, at most a third of
    /// <see cref="ElectionTimeout"/>.</summary>
    public TimeSpan HeartbeatInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How much shorter than <see cref="ElectionTimeout"/> a lease is, for clocks that run at different
    /// speeds. Default 50 ms.</summary>
    public TimeSpan LeaseDriftMargin { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>AppendEntries messages sent to one follower and not yet answered. Default 16.</summary>
    public int MaxInFlightAppends { get; init; } = 16;

    /// <summary>Payload bytes sent to one follower and not yet answered. Default 8 MiB.</summary>
    public int MaxInFlightBytes { get; init; } = 8 << 20;

    /// <summary>Payload bytes of one AppendEntries; a single larger entry travels alone. Default 1 MiB.</summary>
    public int MaxAppendBytes { get; init; } = 1 << 20;

    /// <summary>Payload bytes a leader holds that are not committed; beyond it <c>Propose</c> answers Busy. Default 32
    /// MiB.</summary>
    public int MaxUncommittedBytes { get; init; } = 32 << 20;

    /// <summary>Payload bytes handed to the disk and not durable; beyond it a follower drops appends and a leader
    /// answers Busy. Default 32 MiB.</summary>
    public int MaxUnflushedBytes { get; init; } = 32 << 20;

    /// <summary>Deliberate bugs, for tests that must find them. None.</summary>
    internal FaultPoints Faults { get; init; }

    /// <summary>Returns every problem of these options, in words; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (Id.IsNone) problems.Add("Id must not be 0.");
        if (ElectionTimeout <= TimeSpan.Zero) problems.Add("ElectionTimeout must be positive.");
        if (HeartbeatInterval <= TimeSpan.Zero || HeartbeatInterval * 3 > ElectionTimeout)
            problems.Add("HeartbeatInterval must be positive and at most a third of ElectionTimeout.");
        if (LeaseDriftMargin < TimeSpan.Zero || LeaseDriftMargin >= ElectionTimeout)
            problems.Add("LeaseDriftMargin must be at least 0 and below ElectionTimeout.");
        if (MaxInFlightAppends < 1) problems.Add("MaxInFlightAppends must be at least 1.");
        if (MaxInFlightBytes < 1) problems.Add("MaxInFlightBytes must be at least 1.");
        if (MaxAppendBytes < 1) problems.Add("MaxAppendBytes must be at least 1.");
        if (MaxUncommittedBytes < 1) problems.Add("MaxUncommittedBytes must be at least 1.");
        if (MaxUnflushedBytes < 1) problems.Add("MaxUnflushedBytes must be at least 1.");
        return problems;
    }
}

/// <summary>What a replica finds on its disk when it starts.</summary>
/// <param name="Snapshot">The last entry its snapshot covers; zero if it has none.</param>
/// <param name="Entries">The durable entries after <paramref name="Snapshot"/>, contiguous.</param>
public sealed record RaftState(HardState HardState, EntryId Snapshot, ReadOnlyMemory<LogEntry> Entries)
{
    public static readonly RaftState Empty = new(default, EntryId.Zero, default);

    /// <summary>
    /// The group's configuration as of <see cref="Snapshot"/>; without one, that which the group began with. The
    /// storage does not know it: who starts a replica adds it. <see cref="Configuration.None"/> for a replica that has
    /// neither: it waits for a leader's snapshot.
    /// </summary>
    public Configuration Configuration { get; init; } = Configuration.None;
}
