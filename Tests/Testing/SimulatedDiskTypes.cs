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

/// <summary>What a crash takes of what was not flushed.</summary>
public enum CrashLoss
{
    /// <summary>The machine dies, and all of it is lost.</summary>
    Everything,

    /// <summary>The machine dies, and any of it is lost, sector by sector and name by name, drawn from the disk's seed:
    /// writes are torn.</summary>
    Random,

    /// <summary>Only the process dies: all of it is still to be read, and still not flushed.</summary>
    Nothing,
}
