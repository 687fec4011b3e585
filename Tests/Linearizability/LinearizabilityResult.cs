using System.Text;

namespace Orleans.Raft.Linearizability;

/// <summary>What the checker found in one history.</summary>
public sealed record LinearizabilityResult(IReadOnlyList<PartVerdict> Parts)
{
    public bool IsLinearizable => Violation is null;

    /// <summary>The first part that no order explains; null if there is none.</summary>
    public PartVerdict? Violation { get; } = Parts.FirstOrDefault(part => part.Misfit is not null);

    /// <summary>Configurations visited.</summary>
    public long States => Parts.Sum(part => part.States);

    /// <summary>What went wrong, in a few lines; null if nothing did.</summary>
    public string? Explain()
    {
        if (Violation is not { Misfit: { } misfit } part) return null;
        var text = new StringBuilder();
        text.AppendLine($"Not linearizable: {misfit} fits nowhere.");
        text.AppendLine($"Partition {part.Partition}, keys {string.Join(", ", part.Keys)}. "
            + $"Of {part.Operations} operations, {part.Order.Count} can be ordered before it; the last of them:");
        foreach (HistoryEntry entry in part.Order.TakeLast(12)) text.AppendLine($"  {entry}");
        foreach (string value in part.Possible) text.AppendLine($"  then possible: {value}");
        return text.ToString();
    }
}

/// <summary>The verdict on keys that are checked together: one key, or several that scans tie to each other.</summary>
/// <param name="Operations">How many count: answered ones, and unknown ones that write.</param>
/// <param name="Order">An order that explains the answers: of everything, or the longest found that stops before
/// <paramref name="Misfit"/>. Operations of unknown outcome are in it only where it needs them.</param>
/// <param name="Misfit">The operation that fits nowhere; null: the part is linearizable.</param>
/// <param name="Possible">What the misfit's keys could have held at its end, as far as any later answer tells.</param>
/// <param name="States">Configurations visited.</param>
public sealed record PartVerdict(string Partition, IReadOnlyList<string> Keys, int Operations,
    IReadOnlyList<HistoryEntry> Order, HistoryEntry? Misfit, IReadOnlyList<string> Possible, long States);
