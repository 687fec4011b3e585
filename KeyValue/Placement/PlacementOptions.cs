namespace Orleans.Raft.KeyValue;

/// <summary>What the controller aims at, and how much it does at a time.</summary>
public sealed record PlacementOptions
{
    /// <summary>How many reads cost about as much as one write.</summary>
    internal const int ReadsPerWrite = 4;

    /// <summary>Replicas that each group should have, 1 to 9; fewer while there are not nodes enough. Default
    /// 3.</summary>
    public int ReplicaCount { get; init; } = FormationPlan.ReplicationFactor;

    /// <summary>A node that has not reported for so long gets nothing new. Default 5 s.</summary>
    public TimeSpan SuspectAfter { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The replicas of a node that has not reported for so long are replaced. Default 10 min.</summary>
    public TimeSpan GoneAfter { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>A new replica that has not caught up for so long is given up and tried elsewhere. Default
    /// 10 min.</summary>
    public TimeSpan CatchUpWithin { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>A merge of two groups that takes longer is given up: the keys of one of them cannot be used meanwhile.
    /// Default 30 s.</summary>
    public TimeSpan MergeWithin { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Replicas on the move at a time. Default 4.</summary>
    public int MaxMoves { get; init; } = 4;

    /// <summary>Replicas on the move at a time that a node gets, and that the leaders on a node send. Default
    /// 2.</summary>
    public int MaxMovesPerNode { get; init; } = 2;

    /// <summary>Leaders handed over in one round. Default 8.</summary>
    public int MaxTransfers { get; init; } = 8;

    /// <summary>A group with more bytes of keys and values is split. Default 64 MiB.</summary>
    public long SplitBytes { get; init; } = 64 << 20;

    /// <summary>A group with more operations per second, of which a read counts as a quarter, is split near the middle
    /// of its recent requests. Default 100,000; two groups cost more than one that does the work of both, so that splits
    /// pay only where one group keeps a processor busy.</summary>
    public double SplitOperationsPerSecond { get; init; } = 100_000;

    /// <summary>Two neighbours with fewer bytes of keys and values together become one group; at most half of
    /// <see cref="SplitBytes"/>, and what one merge can carry. 0: groups are merged only when somebody asks for it.
    /// Default 0.</summary>
    public long MergeBytes { get; init; }

    /// <summary>By what part the fullest node may hold more bytes than the emptiest before anything is moved for it.
    /// Default 0.2.</summary>
    public double ImbalanceTolerated { get; init; } = 0.2;

    /// <summary>A difference in bytes that nothing is moved for. Default 1 MiB.</summary>
    public long ImbalanceBytesTolerated { get; init; } = 1 << 20;

    /// <summary>Returns every problem of these options, in words; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (ReplicaCount is < 1 or > FormationPlan.MaxReplicationFactor)
            problems.Add($"ReplicaCount is {ReplicaCount}; it must be 1 to {FormationPlan.MaxReplicationFactor}.");
        if (SuspectAfter <= TimeSpan.Zero) problems.Add($"SuspectAfter is {SuspectAfter}; it must be positive.");
        if (GoneAfter < SuspectAfter)
            problems.Add($"GoneAfter is {GoneAfter}; it must be at least SuspectAfter ({SuspectAfter}).");
        if (CatchUpWithin <= TimeSpan.Zero) problems.Add($"CatchUpWithin is {CatchUpWithin}; it must be positive.");
        if (MergeWithin <= TimeSpan.Zero) problems.Add($"MergeWithin is {MergeWithin}; it must be positive.");
        if (MaxMoves < 1) problems.Add($"MaxMoves is {MaxMoves}; it must be at least 1.");
        if (MaxMovesPerNode < 1) problems.Add($"MaxMovesPerNode is {MaxMovesPerNode}; it must be at least 1.");
        if (MaxTransfers < 1) problems.Add($"MaxTransfers is {MaxTransfers}; it must be at least 1.");
        if (SplitBytes < 1) problems.Add($"SplitBytes is {SplitBytes}; it must be at least 1.");
        if (MergeBytes < 0 || MergeBytes > SplitBytes / 2)
            problems.Add($"MergeBytes is {MergeBytes}; it must be 0 to half of SplitBytes ({SplitBytes / 2}).");
        if (!(SplitOperationsPerSecond > 0))
            problems.Add($"SplitOperationsPerSecond is {SplitOperationsPerSecond}; it must be positive.");
        if (!(ImbalanceTolerated > 0))
            problems.Add($"ImbalanceTolerated is {ImbalanceTolerated}; it must be positive.");
        if (ImbalanceBytesTolerated < 0)
            problems.Add($"ImbalanceBytesTolerated is {ImbalanceBytesTolerated}; it must not be negative.");
        return problems;
    }
}
