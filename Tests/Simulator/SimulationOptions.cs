namespace Orleans.Raft.Simulator;

/// <summary>What to simulate.</summary>
public sealed record SimulationOptions
{
    public ulong Seed { get; init; } = 1;

    public int Nodes { get; init; } = 3;

    public int Groups { get; init; } = 2;

    public int Clients { get; init; } = 4;

    /// <summary>How long faults and load go on, in simulated time.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(15);
}

/// <summary>What a simulation did and found.</summary>
/// <param name="TraceHash">Of every frame delivered and every answer, with its time: equal for equal seeds.</param>
/// <param name="Violations">What must never happen, and did.</param>
public sealed record SimulationResult(ulong Seed, ulong TraceHash, TimeSpan Simulated, long Commits, int Elections,
    int Crashes, int Isolations,
    long FramesDropped, long FramesDelivered, long WritesAcknowledged, long WritesUnknown, long ReadsChecked,
    IReadOnlyList<string> Violations)
{
    public override string ToString() =>
        $"seed {Seed} trace {TraceHash:x16} simulated {Simulated.TotalSeconds:F1} s commits {Commits} elections "
        + $"{Elections} "
        + $"crashes {Crashes} isolations {Isolations} dropped {FramesDropped} delivered {FramesDelivered} "
        + $"acknowledged {WritesAcknowledged} unknown {WritesUnknown} reads {ReadsChecked} "
        + $"{(Violations.Count == 0 ? "ok" : "FAILED")}";
}
