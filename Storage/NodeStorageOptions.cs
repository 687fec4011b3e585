using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>How a <see cref="NodeStorage"/> works.</summary>
public sealed record NodeStorageOptions
{
    /// <summary>Where the log's turns run and observers are called.</summary>
    public required TaskScheduler Scheduler { get; init; }

    /// <summary>Measures how long a flush takes.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Makes the store id of a new data directory: random, never the same twice.</summary>
    public required Func<Guid> NewStoreId { get; init; }

    /// <summary>Size of one log segment. Default 64 MiB; 4 KiB to 1 GiB, a multiple of 4 KiB. Segments of another size
    /// stay readable.</summary>
    public int SegmentBytes { get; init; } = 64 << 20;

    /// <summary>Most bytes of one log batch, unless a single request is larger. Default 16 MiB; at least 4
    /// KiB.</summary>
    public int MaxBatchBytes { get; init; } = 16 << 20;

    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Deliberate bugs, for tests that must find them. None.</summary>
    internal FaultPoints Faults { get; init; }

    /// <summary>Returns every problem of these options, in words; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (SegmentBytes is < 4096 or > 1 << 30 || SegmentBytes % 4096 != 0)
            problems.Add("SegmentBytes must be a multiple of 4096 from 4096 to 1073741824.");
        if (MaxBatchBytes is < 4096 or > 1 << 30) problems.Add("MaxBatchBytes must be from 4096 to 1073741824.");
        if (Scheduler is null) problems.Add("Scheduler must be given.");
        if (Time is null) problems.Add("Time must be given.");
        if (NewStoreId is null) problems.Add("NewStoreId must be given.");
        if (Logger is null) problems.Add("Logger must not be null.");
        return problems;
    }
}
