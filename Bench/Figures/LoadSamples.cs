namespace Orleans.Raft.Bench;

/// <summary>The same load, run several times.</summary>
internal sealed class LoadSamples
{
    public Samples PerSecond { get; } = new();

    public Samples P50Milliseconds { get; } = new();

    public Samples P99Milliseconds { get; } = new();

    public Samples LoadShare { get; } = new();

    public long Errors { get; private set; }

    public string? FirstError { get; private set; }

    public void Add(Measurement run)
    {
        PerSecond.Add(run.PerSecond);
        P50Milliseconds.Add(run.P50Milliseconds);
        P99Milliseconds.Add(run.P99Milliseconds);
        if (run.LoadShare is { } share) LoadShare.Add(share);
        Errors += run.Errors;
        FirstError ??= run.FirstError;
    }
}
