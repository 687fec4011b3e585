using System.Globalization;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>What a simulation did and found.</summary>
public sealed record SimulationResult
{
    public required SimulationOptions Options { get; init; }

    public required FaultSchedule Schedule { get; init; }

    /// <summary>Of every frame delivered and every answer, with its time: equal for equal seeds.</summary>
    public required ulong TraceHash { get; init; }

    public required TimeSpan Simulated { get; init; }

    /// <summary>Entries committed, over all groups.</summary>
    public required long Commits { get; init; }

    /// <summary>Leaders of a group and term, over all groups, but for the first of each.</summary>
    public required int Elections { get; init; }

    /// <summary>How often a leader was found to have fallen silent, over all groups.</summary>
    public required int Silences { get; init; }

    /// <summary>Groups that were split off.</summary>
    public required int Splits { get; init; }

    /// <summary>Groups that another one took over.</summary>
    public required int Merges { get; init; }

    /// <summary>How often a replica became a voter of a group that did not begin with it.</summary>
    public required int Moves { get; init; }

    /// <summary>How often each kind of fault happened, or what was asked for was done.</summary>
    public required IReadOnlyDictionary<FaultKind, int> Faults { get; init; }

    public required long FramesDelivered { get; init; }

    public required long FramesDropped { get; init; }

    public required long WritesAcknowledged { get; init; }

    /// <summary>Operations in the history that were answered or are of unknown outcome.</summary>
    public required long InHistory { get; init; }

    /// <summary>Of <see cref="InHistory"/>.</summary>
    public required long OutcomesUnknown { get; init; }

    /// <summary>Reads that were answered and checked.</summary>
    public required long Reads { get; init; }

    /// <summary>What must never happen, and did; empty if all is well.</summary>
    public required IReadOnlyList<string> Violations { get; init; }

    /// <summary>The last events before the end, oldest first.</summary>
    public required IReadOnlyCollection<string> LastEvents { get; init; }

    /// <summary>The picture of a history that is not linearizable, as HTML.</summary>
    public string? Picture { get; init; }

    public int Crashes => Count(FaultKind.Crash, FaultKind.PowerLoss, FaultKind.TornWrite, FaultKind.PowerLossOfAll,
        FaultKind.LostDisk, FaultKind.Rot, FaultKind.FailedFlush, FaultKind.FailedWrite);

    public int Partitions =>
        Count(FaultKind.Isolation, FaultKind.Partition, FaultKind.OneWayCut, FaultKind.LinkCut,
            FaultKind.Swizzle);

    /// <summary>Why this run proves too little; null if it did enough. A run with faults left out need not.</summary>
    public string? Shortcoming
    {
        get
        {
            if (Options.Keep is not null) return null;
            double share = Math.Min(1, Options.Duration.TotalSeconds / 60);
            int kinds = Math.Min(4, Options.Faults.Count);
            if (WritesAcknowledged < 3000 * share) return $"only {WritesAcknowledged} writes were acknowledged";
            if (InHistory < 4000 * share) return $"the history has only {InHistory} operations";
            if (OutcomesUnknown * 10 > InHistory) return $"{OutcomesUnknown} of {InHistory} outcomes are unknown";
            if (Silences < 3 * share) return $"groups fell silent only {Silences} times";
            if (Reads < 1000 * share) return $"only {Reads} reads were answered";
            if (Elections < 3 && Options.Faults.Count > 0) return $"there were only {Elections} elections";
            return Faults.Count < kinds && share == 1 ? $"only {Faults.Count} kinds of faults happened" : null;
        }
    }

    public bool IsOk => Violations.Count == 0 && Shortcoming is null;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"seed {Options.Seed} {Schedule.Mix.ToString().ToLowerInvariant()}{Databases} trace {TraceHash:x16} simulated "
        + $"{Simulated.TotalSeconds:F1} s commits {Commits} elections {Elections} silences {Silences} splits {Splits} "
        + $"merges {Merges} moves {Moves} faults {Faults.Values.Sum()} of {Faults.Count} kinds crashes {Crashes} partitions {Partitions} dropped {FramesDropped} delivered "
        + $"{FramesDelivered} writes {WritesAcknowledged} reads {Reads} history {InHistory} unknown {OutcomesUnknown} "
        + $"{Verdict}");

    private string Databases => Options.StorageUsed == SimulatedStorage.Databases ? " databases" : "";

    private string Verdict => Violations.Count > 0 ? "FAILED" : Shortcoming is { } shortcoming ? $"FAILED: {shortcoming}"
        : "ok";

    private int Count(params ReadOnlySpan<FaultKind> kinds)
    {
        int count = 0;
        foreach (FaultKind kind in kinds) count += Faults.GetValueOrDefault(kind);
        return count;
    }
}
