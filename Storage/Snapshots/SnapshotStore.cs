using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>The snapshot files of a node: which are finished, which one the log names for each group, who reads
/// them.</summary>
internal sealed partial class SnapshotStore
{
    private readonly IDisk _disk;
    private readonly ActivityGate _gate;
    private readonly ILogger _logger;
    private readonly FaultPoints _faults;

    // Guarded by the lock.
    private readonly Lock _lock = new();
    private readonly SortedDictionary<GroupId, List<Stored>> _files = [];
    private readonly List<SnapshotFile> _finishing = [];
    private readonly Dictionary<GroupId, ReplicaId> _removed = [];
    private int _writers;

    private sealed class Stored(SnapshotFile file)
    {
        public SnapshotFile File => file;

        /// <summary>The log names it. Invariant: of a group's files at most one.</summary>
        public bool IsRecorded { get; set; }

        public int Readers { get; set; }
    }

    private SnapshotStore(IDisk disk, ActivityGate gate, NodeStorageOptions options)
    {
        _disk = disk;
        _gate = gate;
        _logger = options.Logger;
        _faults = options.Faults;
    }

    public int RecordedCount
    {
        get
        {
            lock (_lock) return _files.Values.Sum(files => files.Count(stored => stored.IsRecorded));
        }
    }

    /// <summary>Checks that every recorded file is there, then removes all others.</summary>
    public static async ValueTask<SnapshotStore> OpenAsync(
        IDisk disk, IEnumerable<SnapshotFile> recorded, ActivityGate gate, NodeStorageOptions options)
    {
        var store = new SnapshotStore(disk, gate, options);
        IReadOnlyList<string> names = await DataDirectory.RefuseForeignAsync(
            disk, DataDirectory.SnapshotDirectory, SnapshotFormat.IsOurs);
        var kept = new HashSet<string>();
        foreach (SnapshotFile file in recorded)
        {
            await CheckAsync(disk, file, names);
            kept.Add(SnapshotFormat.NameOf(file));
            store._files[file.Group] = [new Stored(file) { IsRecorded = true }];
        }
        foreach (string name in names)
        {
            if (!kept.Contains(name)) await disk.DeleteAsync($"{DataDirectory.SnapshotDirectory}/{name}");
        }
        return store;
    }

    public SnapshotFile? RecordedOf(GroupId group)
    {
        lock (_lock) return FilesOf(group).Find(stored => stored.IsRecorded)?.File;
    }

    /// <summary>The finished file of a snapshot; null if there is none.</summary>
    public SnapshotFile? FindFinished(GroupId group, EntryId last)
    {
        lock (_lock) return FilesOf(group).FindLast(stored => stored.File.Last == last)?.File;
    }

    public bool IsFinished(SnapshotFile file)
    {
        lock (_lock) return FilesOf(file.Group).Exists(stored => stored.File == file);
    }

    /// <summary>Whether a snapshot at least as new is recorded, or its replica was removed.</summary>
    public bool IsSuperseded(SnapshotFile file)
    {
        lock (_lock)
        {
            if (file.Replica <= _removed.GetValueOrDefault(file.Group)) return true;
            return RecordedOf(file.Group) is { } recorded && recorded.Last.Index >= file.Last.Index;
        }
    }

    /// <summary>The log durably names this file: older ones go.</summary>
    public void Recorded(SnapshotFile file)
    {
        var removed = new List<Stored>();
        lock (_lock)
        {
            List<Stored> files = FilesOf(file.Group);
            Stored? before = files.Find(stored => stored.IsRecorded);
            if (before is not null && before.File.Last.Index > file.Last.Index) return;
            foreach (Stored stored in files) stored.IsRecorded = stored.File == file;
            foreach (Stored stored in files)
            {
                if (!stored.IsRecorded && stored.File.Last.Index <= file.Last.Index) removed.Add(stored);
            }
            files.RemoveAll(removed.Contains);
            removed.RemoveAll(stored => stored.Readers > 0);
        }
        foreach (Stored stored in removed) _ = RemoveAsync(SnapshotFormat.PathOf(stored.File));
    }

    /// <summary>The log durably says that these replicas were removed: their files go.</summary>
    public void Retire(GroupId group, ReplicaId removed)
    {
        List<Stored> unread;
        lock (_lock)
        {
            _removed[group] = removed > _removed.GetValueOrDefault(group) ? removed : _removed[group];
            unread = FilesOf(group).FindAll(stored => stored.File.Replica <= removed && stored.Readers == 0);
            FilesOf(group).RemoveAll(stored => stored.File.Replica <= removed);
        }
        foreach (Stored stored in unread) _ = RemoveAsync(SnapshotFormat.PathOf(stored.File));
    }

    public async ValueTask<ISnapshotWriter> CreateAsync(ReplicaStorage replica, EntryId last)
    {
        string path = SnapshotFormat.TemporaryPathOf(replica.Group, replica.Replica, last,
            Interlocked.Increment(ref _writers));
        _gate.Enter();
        try
        {
            return new SnapshotWriter(this, _gate, replica, last, await _disk.OpenAsync(path, create: true), _faults);
        }
        finally
        {
            _gate.Exit();
        }
    }

