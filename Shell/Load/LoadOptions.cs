namespace Orleans.Raft.Shell;

/// <summary>How to load a store.</summary>
public sealed record LoadOptions
{
    /// <summary>Callers at the same time, each with one operation in flight. 1 to 4,096; default 64.</summary>
    public int Clients { get; init; } = 64;

    /// <summary>How long to measure. Above 0; default 10 s.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long to run before measuring. Default none.</summary>
    public TimeSpan WarmUp { get; init; }

    /// <summary>How many kinds of operations are counted apart. At least 1, the default.</summary>
    public int Classes { get; init; } = 1;

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Every problem, each as one sentence; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (Clients is < 1 or > 4096) problems.Add($"Clients is {Clients}, must be 1 to 4096.");
        if (Duration <= TimeSpan.Zero) problems.Add($"Duration is {Duration}, must be above 0.");
        if (WarmUp < TimeSpan.Zero) problems.Add($"WarmUp is {WarmUp}, must not be negative.");
        if (Classes < 1) problems.Add($"Classes is {Classes}, must be at least 1.");
        return problems;
    }
}

/// <summary>What was measured.</summary>
/// <param name="Operations">Succeeded, begun and ended within the measured time.</param>
/// <param name="Errors">Failed, begun within the measured time.</param>
/// <param name="Latency">Of all that succeeded and began within the measured time, also if they ended after it.</param>
/// <param name="OperationsPerClass"><paramref name="Operations"/>, by class.</param>
/// <param name="FirstError">One of the errors, for the report; null if there was none.</param>
public sealed record LoadResult(TimeSpan Measured, long Operations, long Errors, LatencyHistogram Latency,
    IReadOnlyList<long> OperationsPerClass, Exception? FirstError)
{
    public double OperationsPerSecond => Operations / Measured.TotalSeconds;
}
