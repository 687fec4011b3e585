using Orleans.Raft.Linearizability;
using Operation = Orleans.Raft.Linearizability.Operation;
using OperationKind = Orleans.Raft.Linearizability.OperationKind;

namespace Orleans.Raft.Simulator;

/// <summary>
/// A scan reads each group at a moment of its own. So one whose range was ever divided is checked as a read of each key
/// that it came by, at any time while it went on; one within a group at all times as one read of all.
/// </summary>
internal static class ScansOverGroups
{
    /// <param name="boundaries">Where groups began at any time.</param>
    /// <param name="keys">That the history writes.</param>
    /// <param name="violated">Hears of rows that are out of order or range.</param>
    public static IReadOnlyList<HistoryEntry> Divide(IReadOnlyList<HistoryEntry> history,
        IReadOnlyList<byte[]> boundaries, IReadOnlyList<string> keys, Action<string> violated)
    {
        string[] starts = [.. boundaries.Select(start => Operation.Text(start))];
        var divided = new List<HistoryEntry>(history.Count);
        int id = history.Count;
        foreach (HistoryEntry entry in history)
        {
            Operation scan = entry.Operation;
            if (scan.Kind != OperationKind.Scan || entry.Answer is null || !starts.Any(start => IsInside(scan, start)))
            {
                divided.Add(entry);
                continue;
            }
            IReadOnlyList<KeyValuePair<string, string>> rows = entry.Answer.Rows!;
            if (ProblemOf(scan, rows) is { } problem) violated($"{entry.Client}: {scan}: {problem}");
            foreach (string key in keys.Where(key => CameBy(scan, rows, key)))
            {
                string? found = rows.Where(row => row.Key == key).Select(row => row.Value).FirstOrDefault();
                divided.Add(entry with
                {
                    Id = id++, Operation = Workload.Get(key), Answer = Answer.Found(found),
                });
            }
        }
        return divided;
    }

    private static bool IsInside(Operation scan, string boundary) =>
        string.CompareOrdinal(boundary, scan.Key) > 0 && string.CompareOrdinal(boundary, scan.End) < 0;

    /// <summary>Where a limit was reached, what lies behind the last row was not read.</summary>
    private static bool CameBy(Operation scan, IReadOnlyList<KeyValuePair<string, string>> rows, string key)
    {
        if (string.CompareOrdinal(key, scan.Key) < 0 || string.CompareOrdinal(key, scan.End) >= 0) return false;
        if (scan.Limit == 0 || rows.Count < scan.Limit) return true;
        int beyond = string.CompareOrdinal(key, rows[^1].Key);
        return scan.Reverse ? beyond >= 0 : beyond <= 0;
    }

    private static string? ProblemOf(Operation scan, IReadOnlyList<KeyValuePair<string, string>> rows)
    {
        if (scan.Limit > 0 && rows.Count > scan.Limit) return $"{rows.Count} rows";
        for (int i = 0; i < rows.Count; i++)
        {
            string key = rows[i].Key;
            if (string.CompareOrdinal(key, scan.Key) < 0 || string.CompareOrdinal(key, scan.End) >= 0)
                return $"{key} is not in its range";
            int order = i == 0 ? 1 : string.CompareOrdinal(key, rows[i - 1].Key);
            if (i > 0 && (scan.Reverse ? order >= 0 : order <= 0)) return $"{key} comes after {rows[i - 1].Key}";
        }
        return null;
    }
}
