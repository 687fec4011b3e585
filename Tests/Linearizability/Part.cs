namespace Orleans.Raft.Linearizability;

/// <summary>Keys that must be checked together, and their operations in order of invocation.</summary>
internal sealed record Part(string Partition, IReadOnlyList<string> Keys, IReadOnlyList<HistoryEntry> Entries)
{
    /// <summary>Ties keys together that some scan covers; every other key is a part of its own.</summary>
    public static IEnumerable<Part> Split(string partition, IReadOnlyList<HistoryEntry> entries)
    {
        var parents = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (HistoryEntry entry in entries)
        {
            if (entry.Operation.Kind != OperationKind.Scan) parents[entry.Operation.Key] = entry.Operation.Key;
            else foreach (var row in entry.Answer!.Rows!) parents[row.Key] = row.Key;
        }
        string[] keys = [.. parents.Keys];
        var owners = new string?[entries.Count];
        for (int i = 0; i < entries.Count; i++)
        {
            Operation operation = entries[i].Operation;
            if (operation.Kind != OperationKind.Scan)
            {
                owners[i] = operation.Key;
                continue;
            }
            // Rows outside the range are a violation; the first of them takes the scan into some part all the same.
            var rows = entries[i].Answer!.Rows!;
            owners[i] = keys.FirstOrDefault(operation.Covers) ?? (rows.Count > 0 ? rows[0].Key : null);
            foreach (string key in keys.Where(operation.Covers))
                parents[Root(parents, key)] = Root(parents, owners[i]!);
        }
        var members = new SortedDictionary<string, List<HistoryEntry>>(StringComparer.Ordinal);
        for (int i = 0; i < entries.Count; i++)
        {
            if (owners[i] is not { } owner) continue; // A scan of nothing that found nothing.
            string root = Root(parents, owner);
            if (!members.TryGetValue(root, out List<HistoryEntry>? list)) members[root] = list = [];
            list.Add(entries[i]);
        }
        return members.Select(pair =>
            new Part(partition, [.. keys.Where(key => Root(parents, key) == pair.Key)], pair.Value));
    }

    private static string Root(SortedDictionary<string, string> parents, string key)
    {
        while (parents[key] != key) key = parents[key] = parents[parents[key]];
        return key;
    }
}
