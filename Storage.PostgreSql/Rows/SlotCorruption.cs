namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>Names the row that is not what was written.</summary>
internal static class SlotCorruption
{
    public static CorruptionException Found(string slot, string table, string key, string what) => new(
        $"{slot}, table {table}", 0,
        $"{slot}: table {table}, key {key}: {what}. Nothing was changed. Do not edit or delete rows here: check the "
        + "database and its disk, keep a copy, and replace this slot; the other replicas have its data.");
}
