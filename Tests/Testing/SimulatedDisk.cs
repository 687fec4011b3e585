using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Testing;

/// <summary>
/// A disk in memory that keeps apart what was flushed and what was not, for files and for names. Without
/// <see cref="Latency"/> every operation completes at once. It outlives the storages that use it, as a real one does.
/// </summary>
/// <param name="seed">Decides what random crashes keep.</param>
public sealed class SimulatedDisk(int seed = 0) : IDisk, ISimulatedMedium
{
    private readonly Lock _lock = new();
    private readonly SimulatedDirectory _names = new();
    private readonly HashSet<string> _locks = [];
    private readonly List<string> _denied = [];
    private readonly List<(DiskOperationKind Kind, string PathPart, DiskFailure Failure)> _failures = [];
    private readonly Random _random = new(seed);
    private TaskCompletionSource? _hang;
    private string _hangPathPart = "";
    private long _life;
    private long? _offAt;

    public string Description { get; init; } = "simulated disk";

    /// <summary>How many operations changed something or made it durable.</summary>
    public long Operations { get; private set; }

    /// <summary>How many of them were flushes of files.</summary>
    public long Flushes { get; private set; }

    /// <summary>How many writes found no room.</summary>
    public long WritesWithoutRoom { get; private set; }

    /// <summary>How many operations failed because they were to: see <see cref="FailNext"/>.</summary>
    public long FailedOperations { get; private set; }

    /// <summary>By how many bytes files may still grow; null: without end.</summary>
    public long? FreeBytes { get; set; }

    /// <summary>Called for each operation on a file; the operation completes when it does. A flush takes effect only
    /// then.</summary>
    public Func<DiskOperation, ValueTask>? Latency { get; set; }

    /// <summary>Hears of each operation that changes something, before it takes effect.</summary>
    public Action<DiskOperation>? Observed { get; set; }

    /// <summary>The paths of all files, in order.</summary>
    public IReadOnlyList<string> Files
    {
        get
        {
            lock (_lock) return [.. _names.Files];
        }
    }

    /// <summary>Lets so many operations through; from then on every one fails until <see cref="Crash"/>.</summary>
    public void PowerOffAfter(long operations)
    {
        lock (_lock) _offAt = Operations + operations;
    }

    /// <summary>The process, or with it the machine, stops and starts again: open files and locks are gone, and of
    /// unflushed data what <paramref name="loss"/> says.</summary>
    public void Crash(CrashLoss loss = CrashLoss.Everything)
    {
        lock (_lock)
        {
            _life++;
            _offAt = null;
            _locks.Clear();
            if (loss != CrashLoss.Nothing) _names.Crash(loss, _random);
        }
        ReleaseFlushes();
    }

    /// <summary>The disk is lost, and with it all it held and every fault; an empty one is in its place. Whoever has
    /// files open here can do nothing any more.</summary>
    public void Wipe()
    {
        lock (_lock)
        {
            _life++;
            _offAt = null;
            _locks.Clear();
            _denied.Clear();
            _failures.Clear();
            _names.Clear();
            FreeBytes = null;
        }
        ReleaseFlushes();
    }

    /// <summary>Writes and flushes take that long from now on, drawn from the disk's seed; not longer than a moment if
    /// <paramref name="most"/> is zero. Replaces <see cref="Latency"/>.</summary>
    public void SlowDown(VirtualTime time, TimeSpan least, TimeSpan most)
    {
        if (most == TimeSpan.Zero)
        {
            Latency = null;
            return;
        }
        var latencies = new Random(seed ^ 0x1a7e);
        Latency = operation => operation.Kind is DiskOperationKind.Write or DiskOperationKind.Flush
            ? new ValueTask(time.AfterAsync(least + (most - least) * latencies.NextDouble()))
            : ValueTask.CompletedTask;
    }

    /// <summary>Refuses all operations on paths that begin so.</summary>
    public void Deny(string pathPrefix)
    {
        lock (_lock) _denied.Add(pathPrefix);
    }

    /// <summary>Fails the next operation of that kind on a path that contains that part; it has no effect.</summary>
    public void FailNext(DiskOperationKind kind, string pathPart = "", DiskFailure failure = DiskFailure.Io)
    {
        lock (_lock) _failures.Add((kind, pathPart, failure));
    }

    /// <summary>What was to fail next does not.</summary>
    public void ForgetFailures()
    {
        lock (_lock) _failures.Clear();
    }

