using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>Writes one snapshot as rows of one size. Waits while the database does not answer; one that is full costs
/// this snapshot and nothing else.</summary>
internal sealed class SnapshotWriter(
    SnapshotTable table, SlotSession session, DatabaseReplica replica, EntryId last, SnapshotKey key) : ISnapshotWriter
{
    private readonly int _chunkBytes = session.Options.SnapshotChunkBytes;
    private byte[] _chunk = [];
    private int _filled;
    private int _chunks;
    private uint _checksum;
    private bool _ended;

    public long LengthBytes { get; private set; }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        ThrowIfUseless();
        while (!bytes.IsEmpty)
        {
            if (_filled == _chunk.Length) MakeRoom(bytes.Length);
            ReadOnlyMemory<byte> part = bytes[..Math.Min(bytes.Length, _chunk.Length - _filled)];
            part.CopyTo(_chunk.AsMemory(_filled));
            _checksum = Crc32C.Append(_checksum, part.Span);
            _filled += part.Length;
            LengthBytes += part.Length;
            bytes = bytes[part.Length..];
            if (_filled == _chunkBytes) await WriteChunkAsync();
        }
    }

    public async ValueTask<SnapshotFile> FinishAsync()
    {
        ThrowIfUseless();
        if (_filled > 0) await WriteChunkAsync();
        replica.ThrowIfNotCurrent(); // Another incarnation may have opened meanwhile.
        var file = new SnapshotFile(replica.Group, replica.Replica, last, LengthBytes, _checksum);
        _ended = true;
        if (!table.TryFinish(new StoredSnapshot(file, key, _chunkBytes))) await table.RemoveAsync(key);
        return file;
    }

    public async ValueTask DisposeAsync()
    {
        if (_ended) return;
        _ended = true;
        if (_chunks > 0) await table.RemoveAsync(key);
    }

    private async ValueTask WriteChunkAsync()
    {
        SnapshotChunkRow row = session.Checksum.Seal(key, _chunks++, _chunk.AsMemory(0, _filled));
        try
        {
            await session.UntilDoneAsync(database => database.WriteChunkAsync(session.Incarnation, row),
                gaveUp: DatabaseFailure.Full);
        }
        catch (DatabaseException full) when (full.Failure == DatabaseFailure.Full)
        {
            throw new DiskException(DiskFailure.Full, session.Database.Description, full.Message, full);
        }
        _filled = 0;
    }

    /// <summary>Small snapshots need no large buffer.</summary>
    private void MakeRoom(int bytes) =>
        Array.Resize(ref _chunk, (int)Math.Min(_chunkBytes, Math.Max(_chunk.Length * 2L, _filled + (long)bytes)));

    private void ThrowIfUseless()
    {
        ObjectDisposedException.ThrowIf(_ended, this);
        replica.ThrowIfNotCurrent();
        session.ThrowIfEnded();
    }
}
