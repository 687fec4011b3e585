namespace Orleans.Raft.Storage;

/// <summary>The handle belongs to an earlier opening of the replica and can do nothing any more.</summary>
public sealed class FencedException(string message) : InvalidOperationException(message);

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
