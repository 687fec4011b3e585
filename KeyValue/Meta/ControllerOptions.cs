namespace Orleans.Raft.KeyValue;

/// <summary>How a cluster looks after itself; the same on every node.</summary>
public sealed record ControllerOptions
{
    /// <summary>How often a node reports to the controller; at once after a change. Default 1 s.</summary>
    public TimeSpan ReportInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often the controller decides; sooner after news. Default 1 s.</summary>
    public TimeSpan DecisionInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Whether load is evened out until an administrator says otherwise. Default true.</summary>
    public bool IsBalanceOn { get; init; } = true;

    public PlacementOptions Placement { get; init; } = new();

    /// <summary>Returns every problem of these options, in words; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (ReportInterval <= TimeSpan.Zero) problems.Add($"ReportInterval is {ReportInterval}; it must be positive.");
        if (DecisionInterval <= TimeSpan.Zero)
            problems.Add($"DecisionInterval is {DecisionInterval}; it must be positive.");
        if (Placement.SuspectAfter < ReportInterval * 2)
            problems.Add($"SuspectAfter is {Placement.SuspectAfter}; it must be at least two ReportIntervals.");
        problems.AddRange(Placement.Validate());
        return problems;
    }
}
