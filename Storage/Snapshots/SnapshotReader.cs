using Orleans.Raft.Core;
namespace Orleans.Raft.Storage;

/// <summary>Reads one snapshot's content; read from start to end, it is checked.</summary>
internal sealed class SnapshotReader(SnapshotFile snapshot, IDiskFile file, ActivityGate gate, Action released,
    FaultPoints faults) : ISnapshotReader
{
    private long _checkedBytes;
    private uint _checksum;
    private bool _disposed;

    public SnapshotFile File => snapshot;

    /// <summary>Throws <see cref="CorruptionException"/> when the last bytes of a reading from the start show
    /// damage.</summary>
    public async ValueTask<int> ReadAsync(long offset, Memory<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        gate.Enter();
        try
        {
            int wanted = (int)Math.Min(buffer.Length, Math.Max(0, snapshot.LengthBytes - offset));
            int read = wanted == 0 ? 0 : await file.ReadAsync(SnapshotFormat.HeaderBytes + offset, buffer[..wanted]);
            if (read < wanted) throw Corruption.Found(file.Path, SnapshotFormat.HeaderBytes + offset + read,
                "the file ends too early");
            Check(offset, buffer.Span[..read]);
            return read;
        }
        finally
        {
            gate.Exit();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        await file.DisposeAsync();
        released();
    }

    private void Check(long offset, ReadOnlySpan<byte> bytes)
    {
        if (offset == 0) (_checkedBytes, _checksum) = (0, 0);
        if (offset != _checkedBytes || bytes.IsEmpty) return;
        _checksum = Crc32C.Append(_checksum, bytes);
        _checkedBytes += bytes.Length;
        if (_checkedBytes == snapshot.LengthBytes && _checksum != snapshot.Checksum
            && !faults.Has(FaultPoint.SnapshotChecksumIgnored))
            throw Corruption.Found(file.Path, SnapshotFormat.HeaderBytes, "the checksum of the content is wrong");
    }
}