    /// <summary>Flushes of files whose path contains that part take no effect and do not complete until
    /// released.</summary>
    public void HangFlushes(string pathPart = "")
    {
        lock (_lock)
        {
            _hang ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _hangPathPart = pathPart;
        }
    }

    public void ReleaseFlushes()
    {
        TaskCompletionSource? hang;
        lock (_lock)
        {
            hang = _hang;
            _hang = null;
        }
        hang?.SetResult();
    }

    /// <summary>Flips bits that were long durable.</summary>
    public void Rot(string path, long offset, byte mask = 1)
    {
        lock (_lock) Existing(path).Rot(offset, mask);
    }

    /// <summary>
    /// Flips a bit in a durable batch of the live log that is not its last one, so that no crash explains it: a restart
    /// must notice. Null, and nothing changes, if there is no such batch.
    /// </summary>
    /// <returns>Where the bit is.</returns>
    public (string Path, long Offset)? RotDurable(Random random)
    {
        lock (_lock)
        {
            List<LogBatch> batches = LogBatch.FindLive(_names.DurableFiles);
            if (batches.Count < 2) return null;
            LogBatch batch = batches[random.Next(batches.Count - 1)];
            byte[] durable = Existing(batch.Path).ReadDurable();
            long offset;
            do offset = batch.Offset + random.Next(batch.LengthBytes);
            while (!SectorOf(durable, offset).ContainsAnyExcept((byte)0));
            Existing(batch.Path).Rot(offset, (byte)(1 << random.Next(8)));
            return (batch.Path, offset);
        }
    }

    string? ISimulatedMedium.RotDurable(Random random) => RotDurable(random) is { } where ? where.ToString() : null;

    void ISimulatedMedium.HangFlushes() => HangFlushes();

    bool ISimulatedMedium.Holds(GroupId group, ReplicaId replica, EntryId entry) => false;

    Task<INodeStorage> ISimulatedMedium.OpenAsync(StorageContext context) => NodeStorage.OpenOwnedAsync(this, context);

    /// <summary>A file's bytes as the system sees them.</summary>
    public byte[] ReadAll(string path)
    {
        lock (_lock)
        {
            SimulatedContent content = Existing(path);
            byte[] bytes = new byte[content.Length];
            content.Read(0, bytes);
            return bytes;
        }
    }

