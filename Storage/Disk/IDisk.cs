namespace Orleans.Raft.Storage;

/// <summary>
/// One data directory, as the store sees it: the seam behind which real files, threads and system calls live, and where
/// tests put a simulated disk. Paths are relative, with <c>/</c> between parts. Failures are
/// <see cref="DiskException"/>.
/// </summary>
/// <remarks>
/// Nothing is durable before it is flushed: a file's bytes by <see cref="IDiskFile.FlushAsync"/>, its existence and
/// name by <see cref="FlushDirectoryAsync"/> of the directory it is in.
/// </remarks>
public interface IDisk : IAsyncDisposable
{
    /// <summary>How messages name this directory, for people.</summary>
    string Description { get; }

    /// <summary>Takes the directory for this process alone until disposed; throws if another holds it.</summary>
    ValueTask<IAsyncDisposable> LockAsync(string path);

    ValueTask CreateDirectoryAsync(string path);

    /// <summary>The names (not paths) of files and directories in a directory, sorted; empty if it does not
    /// exist.</summary>
    ValueTask<IReadOnlyList<string>> ListAsync(string directory);

    /// <summary>Opens a file for reading and writing.</summary>
    /// <param name="create">True: make an empty file, replacing one of that name. False: it must exist.</param>
    ValueTask<IDiskFile> OpenAsync(string path, bool create);

    ValueTask DeleteAsync(string path);

    /// <summary>Renames a file, replacing one of the new name.</summary>
    ValueTask RenameAsync(string from, string to);

    ValueTask FlushDirectoryAsync(string path);
}

/// <summary>An open file. Operations of one file run in the order they were asked for.</summary>
public interface IDiskFile : IAsyncDisposable
{
    string Path { get; }

    ValueTask<long> GetLengthAsync();

    /// <summary>Fills the buffer as far as the file reaches; returns the bytes read.</summary>
    ValueTask<int> ReadAsync(long offset, Memory<byte> buffer);

    /// <summary>Writes all bytes; the buffer must not change until it completes.</summary>
    ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes);

    /// <summary>Makes all completed writes of this file durable.</summary>
    ValueTask FlushAsync();

    /// <summary>Writes, then flushes, as one request.</summary>
    ValueTask WriteAndFlushAsync(long offset, ReadOnlyMemory<byte> bytes);
}

/// <summary>What kind of failure a disk reported.</summary>
public enum DiskFailure
{
    Full,
    PermissionDenied,
    NotFound,
    InUse,
    Io,
}

/// <summary>A disk operation failed. The message names path, operation and what to do.</summary>
public sealed class DiskException(DiskFailure failure, string path, string message, Exception? inner = null)
    : IOException(message, inner)
{
    public DiskFailure Failure { get; } = failure;

    public string Path { get; } = path;
}
