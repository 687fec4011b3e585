namespace Orleans.Raft.Chaos;

/// <summary>What the store's processes said on standard error.</summary>
public static class HostLogs
{
    private const string Critical = " crit: Orleans.Raft";
    private const string DiskIsFull = "The disk or quota is full";

    /// <summary>Lines at level Critical, as a broken invariant's is; a node that stops because its disk is full may say
    /// so.</summary>
    public static IEnumerable<string> FindComplaints(string directory) =>
        from file in Directory.EnumerateFiles(directory, "*.log")
        from line in File.ReadLines(file)
        where line.Contains(Critical, StringComparison.Ordinal) && !line.Contains(DiskIsFull, StringComparison.Ordinal)
        select $"{Path.GetFileName(file)}: {line}";
}