    /// <summary>Puts a file there, durably, as somebody with a file manager would.</summary>
    public void WriteAll(string path, ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            var content = new SimulatedContent();
            content.Write(0, bytes);
            content.Flush();
            _names.Put(path, content);
            _names.Flush(SimulatedDirectory.ParentOf(path));
        }
    }

    /// <summary>Removes a file, durably.</summary>
    public void Remove(string path)
    {
        lock (_lock)
        {
            _names.Delete(path);
            _names.Flush(SimulatedDirectory.ParentOf(path));
        }
    }

    /// <summary>A disk with the same durable and undurable content, and no faults.</summary>
    public SimulatedDisk Clone(int cloneSeed = 0)
    {
        var clone = new SimulatedDisk(cloneSeed);
        lock (_lock)
        {
            clone._names.CopyFrom(_names);
        }
        return clone;
    }

    public ValueTask<IAsyncDisposable> LockAsync(string path)
    {
        lock (_lock)
        {
            Check(new DiskOperation(DiskOperationKind.Open, path, 0));
            if (_names.Find(path) is null) _names.Put(path, new SimulatedContent());
            if (!_locks.Add(path)) throw Failure(DiskFailure.InUse, "lock", path);
            return new(new HeldLock(this, path, _life));
        }
    }

    public ValueTask CreateDirectoryAsync(string path) => Change(DiskOperationKind.CreateDirectory, path, () =>
    {
        if (!_names.Exists(path)) _names.CreateDirectory(path);
    });

    public ValueTask<IReadOnlyList<string>> ListAsync(string directory)
    {
        lock (_lock)
        {
            Check(new DiskOperation(DiskOperationKind.Open, directory, 0));
            return new(_names.List(directory));
        }
    }

    public ValueTask<IDiskFile> OpenAsync(string path, bool create)
    {
        lock (_lock)
        {
            Check(new DiskOperation(create ? DiskOperationKind.Create : DiskOperationKind.Open, path, 0));
            if (!_names.Exists(SimulatedDirectory.ParentOf(path))) throw Failure(DiskFailure.NotFound, "open", path);
            if (create) _names.Put(path, new SimulatedContent());
            SimulatedContent content = _names.Find(path) ?? throw Failure(DiskFailure.NotFound, "open", path);
            return new(new SimulatedFile(this, path, content, _life));
        }
    }

    public ValueTask DeleteAsync(string path) => Change(DiskOperationKind.Delete, path, () =>
    {
        if (_names.Find(path) is null) throw Failure(DiskFailure.NotFound, "delete", path);
        _names.Delete(path);
    });

    public ValueTask RenameAsync(string from, string to) => Change(DiskOperationKind.Rename, from, () =>
    {
        if (_names.Find(from) is null) throw Failure(DiskFailure.NotFound, "rename", from);
        _names.Rename(from, to);
    });

    public ValueTask FlushDirectoryAsync(string path) =>
        Change(DiskOperationKind.FlushDirectory, path, () => _names.Flush(path));

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>In the words of the real disk.</summary>
    internal static DiskException Failure(DiskFailure failure, string operation, string path) =>
        DiskErrors.Describe(failure, operation, path, $"simulated {failure}", null);

    /// <summary>Runs under the lock whatever an open file does; fails if it was opened before the last crash.</summary>
    internal T WithFile<T>(long life, DiskOperation operation, Func<T> action)
    {
        lock (_lock)
        {
            if (life != _life) throw Failure(DiskFailure.Io, "use after a crash", operation.Path);
            Check(operation);
            return action();
        }
    }

    /// <summary>Takes the space by which a file grows.</summary>
    internal void Grow(SimulatedContent content, long end, string path)
    {
        long grown = Math.Max(0, end - content.Length);
        if (FreeBytes is { } free)
        {
            if (grown > free)
            {
                WritesWithoutRoom++;
                throw Failure(DiskFailure.Full, "write", path);
            }
            FreeBytes = free - grown;
        }
    }

    /// <summary>Completes when a flush of that file may take effect.</summary>
    internal Task HangOf(string path)
    {
        lock (_lock) return _hang is not null && path.Contains(_hangPathPart, StringComparison.Ordinal)
            ? _hang.Task
            : Task.CompletedTask;
    }

    private ValueTask Change(DiskOperationKind kind, string path, Action action)
    {
        lock (_lock)
        {
            Check(new DiskOperation(kind, path, 0));
            action();
        }
        return ValueTask.CompletedTask;
    }

    private void Check(DiskOperation operation)
    {
        bool counts = operation.Kind is not (DiskOperationKind.Open or DiskOperationKind.Read);
        if (_offAt is { } at && Operations >= at) throw Failure(DiskFailure.Io, "use without power", operation.Path);
        if (counts)
        {
            Operations++;
            if (operation.Kind == DiskOperationKind.Flush) Flushes++;
            Observed?.Invoke(operation);
        }
        if (_denied.Exists(prefix => operation.Path.StartsWith(prefix, StringComparison.Ordinal)))
            throw Failure(DiskFailure.PermissionDenied, operation.Kind.ToString(), operation.Path);
        int planned = _failures.FindIndex(failure =>
            failure.Kind == operation.Kind && operation.Path.Contains(failure.PathPart, StringComparison.Ordinal));
        if (planned < 0) return;
        DiskFailure reported = _failures[planned].Failure;
        _failures.RemoveAt(planned);
        FailedOperations++;
        throw Failure(reported, operation.Kind.ToString(), operation.Path);
    }

    private static ReadOnlySpan<byte> SectorOf(byte[] content, long offset)
    {
        int start = (int)(offset - offset % SimulatedContent.SectorBytes);
        return content.AsSpan(start, Math.Min(SimulatedContent.SectorBytes, content.Length - start));
    }

    private SimulatedContent Existing(string path) =>
        _names.Find(path) ?? throw new ArgumentException($"There is no file {path}; there are "
            + $"{string.Join(", ", _names.Files)}.", nameof(path));

    private sealed class HeldLock(SimulatedDisk disk, string path, long life) : IAsyncDisposable
    {
        private bool _released;

        public ValueTask DisposeAsync()
        {
            lock (disk._lock)
            {
                // After a crash somebody else may hold it.
                if (!_released && disk._life == life) disk._locks.Remove(path);
                _released = true;
            }
            return ValueTask.CompletedTask;
        }
    }
}
