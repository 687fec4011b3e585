using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>Reads one snapshot's content; each row is checked, and read from start to end, the whole.</summary>
internal sealed class SnapshotReader(SlotSession session, StoredSnapshot stored, Action released) : ISnapshotReader
{
    private SnapshotChunkRow? _chunk;
    private long _checkedBytes;
    private uint _checksum;
    private bool _disposed;

    public SnapshotFile File => stored.File;

    /// <summary>Throws <see cref="CorruptionException"/> where a row is damaged or missing, or when the last bytes of a
    /// reading from the start show that the whole is.</summary>
    public async ValueTask<int> ReadAsync(long offset, Memory<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        session.ThrowIfEnded();
        int wanted = (int)Math.Min(buffer.Length, Math.Max(0, File.LengthBytes - offset));
        for (int read = 0; read < wanted;)
        {
            int number = checked((int)((offset + read) / stored.ChunkBytes));
            ReadOnlyMemory<byte> chunk = await ChunkAsync(number);
            int start = (int)((offset + read) % stored.ChunkBytes);
            int length = Math.Min(wanted - read, chunk.Length - start);
            chunk.Slice(start, length).CopyTo(buffer[read..]);
            read += length;
        }
        Check(offset, buffer.Span[..wanted]);
        return wanted;
    }

    public ValueTask DisposeAsync()
    {
        if (_disposed) return ValueTask.CompletedTask;
        _disposed = true;
        released();
        return ValueTask.CompletedTask;
    }

    private async ValueTask<ReadOnlyMemory<byte>> ChunkAsync(int number)
    {
        if (_chunk?.Number == number) return _chunk.Data;
        SnapshotChunkRow? chunk =
            await session.UntilAnsweredAsync(database => database.ReadChunkAsync(stored.Key, number));
        long expected = Math.Min(stored.ChunkBytes, File.LengthBytes - ((long)number * stored.ChunkBytes));
        if (chunk is null) throw Damaged(number, "it is missing");
        if (chunk.Data.Length != expected)
            throw Damaged(number, $"it has {chunk.Data.Length} bytes instead of {expected}");
        if (!session.Checksum.IsRight(chunk)) throw Damaged(number, "its checksum is wrong");
        _chunk = chunk;
        return chunk.Data;
    }

    private CorruptionException Damaged(int number, string what) => SlotCorruption.Found(
        session.Database.Description, "snapshot_chunk", $"{stored.Key}, number={number}", what);

    private void Check(long offset, ReadOnlySpan<byte> bytes)
    {
        if (offset == 0) (_checkedBytes, _checksum) = (0, 0);
        if (offset != _checkedBytes || bytes.IsEmpty) return;
        _checksum = Crc32C.Append(_checksum, bytes);
        _checkedBytes += bytes.Length;
        if (_checkedBytes == File.LengthBytes && _checksum != File.Checksum)
        {
            throw SlotCorruption.Found(session.Database.Description, "snapshot_chunk", $"{stored.Key}",
                "the checksum of the whole content is wrong");
        }
    }
}
