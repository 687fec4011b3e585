namespace Orleans.Raft.Testing;

/// <summary>What a disk is asked to do. Only those that change something, or make it durable, count as
/// operations.</summary>
public enum DiskOperationKind
{
    CreateDirectory,
    Create,
    Open,
    Read,
    Write,
    Flush,
    Delete,
    Rename,
    FlushDirectory,
}

/// <summary>One operation under way.</summary>
public readonly record struct DiskOperation(DiskOperationKind Kind, string Path, int LengthBytes);

/// <summary>What a crash of the machine takes of what was not flushed.</summary>
public enum CrashLoss
{
    /// <summary>All of it.</summary>
    Everything,

    /// <summary>Any of it, sector by sector and name by name, drawn from the disk's seed: writes are torn.</summary>
    Random,

    /// <summary>None of it.</summary>
    Nothing,
}
