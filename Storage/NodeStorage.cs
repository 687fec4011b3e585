using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>A node's storage in a data directory.</summary>
public sealed class NodeStorage : INodeStorage
{
    private readonly WriteAheadLog _log;
    private readonly SnapshotStore _snapshots;
    private readonly ActivityGate _gate;
    private readonly IAsyncDisposable _lock;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _closing;

    private NodeStorage(StoreId storeId, WriteAheadLog log, SnapshotStore snapshots, ActivityGate gate,
        IAsyncDisposable directoryLock)
    {
        StoreId = storeId;
        _log = log;
        _snapshots = snapshots;
        _gate = gate;
        _lock = directoryLock;
    }

    public StoreId StoreId { get; }

    public ReadOnlyMemory<byte>? Formation => _log.Formation;

    public IReadOnlyList<StoredReplica> Replicas => [.. _log.Groups.Select(FindReplica)];

    public Exception? Failure => _log.Failure;

    public TimeSpan StalledFor => _log.StalledFor;

    public StorageStatus Status => new(
        _log.LogBytes, _log.LiveBytes, _snapshots.RecordedCount, _log.StalledFor, _log.Failure);

    /// <summary>
    /// Opens a data directory, making a new store if it is empty or does not exist. What was written before and
    /// survived is durable on return. The disk stays the caller's: dispose it after this.
    /// </summary>
    /// <exception cref="DiskException">The directory is in use, holds other files, or the disk failed.</exception>
    /// <exception cref="CorruptionException">What is there is not what was written; nothing was repaired.</exception>
    /// <exception cref="UnsupportedFileVersionException">A newer program wrote it.</exception>
    /// <exception cref="OutdatedFileVersionException">A program wrote it that is too old.</exception>
    public static async Task<NodeStorage> OpenAsync(IDisk disk, NodeStorageOptions options)
    {
        ArgumentNullException.ThrowIfNull(disk);
        ArgumentNullException.ThrowIfNull(options);
        IReadOnlyList<string> problems = options.Validate();
        if (problems.Count > 0) throw new ArgumentException(string.Join(" ", problems), nameof(options));
        IAsyncDisposable directoryLock = await DataDirectory.LockAsync(disk);
        try
        {
            return await OpenLockedAsync(disk, options, directoryLock);
        }
        catch
        {
            await directoryLock.DisposeAsync();
            throw;
        }
    }

    public ValueTask WriteFormationAsync(ReadOnlyMemory<byte> formation) => _log.WriteFormationAsync(formation);

    public ValueTask RewriteFormationAsync(ReadOnlyMemory<byte> formation) => _log.RewriteFormationAsync(formation);

    public StoredReplica FindReplica(GroupId group)
    {
        (ReplicaId replica, ReplicaId removed) = _log.IdentityOf(group);
        return new StoredReplica(group, replica, removed, replica.IsNone ? null : _snapshots.RecordedOf(group));
    }

    public async ValueTask<IReplicaStorage> OpenReplicaAsync(GroupId group, ReplicaId replica) =>
        await _log.OpenReplicaAsync(group, replica);

    public ValueTask RetireReplicaAsync(GroupId group, ReplicaId replica) => _log.RetireReplicaAsync(group, replica);

    /// <inheritdoc/>
    /// <remarks>The lock on the data directory rules it out.</remarks>
    public bool NeedsConfirming => false;

    public ValueTask ConfirmAsync()
    {
        _gate.ThrowIfClosed(); // The lock is let go only after that.
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    /// <remarks>Waits for the disk call under way, as the end of a process does. Calls that await something durable
    /// throw <see cref="FencedException"/>: their outcome is unknown.</remarks>
    public ValueTask CrashAsync() => CloseAsync(drain: false);

    /// <summary>Writes what is queued, then closes.</summary>
    public ValueTask DisposeAsync() => CloseAsync(drain: true);

    private static async Task<NodeStorage> OpenLockedAsync(IDisk disk, NodeStorageOptions options,
        IAsyncDisposable directoryLock)
    {
        StoreId? found = await DataDirectory.ReadIdentityAsync(disk);
        StoreId store = found ?? new StoreId(options.NewStoreId());
        if (found is null) await DataDirectory.CreateAsync(disk, store, options.SegmentBytes);
        // The identity and the directories may live in the page cache only.
        else await DataDirectory.FlushIdentityAsync(disk);

        var gate = new ActivityGate();
        RecoveredLog recovered = await new LogRecovery(disk, store, options.Logger, options.Faults).RunAsync();
        try
        {
            SnapshotStore snapshots = await SnapshotStore.OpenAsync(
                disk, recovered.Groups.Values.Select(group => group.Meta.Snapshot).OfType<SnapshotFile>(), gate,
                options);
            var log = new WriteAheadLog(disk, store, options, recovered, snapshots, gate);
            options.Logger.Opened(disk.Description, store, recovered.Groups.Count, recovered.Segments.Count,
                recovered.NextSequence);
            return new NodeStorage(store, log, snapshots, gate, directoryLock);
        }
        catch
        {
            foreach (LogSegment segment in recovered.Segments) await segment.File.DisposeAsync();
            if (recovered.Prepared is not null) await recovered.Prepared.File.DisposeAsync();
            throw;
        }
    }

    private async ValueTask CloseAsync(bool drain)
    {
        if (drain && Volatile.Read(ref _closing) == 0) await _log.DrainAsync();
        if (Interlocked.Exchange(ref _closing, 1) == 1)
        {
            await _closed.Task;
            return;
        }
        try
        {
            _log.Close();
            await _gate.CloseAsync();
            await _log.CloseFilesAsync();
        }
        finally
        {
            await _lock.DisposeAsync();
            _closed.SetResult();
        }
    }
}
