using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>Writes one snapshot under a temporary name.</summary>
internal sealed class SnapshotWriter(
    SnapshotStore store, ActivityGate gate, ReplicaStorage replica, EntryId last, IDiskFile file,
    FaultPoints faults) : ISnapshotWriter
{
    private uint _checksum;
    private bool _closed;
    private bool _ended;

    public long LengthBytes { get; private set; }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        Enter();
        try
        {
            await file.WriteAsync(SnapshotFormat.HeaderBytes + LengthBytes, bytes);
            _checksum = Crc32C.Append(_checksum, bytes.Span);
            LengthBytes += bytes.Length;
        }
        finally
        {
            gate.Exit();
        }
    }

    public async ValueTask<SnapshotFile> FinishAsync()
    {
        Enter();
        try
        {
            var finished = new SnapshotFile(replica.Group, replica.Replica, last, LengthBytes, _checksum);
            if (faults.Has(FaultPoint.SnapshotNotFlushed)) await file.WriteAsync(0, SnapshotFormat.Header(finished));
            else await file.WriteAndFlushAsync(0, SnapshotFormat.Header(finished));
            gate.ThrowIfClosed();
            _closed = true;
            await file.DisposeAsync();
            replica.ThrowIfNotCurrent(); // Another incarnation may have opened while this one flushed.
            gate.ThrowIfClosed();
            await store.FinishAsync(finished, file.Path);
            _ended = true;
            return finished;
        }
        finally
        {
            gate.Exit();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_ended) return;
        _ended = true;
        if (!_closed) await file.DisposeAsync();
        _closed = true;
        await store.RemoveAsync(file.Path);
    }

    private void Enter()
    {
        ObjectDisposedException.ThrowIf(_ended || _closed, this);
        replica.ThrowIfNotCurrent();
        gate.Enter();
    }
}
