namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>What the clients of a <see cref="SuiteRun"/> do.</summary>
internal enum SuiteWorkload
{
    /// <summary>Each appends to its own key and compares what it reads with all it has appended, as MIT's do.</summary>
    Appends,

    /// <summary>Each puts rows of its own and compares a scan over them with all it has put, as TinyKV's do.</summary>
    Rows,

    /// <summary>All append to, put and read any key; only the history tells whether that was right.</summary>
    RandomKeys,
}

/// <summary>One case of the routine that the suites of TinyKV and MIT share.</summary>
internal sealed record SuiteOptions
{
    public required SuiteWorkload Workload { get; init; }

    public int Nodes { get; init; } = 5;

    public int Clients { get; init; } = 1;

    /// <summary>Frames, requests and replies are lost (10 %) and take up to 27 ms, so that they overtake each
    /// other.</summary>
    public bool IsUnreliable { get; init; }

    /// <summary>Every one to two seconds the nodes are parted anew in two at random; clients reach all of
    /// them.</summary>
    public bool HasPartitions { get; init; }

    /// <summary>At the end of every round all nodes lose their power and start again a second later.</summary>
    public bool HasRestarts { get; init; }

    /// <summary>How long the log may get before a snapshot is taken; null: none is.</summary>
    public int? LogLimitBytes { get; init; }

    /// <summary>The unit in which the log on disk grows: the limit, as far as a segment can be that small.</summary>
    public int SegmentBytes => LogLimitBytes is { } limit ? Math.Max(limit, 4096) : 1 << 20;

    public int Rounds { get; init; } = 3;

    public TimeSpan Round { get; init; } = TimeSpan.FromSeconds(5);
}
