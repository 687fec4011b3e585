using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <content>Receiving a snapshot from the leader and putting it in place of the own state. Raft §7.</content>
public sealed partial class Replica
{
    private SnapshotReceiving? _receiving;

    private void OnSnapshotChunk(ReplicaId from, SnapshotChunk chunk)
    {
        // Heartbeats bring terms; a part of another term or of a stranger is late or early and is sent again if it
        // matters.
        if (chunk.Term != _node.Term || from != _node.Leader) return;
        // A whole snapshot waits for the core's word in this very turn.
        if (_receiving is { State: not null }) return;
        if (chunk.Snapshot.Index <= _node.CommitIndex && !_faults.Has(FaultPoint.SnapshotOverNewerState))
        {
            Acknowledge(from, chunk, chunk.TotalBytes);
            // Only answered by the core, which has it; so whose configuration this names does not matter.
            OfferSnapshot(from, chunk.Term, chunk.Snapshot, _node.Configuration);
            return;
        }
        if (_receiving is not null
            && (_receiving.Term != chunk.Term || _receiving.Snapshot != chunk.Snapshot || _receiving.From != from))
            EndReceiving(_receiving);
        if (_receiving is null)
        {
            if (_receivingTrouble.MustWait(_host.Now))
            {
                Acknowledge(from, chunk, -1);
                return;
            }
            if (chunk.OffsetBytes != 0)
            {
                Acknowledge(from, chunk, 0);
                return;
            }
            _receiving = new SnapshotReceiving(from, chunk,
                new GroupStateDecoder(_state.Limits) { Faults = _faults });
        }
        if (_receiving.IsWorking) return;
        if (chunk.OffsetBytes != _receiving.NextOffsetBytes)
        {
            Acknowledge(from, chunk, _receiving.NextOffsetBytes);
            return;
        }
        _receiving.IsWorking = true;
        _ = TakePartAsync(_receiving, chunk);
    }

    private async Task TakePartAsync(SnapshotReceiving receiving, SnapshotChunk chunk)
    {
        try
        {
            receiving.Writer ??= await _storage.CreateSnapshotAsync(receiving.Snapshot);
            await receiving.Writer.WriteAsync(chunk.Data);
            receiving.Decoder.Add(chunk.Data.Span);
            SnapshotFile? file = null;
            if (chunk.OffsetBytes + chunk.Data.Length == receiving.TotalBytes)
            {
                receiving.State = receiving.Decoder.Complete();
                receiving.Configuration = receiving.State.Descriptor.ToConfiguration();
                file = await receiving.Writer.FinishAsync();
                bool isWhole = file.Checksum == receiving.FileChecksum
                    || _faults.Has(FaultPoint.ReceivedSnapshotUnchecked);
                if (!isWhole || receiving.State.LastApplied != receiving.Snapshot)
                    throw new InvalidDataException($"the snapshot {receiving.Snapshot} arrived damaged");
            }
            Post(new ContinuationInput(replica => replica.OnPartTaken(receiving, chunk, file), evenIfStopped: true));
        }
        catch (DiskException e) when (e.Failure is DiskFailure.Full or DiskFailure.InUse)
        {
            Post(new ContinuationInput(replica => replica.OnPartNotWritten(receiving, chunk, e.Message),
                evenIfStopped: true));
        }
        catch (DiskException e)
        {
            Post(new StorageFailedInput(e));
        }
#pragma warning disable CA1031 // Whatever a part does, it must not leave the receiver waiting for ever: it is refused.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Post(new ContinuationInput(replica => replica.OnPartRefused(receiving, chunk, e.Message),
                evenIfStopped: true));
        }
    }

    private void OnPartTaken(SnapshotReceiving receiving, SnapshotChunk chunk, SnapshotFile? file)
    {
        receiving.IsWorking = false;
        if (receiving.IsEnded)
        {
            EndReceiving(receiving);
            return;
        }
        receiving.NextOffsetBytes += chunk.Data.Length;
        _host.Counters.Add(StoreCount.SnapshotReceivedBytes, chunk.Data.Length);
        Acknowledge(receiving.From, chunk, receiving.NextOffsetBytes);
        if (file is null) return;
        // It would replace what the children here have not got yet; the leader tries again.
        if (IsBearing()) EndReceiving(receiving);
        else OfferSnapshot(receiving.From, receiving.Term, receiving.Snapshot, receiving.Configuration);
    }

    private void OnPartRefused(SnapshotReceiving receiving, SnapshotChunk chunk, string reason)
    {
        receiving.IsWorking = false;
        ReplicaLog.SnapshotEnded(_logger, _host.Name, Group, Id, reason);
        if (!receiving.IsEnded) Acknowledge(receiving.From, chunk, -1);
        EndReceiving(receiving);
    }

    /// <summary>The log ends before the snapshot, so this replica falls behind until the disk has room.</summary>
    private void OnPartNotWritten(SnapshotReceiving receiving, SnapshotChunk chunk, string reason)
    {
        NoteTrouble(_receivingTrouble, receiving.Snapshot, "cannot catch up by a snapshot", reason);
        OnPartRefused(receiving, chunk, reason);
    }

    /// <summary>The file is whole (or not needed): the core decides whether to take it, and answers the
    /// leader.</summary>
    private void OfferSnapshot(ReplicaId from, Term term, EntryId snapshot, Configuration configuration) =>
        _node.Step(from, new InstallSnapshot(term, snapshot, configuration), _host.Now);

    /// <summary>The core took the snapshot: its state replaces the replica's, and its record goes into the write that
    /// follows.</summary>
    private void AdoptReceivedState(EntryId snapshot)
    {
        Invariant.Require(_receiving is { State: not null } && _receiving.Snapshot == snapshot,
            $"{Group} {Id}: no state for snapshot {snapshot}");
        _state = _receiving.State;
        _snapshotLengthBytes = _receiving.TotalBytes;
        _logBytesAtSnapshot = _logBytesApplied;
        _takingTrouble.Forget();
        _receivingTrouble.Forget();
        ReplicaLog.SnapshotInstalled(_logger, _host.Name, Group, Id, snapshot);
        EndReceiving(_receiving);
    }

    private void Acknowledge(ReplicaId to, SnapshotChunk chunk, long nextOffset) =>
        Send(to, new SnapshotChunkReply(chunk.Term, chunk.Snapshot, nextOffset));

    private void EndReceiving(SnapshotReceiving receiving)
    {
        receiving.IsEnded = true;
        if (_receiving == receiving) _receiving = null;
        if (receiving.IsWorking || receiving.Writer is not { } writer) return;
        receiving.Writer = null;
        _ = writer.DisposeAsync().AsTask();
    }
}
