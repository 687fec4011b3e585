using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>One replica's durable state. Submissions return at once; completions come in order.</summary>
public interface IReplicaStorage
{
    GroupId Group { get; }

    ReplicaId Replica { get; }

    /// <summary>Grows with every opening of this replica.</summary>
    ulong Incarnation { get; }

    /// <summary>False for good once the replica was opened again, or the storage crashed or failed. May be read from
    /// any thread.</summary>
    bool IsCurrent { get; }

    /// <summary>What was durable when this handle was opened. To be read before the first <see cref="Submit"/>, which
    /// forgets it.</summary>
    RecoveredReplica Recovered { get; }

    /// <summary>
    /// Queues a write. <paramref name="observer"/> hears of it once it is durable, or never: a fenced handle's and a
    /// crashed node's writes are dropped, a failed disk is told by <see cref="IPersistenceObserver.StorageFailed"/>.
    /// </summary>
    void Submit(PersistRequest request, IPersistenceObserver observer);

    /// <summary>Starts a snapshot file beside the others. It counts only after <see cref="RecordSnapshotAsync"/> or a
    /// submitted <see cref="PersistRequest.Snapshot"/> of the same entry.</summary>
    /// <param name="last">The last entry the snapshot covers.</param>
    ValueTask<ISnapshotWriter> CreateSnapshotAsync(EntryId last);

    /// <summary>
    /// Records a finished snapshot of this replica's own state in the log; when it returns, it is durable, log entries
    /// up to it are no longer needed on disk, and the file of the snapshot before is gone as soon as no reader holds
    /// it.
    /// </summary>
    ValueTask RecordSnapshotAsync(SnapshotFile file);

    /// <summary>Opens the recorded snapshot (or one finished but not yet recorded) for reading; it stays readable until
    /// disposed.</summary>
    ValueTask<ISnapshotReader> OpenSnapshotAsync(SnapshotFile file);

    /// <summary>The snapshot recorded last; null if none.</summary>
    SnapshotFile? Snapshot { get; }
}

/// <summary>Hears of a replica's writes; called on the log's turn, so it only takes note (posts to an inbox).</summary>
public interface IPersistenceObserver
{
    /// <summary>All writes up to this number are durable.</summary>
    void Persisted(ulong number);

    /// <summary>The storage failed for good; nothing submitted and not yet reported may be taken as durable.</summary>
    void StorageFailed(Exception failure);
}

/// <summary>What a replica finds when its storage is opened.</summary>
/// <param name="State">Hard state, the snapshot's last entry, and the entries after it.</param>
/// <param name="Snapshot">The recorded snapshot file; null if none.</param>
public sealed record RecoveredReplica(RaftState State, SnapshotFile? Snapshot);

/// <summary>A snapshot file. It covers the group's state up to <paramref name="Last"/>.</summary>
/// <param name="Replica">Whose file it is: a later replica of the group on the same node shares none with it.</param>
/// <param name="Checksum">CRC-32C of the whole content.</param>
public sealed record SnapshotFile(GroupId Group, ReplicaId Replica, EntryId Last, long LengthBytes, uint Checksum);

/// <summary>
/// Writes one snapshot file. Disposed before <see cref="FinishAsync"/>, or after it failed, it leaves nothing behind: a
/// failure of the disk here costs this file and nothing else.
/// </summary>
public interface ISnapshotWriter : IAsyncDisposable
{
    long LengthBytes { get; }

    /// <summary>Appends; the buffer must not change until it completes.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes);

    /// <summary>Flushes the file, gives it its name and flushes the directory.</summary>
    ValueTask<SnapshotFile> FinishAsync();
}

/// <summary>Reads one snapshot file's content.</summary>
public interface ISnapshotReader : IAsyncDisposable
{
    SnapshotFile File { get; }

    ValueTask<int> ReadAsync(long offset, Memory<byte> buffer);
}
