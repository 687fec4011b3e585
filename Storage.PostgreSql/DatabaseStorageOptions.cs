using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>How a <see cref="DatabaseStorage"/> works.</summary>
public sealed record DatabaseStorageOptions
{
    /// <summary>Where flushes are composed and observers are called.</summary>
    public required TaskScheduler Scheduler { get; init; }

    /// <summary>Measures how long a flush takes, and the pauses between attempts.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Most bytes of entries in one flush, unless a single write is larger. Default 8 MiB; at least 4
    /// KiB.</summary>
    public int MaxFlushBytes { get; init; } = 8 << 20;

    /// <summary>How long a flush may wait for groups that were writing just before; it never waits longer than the last
    /// flush took, rounded up to whole milliseconds. Default 5 ms, at most 100 ms; zero: never.</summary>
    public TimeSpan GatherLimit { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>Size of one row of a snapshot. Default 512 KiB; 1 KiB to 16 MiB. Snapshots of another size stay
    /// readable.</summary>
    public int SnapshotChunkBytes { get; init; } = 512 << 10;

    /// <summary>The pause after a first failed attempt; it doubles with each further one. Default 50 ms.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>The longest pause between two attempts. Default 1 s.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long closing waits for the database to take what is queued. Default 5 s.</summary>
    public TimeSpan ClosingLimit { get; init; } = TimeSpan.FromSeconds(5);

    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Deliberate bugs, for tests that must find them. None.</summary>
    internal FaultPoints Faults { get; init; }

    // While it waits, nothing says that the database is slow.
    private static readonly TimeSpan LongestGatherLimit = TimeSpan.FromMilliseconds(100);

    /// <summary>Returns every problem of these options, in words; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (Scheduler is null) problems.Add("Scheduler must be given.");
        if (Time is null) problems.Add("Time must be given.");
        if (MaxFlushBytes is < 4096 or > 1 << 28) problems.Add("MaxFlushBytes must be from 4096 to 268435456.");
        if (SnapshotChunkBytes is < 1024 or > 16 << 20)
            problems.Add("SnapshotChunkBytes must be from 1024 to 16777216.");
        if (GatherLimit < TimeSpan.Zero || GatherLimit > LongestGatherLimit)
            problems.Add($"GatherLimit must be from 0 to {LongestGatherLimit.TotalMilliseconds} ms.");
        if (FirstPause <= TimeSpan.Zero || LongestPause < FirstPause)
            problems.Add("FirstPause must be above zero, and LongestPause not below it.");
        if (ClosingLimit < TimeSpan.Zero) problems.Add("ClosingLimit must not be negative.");
        if (Logger is null) problems.Add("Logger must not be null.");
        return problems;
    }
}
