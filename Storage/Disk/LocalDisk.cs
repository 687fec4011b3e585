using Microsoft.Win32.SafeHandles;

namespace Orleans.Raft.Storage;

/// <summary>A directory of the machine's file system. Dispose it after the storage that uses it.</summary>
/// <remarks>
/// Three threads make the system calls: one serves files opened as <c>*.log</c>, one snapshot files, and one everything
/// else, so that neither preparing segments nor flushing directories delays the log, and a large snapshot does not
/// delay the next segment.
/// </remarks>
public sealed class LocalDisk : IDisk
{
    private readonly string _root;
    private readonly bool _flushToDisk;
    private readonly DiskThread _logThread;
    private readonly DiskThread _snapshotThread;
    private readonly DiskThread _otherThread;

    /// <param name="directory">Need not exist; it is made when the storage is opened.</param>
    /// <param name="options">Null: the defaults.</param>
    public LocalDisk(string directory, LocalDiskOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        _root = Path.GetFullPath(directory);
        _flushToDisk = (options ?? new LocalDiskOptions()).FlushToDisk;
        _logThread = new DiskThread("raft-log");
        _snapshotThread = new DiskThread("raft-snapshots");
        _otherThread = new DiskThread("raft-files");
    }

    public string Description => _root;

    public ValueTask<IAsyncDisposable> LockAsync(string path) => Other("lock", path, IAsyncDisposable () =>
    {
        SafeFileHandle handle = File.OpenHandle(
            Full(path), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        // FileShare.None is a lock on Unix only while the runtime's file locking is not switched off.
        if (!OperatingSystem.IsWindows() && !UnixSystemCalls.TryLock(handle))
        {
            handle.Dispose();
            throw DiskErrors.Describe(DiskFailure.InUse, "lock", Full(path), "it is locked", null);
        }
        return new HeldLock(handle);
    });

    public ValueTask CreateDirectoryAsync(string path) =>
        new(_otherThread.RunAsync("create the directory", Full(path), () =>
    {
        var missing = new Stack<string>();
        for (string? at = Full(path); at is not null && !Directory.Exists(at); at = Path.GetDirectoryName(at))
            missing.Push(at);
        Directory.CreateDirectory(Full(path));
        // The caller flushes directories inside this one; those above are made durable here.
        foreach (string made in missing)
        {
            if (_root.StartsWith(made, StringComparison.Ordinal) && Path.GetDirectoryName(made) is { } parent)
                FlushDirectory(parent);
        }
        return true;
    }));

    public ValueTask<IReadOnlyList<string>> ListAsync(string directory) =>
        Other("list", directory, IReadOnlyList<string> () =>
    {
        if (!Directory.Exists(Full(directory))) return [];
        string[] names =
            [.. Directory.EnumerateFileSystemEntries(Full(directory)).Select(entry => Path.GetFileName(entry))];
        Array.Sort(names, StringComparer.Ordinal);
        return names;
    });

    public ValueTask<IDiskFile> OpenAsync(string path, bool create)
    {
        DiskThread thread = path.EndsWith(".log", StringComparison.Ordinal) ? _logThread
            : path.StartsWith($"{DataDirectory.SnapshotDirectory}/", StringComparison.Ordinal) ? _snapshotThread
            : _otherThread;
        return Other(create ? "create" : "open", path, IDiskFile () =>
        {
            SafeFileHandle handle = File.OpenHandle(Full(path), create ? FileMode.Create : FileMode.Open,
                FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            return new LocalDiskFile(Full(path), handle, thread, _flushToDisk);
        });
    }

    public ValueTask DeleteAsync(string path) => new(_otherThread.RunAsync("delete", Full(path), () =>
    {
        File.Delete(Full(path));
        return true;
    }));

    public ValueTask RenameAsync(string from, string to) =>
        new(_otherThread.RunAsync($"rename to {Full(to)} the file", Full(from), () =>
        {
            File.Move(Full(from), Full(to), overwrite: true);
            return true;
        }));

    public ValueTask FlushDirectoryAsync(string path) =>
        new(_otherThread.RunAsync("flush the directory", Full(path), () =>
        {
            FlushDirectory(Full(path));
            return true;
        }));

    public async ValueTask DisposeAsync()
    {
        await _logThread.StopAsync();
        await _snapshotThread.StopAsync();
        await _otherThread.StopAsync();
    }

    private ValueTask<T> Other<T>(string operation, string path, Func<T> call) =>
        new(_otherThread.RunAsync(operation, Full(path), call));

    private void FlushDirectory(string fullPath)
    {
        if (_flushToDisk && !OperatingSystem.IsWindows()) UnixSystemCalls.FlushDirectory(fullPath, fullPath);
    }

    private string Full(string path) => path.Length == 0 ? _root : Path.Combine(_root, path);

    private sealed class HeldLock(SafeFileHandle handle) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            handle.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
