namespace Orleans.Raft.Storage;

/// <summary>How a <see cref="LocalDisk"/> writes.</summary>
public sealed record LocalDiskOptions
{
    /// <summary>
    /// Default true. False acknowledges what the operating system has only cached: a crash of the machine (not of the
    /// process) then loses acknowledged writes and can break the cluster's safety. For trials and throw-away data only.
    /// </summary>
    public bool FlushToDisk { get; init; } = true;
}
