namespace Orleans.Raft.KeyValue;

/// <summary>How a <see cref="KvClient"/> behaves.</summary>
public sealed record KvClientOptions
{
    /// <summary>How long a call may take, over all that it does, before it fails; of a scan, each wait for the next
    /// row. Default 5 s.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The first wait before a batch is sent again; doubles with every failure in a row, with jitter. Default
    /// 2 ms.</summary>
    public TimeSpan FirstBackoff { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>The longest wait before a batch is sent again. Default 100 ms.</summary>
    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Bytes of operations joined into one batch; a larger operation travels alone. Default 60 KiB.</summary>
    public int MaxBatchBytes { get; init; } = 60 << 10;

    /// <summary>Operations joined into one batch. Default 1,024, the session window.</summary>
    public int MaxBatchOperations { get; init; } = 1024;

    /// <summary>Calls waiting in this client; more throw <see cref="UnavailableException"/> at once. Default
    /// 100,000.</summary>
    public int MaxQueuedOperations { get; init; } = 100_000;

    /// <summary>Returns every problem of these options, in words; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (Timeout <= TimeSpan.Zero) problems.Add($"Timeout is {Timeout}; it must be positive.");
        if (FirstBackoff <= TimeSpan.Zero) problems.Add($"FirstBackoff is {FirstBackoff}; it must be positive.");
        if (MaxBackoff < FirstBackoff) problems.Add($"MaxBackoff is {MaxBackoff}; it must be at least FirstBackoff.");
        if (MaxBatchBytes < 1) problems.Add($"MaxBatchBytes is {MaxBatchBytes}; it must be at least 1.");
        if (MaxBatchOperations is < 1 or > 1024)
            problems.Add($"MaxBatchOperations is {MaxBatchOperations}; it must be 1 to 1024.");
        if (MaxQueuedOperations < 1)
            problems.Add($"MaxQueuedOperations is {MaxQueuedOperations}; it must be at least 1.");
        return problems;
    }
}
