using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>
/// What a node's storage needs of a database: each member is one question and one answer, and each write names the
/// incarnation of the opening that makes it. Used by one opening. A flush, a confirmation and a snapshot's chunk may be
/// under way at the same time, never two of a kind but chunks.
/// </summary>
/// <remarks>
/// Every member throws <see cref="DatabaseException"/> if the database does not answer or refuses; then it is not known
/// whether a write was made, and it may be made again: the second one finds that out and changes nothing. Disposing
/// ends what is under way; it throws, whatever becomes of it in the database.
/// </remarks>
public interface ISlotDatabase : IAsyncDisposable
{
    /// <summary>Names database and slot, for messages. Holds no secret.</summary>
    string Description { get; }

    /// <summary>Takes the next incarnation, from when on no earlier opening can write or confirm anything, then reads
    /// all that is there.</summary>
    ValueTask<SlotContent> OpenAsync();

    /// <summary>Removes what earlier incarnations left of snapshots that no row names.</summary>
    ValueTask DeleteUnrecordedAsync(ulong incarnation);

    /// <summary>Makes all of a flush durable, or nothing of it.</summary>
    /// <exception cref="FencedException">A later opening took the slot; nothing was changed, then or ever.</exception>
    ValueTask FlushAsync(SlotFlush flush);

    /// <summary>Completes if no later opening had taken the slot at some moment after the call.</summary>
    /// <exception cref="FencedException">One had.</exception>
    ValueTask ConfirmAsync(ulong incarnation);

    /// <summary>Makes one chunk of an unrecorded snapshot durable.</summary>
    /// <exception cref="FencedException">A later opening took the slot.</exception>
    ValueTask WriteChunkAsync(ulong incarnation, SnapshotChunkRow chunk);

    /// <summary>One chunk of a snapshot; null if it is not there.</summary>
    ValueTask<SnapshotChunkRow?> ReadChunkAsync(SnapshotKey snapshot, int number);

    /// <summary>Removes the chunks of a snapshot that nothing needs.</summary>
    /// <exception cref="FencedException">A later opening took the slot; it removes them.</exception>
    ValueTask DeleteSnapshotAsync(ulong incarnation, SnapshotKey snapshot);
}

/// <summary>All that one flush changes; applied in one transaction.</summary>
/// <param name="Incarnation">Of the opening that writes it.</param>
/// <param name="Number">One more than that of the flush before, over all incarnations.</param>
/// <param name="Deleted">Entries to delete, before others are inserted.</param>
/// <param name="Replicas">Rows that replace those of their groups.</param>
/// <param name="Entries">Rows that are not there once what is to be deleted is.</param>
/// <param name="Formation">Replaces what is recorded; null leaves it.</param>
public sealed record SlotFlush(
    ulong Incarnation, ulong Number, IReadOnlyList<DeletedEntries> Deleted, IReadOnlyList<ReplicaRow> Replicas,
    IReadOnlyList<EntryRow> Entries, FormationRow? Formation)
{
    public bool IsEmpty => Deleted.Count + Replicas.Count + Entries.Count == 0 && Formation is null;
}

/// <summary>What a slot holds when it is opened.</summary>
/// <param name="LastFlush">The number of the last flush that was applied.</param>
/// <param name="Entries">In the order of group and index.</param>
/// <param name="Chunks">How many chunks and bytes of each snapshot there are.</param>
public sealed record SlotContent(
    StoreId StoreId, ulong Incarnation, ulong LastFlush, FormationRow? Formation, IReadOnlyList<ReplicaRow> Replicas,
    IReadOnlyList<EntryRow> Entries, IReadOnlyDictionary<SnapshotKey, (long Chunks, long Bytes)> Chunks);

/// <summary>The formation record.</summary>
/// <param name="Checksum">See <see cref="RowChecksum"/>.</param>
public sealed record FormationRow(ReadOnlyMemory<byte> Data, uint Checksum);

/// <summary>All about a group but its entries.</summary>
/// <param name="Incarnation">How often a replica of it was opened.</param>
/// <param name="Replica">Whose state it is; none if the last one was removed.</param>
/// <param name="Removed">The highest id that was removed.</param>
/// <param name="Snapshot">The recorded snapshot; null if none.</param>
/// <param name="Checksum">See <see cref="RowChecksum"/>.</param>
public sealed record ReplicaRow(
    GroupId Group, ulong Incarnation, ReplicaId Replica, ReplicaId Removed, HardState HardState,
    StoredSnapshot? Snapshot, uint Checksum);

/// <summary>A snapshot and where its chunks are.</summary>
/// <param name="ChunkBytes">The size of all its chunks but the last.</param>
public sealed record StoredSnapshot(SnapshotFile File, SnapshotKey Key, int ChunkBytes);

/// <summary>Names a snapshot's chunks: which opening wrote it, and its how manieth it was.</summary>
public readonly record struct SnapshotKey(ulong Incarnation, int Number)
{
    public override string ToString() => $"(incarnation, snapshot)=({Incarnation}, {Number})";
}

/// <param name="Checksum">See <see cref="RowChecksum"/>.</param>
public readonly record struct EntryRow(GroupId Group, LogEntry Entry, uint Checksum);

/// <summary>Entries of a group from one index to another, both included.</summary>
public readonly record struct DeletedEntries(GroupId Group, LogIndex First, LogIndex Last);

/// <param name="Number">0, 1, ...</param>
/// <param name="Checksum">See <see cref="RowChecksum"/>.</param>
public sealed record SnapshotChunkRow(SnapshotKey Snapshot, int Number, ReadOnlyMemory<byte> Data, uint Checksum);
