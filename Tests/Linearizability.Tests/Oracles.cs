namespace Orleans.Raft.Linearizability.Tests;

/// <summary>What the checker is held against.</summary>
internal static class Oracles
{
    /// <summary>Tries all orders.</summary>
    /// <param name="remember">Not twice the same operations in the same state; for more than a handful.</param>
    public static bool SomeOrderExplains(IReadOnlyList<HistoryEntry> entries, bool remember = false)
    {
        HistoryEntry[] taking = [.. entries.Where(entry => entry.Outcome != OperationOutcome.Refused)];
        return Try(taking, 0, new Model(), remember ? [] : null);
    }

    /// <summary>Whether an order is one that explains a whole history: all answered operations and any of unknown
    /// outcome, each once, none before one that returned before it was invoked, and all answers right.</summary>
    public static void Verify(IReadOnlyList<HistoryEntry> entries, LinearizabilityResult result)
    {
        Assert.True(result.IsLinearizable, result.Explain());
        foreach (PartVerdict part in result.Parts) Verify(part.Order);
        int answered = result.Parts.Sum(part =>
            part.Order.Count(entry => entry.Outcome == OperationOutcome.Answered));
        // Scans of nothing that found nothing are in no part.
        Assert.Equal(entries.Count(entry => entry.Outcome == OperationOutcome.Answered
            && !(entry.Answer!.Rows is { Count: 0 } && !result.Parts.Any(part => part.Order.Contains(entry)))),
            answered);
    }

    private static void Verify(IReadOnlyList<HistoryEntry> order)
    {
        Assert.Distinct(order.Select(entry => entry.Id));
        var model = new Model();
        long latestInvocation = -1;
        foreach (HistoryEntry entry in order)
        {
            Assert.True(entry.Returned > latestInvocation, $"{entry} returned before one ordered before it began");
            latestInvocation = Math.Max(latestInvocation, entry.Invoked);
            Assert.True(model.Explains(entry.Operation, entry.Answer), $"{entry} does not fit");
        }
    }

    private static bool Try(HistoryEntry[] entries, uint taken, Model model, HashSet<(uint, string)>? seen)
    {
        long firstReturn = long.MaxValue;
        bool done = true;
        for (int i = 0; i < entries.Length; i++)
        {
            if ((taken & (1u << i)) != 0) continue;
            firstReturn = Math.Min(firstReturn, entries[i].Returned);
            done &= entries[i].Outcome == OperationOutcome.Unknown;
        }
        if (done) return true;
        if (seen is not null && !seen.Add((taken, model.ToString()))) return false;
        for (int i = 0; i < entries.Length; i++)
        {
            if ((taken & (1u << i)) != 0 || entries[i].Invoked > firstReturn) continue;
            Model next = model.Copy();
            if (next.Explains(entries[i].Operation, entries[i].Answer)
                && Try(entries, taken | (1u << i), next, seen)) return true;
        }
        return false;
    }
}
