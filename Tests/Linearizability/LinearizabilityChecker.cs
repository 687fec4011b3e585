namespace Orleans.Raft.Linearizability;

/// <summary>
/// Decides whether a history is linearizable: whether each operation can be given one moment between its invocation and
/// its return so that, done in this order on an empty store, all answers come out as recorded. Operations of unknown
/// outcome may have any moment after their invocation, or none.
/// </summary>
/// <remarks>
/// Wing and Gong, "Testing and verifying concurrent objects" (1993); Lowe, "Testing for linearizability" (2016): the
/// configurations reached are remembered, and operations take effect just before some return needs them. Keys are
/// checked apart (Herlihy and Wing: linearizability is local) unless a scan covers several.
/// </remarks>
public static class LinearizabilityChecker
{
    /// <param name="entries">Any order; see <see cref="History.Entries"/>.</param>
    public static LinearizabilityResult Check(IReadOnlyList<HistoryEntry> entries)
    {
        var verdicts = new List<PartVerdict>();
        foreach (var partition in entries.Where(Counts).GroupBy(entry => entry.Operation.Partition))
        {
            foreach (Part part in Part.Split(partition.Key, [.. partition.OrderBy(entry => entry.Invoked)]))
                verdicts.Add(new Search(part).Run());
        }
        return new LinearizabilityResult(verdicts);
    }

    /// <summary>Refused operations never happened; reads of unknown answer tell nothing.</summary>
    private static bool Counts(HistoryEntry entry) => entry.Outcome switch
    {
        OperationOutcome.Answered => true,
        OperationOutcome.Refused => false,
        _ => entry.Operation.Kind is not (OperationKind.Get or OperationKind.Scan),
    };
}
