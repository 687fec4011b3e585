namespace Orleans.Raft.Storage;

/// <summary>The handle belongs to an earlier opening of the replica and can do nothing any more.</summary>
public sealed class FencedException(string message) : InvalidOperationException(message);

/// <summary>The replica was removed from this node, or another replica of its group has its state here. Nothing was
/// changed.</summary>
public sealed class ReplicaRefusedException(string message) : InvalidOperationException(message);

/// <summary>What is on disk is not what was written. The message names file, offset and what to do. Never repaired
/// silently.</summary>
public sealed class CorruptionException(string path, long offsetBytes, string message) : IOException(message)
{
    public string Path { get; } = path;

    public long OffsetBytes { get; } = offsetBytes;
}

/// <summary>A file was written by a newer version; the message names both.</summary>
public sealed class UnsupportedFileVersionException(string path, int found, int understood) : IOException(
    $"{path} has file version {found}; this program understands up to {understood}. Start it with a program at least "
    + "as new as the one that wrote it.")
{
    public int Found { get; } = found;

    public int Understood { get; } = understood;
}

/// <summary>A file was written by a program too old for this one; the message names both versions.</summary>
public sealed class OutdatedFileVersionException(string path, int found, int oldest) : IOException(
    $"{path} has file version {found}; this program reads no older one than {oldest}. Nothing was changed. Export the "
    + "data with the program that wrote it, start this one with empty data directories, and import it there.")
{
    public int Found { get; } = found;

    public int Oldest { get; } = oldest;
}