    public async ValueTask<ISnapshotReader> OpenAsync(SnapshotFile file)
    {
        Stored stored;
        lock (_lock)
        {
            stored = FilesOf(file.Group).Find(candidate => candidate.File == file)
                ?? throw new DiskException(DiskFailure.NotFound, SnapshotFormat.PathOf(file),
                    $"Snapshot {file.Last} of {file.Group} is no longer kept: a newer one replaced it. Use that one.");
            stored.Readers++;
        }
        _gate.Enter();
        IDiskFile? opened = null;
        try
        {
            opened = await _disk.OpenAsync(SnapshotFormat.PathOf(file), create: false);
            byte[] header = new byte[SnapshotFormat.HeaderBytes];
            int length = await opened.ReadAsync(0, header);
            SnapshotFormat.CheckHeader(opened.Path, header.AsSpan(0, length), file);
            return new SnapshotReader(file, opened, _gate, () => Release(stored), _faults);
        }
        catch
        {
            if (opened is not null) await opened.DisposeAsync();
            Release(stored);
            throw;
        }
        finally
        {
            _gate.Exit();
        }
    }

    /// <summary>
    /// Takes in a file that is finished under its temporary name, unless a newer one is recorded by now. It keeps its
    /// name until the log names it or another. If it fails, no record can name the file, and it goes.
    /// </summary>
    public async ValueTask FinishAsync(SnapshotFile file, string temporary)
    {
        bool isNeeded;
        lock (_lock)
        {
            // The end of one writer's file must not be taken for that of another's of the same name.
            if (_finishing.Contains(file))
                throw new DiskException(DiskFailure.InUse, temporary,
                    $"Another writer is just finishing snapshot {file.Last} of {file.Group}.");
            isNeeded = !IsSuperseded(file) && !IsFinished(file);
            if (isNeeded) _finishing.Add(file);
        }
        if (!isNeeded)
        {
            await _disk.DeleteAsync(temporary);
            return;
        }
        try
        {
            await _disk.RenameAsync(temporary, SnapshotFormat.PathOf(file));
            _gate.ThrowIfClosed();
            await _disk.FlushDirectoryAsync(DataDirectory.SnapshotDirectory);
            _gate.ThrowIfClosed();
            lock (_lock)
            {
                isNeeded = !IsSuperseded(file);
                if (isNeeded) FilesOf(file.Group).Add(new Stored(file));
            }
            if (!isNeeded) await _disk.DeleteAsync(SnapshotFormat.PathOf(file));
        }
        catch (DiskException)
        {
            await DiscardAsync(SnapshotFormat.PathOf(file));
            throw;
        }
        finally
        {
            lock (_lock) _finishing.Remove(file);
        }
    }

    /// <summary>Removes a file that nothing needs, if it is there.</summary>
    public async Task RemoveAsync(string path)
    {
        if (!_gate.TryEnter()) return; // The next start removes it.
        try
        {
            await DiscardAsync(path);
        }
        finally
        {
            _gate.Exit();
        }
    }

    private static async ValueTask CheckAsync(IDisk disk, SnapshotFile file, IReadOnlyList<string> names)
    {
        string path = SnapshotFormat.PathOf(file);
        if (!names.Contains(SnapshotFormat.NameOf(file)))
            throw Corruption.Found(path, 0, $"the log names it as the snapshot of {file.Group}, but it is missing");
        await using IDiskFile opened = await disk.OpenAsync(path, create: false);
        long length = await opened.GetLengthAsync();
        if (length != SnapshotFormat.HeaderBytes + file.LengthBytes)
        {
            throw Corruption.Found(path, Math.Min(length, SnapshotFormat.HeaderBytes + file.LengthBytes),
                $"it has {length} bytes instead of {SnapshotFormat.HeaderBytes + file.LengthBytes}");
        }
        byte[] header = new byte[SnapshotFormat.HeaderBytes];
        int read = await opened.ReadAsync(0, header);
        SnapshotFormat.CheckHeader(path, header.AsSpan(0, read), file);
    }

    private void Release(Stored stored)
    {
        lock (_lock)
        {
            stored.Readers--;
            if (stored.Readers > 0 || FilesOf(stored.File.Group).Contains(stored)) return;
        }
        _ = RemoveAsync(SnapshotFormat.PathOf(stored.File));
    }

    private async ValueTask DiscardAsync(string path)
    {
        try
        {
            IReadOnlyList<string> names = await _disk.ListAsync(DataDirectory.SnapshotDirectory);
            if (names.Contains(Path.GetFileName(path))) await _disk.DeleteAsync(path);
        }
        catch (DiskException exception)
        {
            CouldNotRemove(_logger, exception, path);
        }
    }

    private List<Stored> FilesOf(GroupId group)
    {
        if (!_files.TryGetValue(group, out List<Stored>? files)) _files[group] = files = [];
        return files;
    }

    [LoggerMessage(7, LogLevel.Warning, "Could not remove {Path}, which nothing needs; the next start will")]
    private static partial void CouldNotRemove(ILogger logger, Exception exception, string path);
}
