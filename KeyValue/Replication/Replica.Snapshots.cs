using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <content>Taking snapshots of the own state, and sending them. Raft §7.</content>
public sealed partial class Replica
{
    private readonly Dictionary<ReplicaId, SnapshotSending> _sending = [];
    private long _logBytesApplied;
    private long _logBytesAtSnapshot;
    private long _snapshotLengthBytes;
    private bool _takingSnapshot;

    private void MaybeTakeSnapshot()
    {
        long threshold = Math.Max(_options.SnapshotLogBytes, _snapshotLengthBytes / 2);
        if (_takingSnapshot || _logBytesApplied - _logBytesAtSnapshot < threshold) return;
        if (_storage.Snapshot is { } recorded && recorded.Last.Index >= _state.LastApplied.Index) return;
        _takingSnapshot = true;
        _logBytesAtSnapshot = _logBytesApplied;
        _ = TakeSnapshotAsync(_state.Snapshot(), _state.LastApplied);
    }

    private async Task TakeSnapshotAsync(GroupStateSnapshot state, EntryId last)
    {
        // Leaves the turn, so that building never delays it.
        await Task.Factory.StartNew(static () => { }, CancellationToken.None, TaskCreationOptions.None, _scheduler);
        try
        {
            SnapshotFile file = await SnapshotFiles.TakeAsync(_storage, state, last);
            Post(new ContinuationInput(replica => replica.OnSnapshotTaken(file)));
        }
        catch (FencedException e)
        {
            Post(new ContinuationInput(replica => replica.OnSnapshotAbandoned(e.Message)));
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            Post(new StorageFailedInput(e));
        }
#pragma warning disable CA1031 // Nobody awaits this task: the replica stops and says why.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Post(new WorkFailedInput(e));
        }
    }

    private void OnSnapshotTaken(SnapshotFile file)
    {
        _takingSnapshot = false;
        _snapshotLengthBytes = file.LengthBytes;
        ReplicaLog.SnapshotTaken(_logger, _host.Name, Group, Id, file.Last, file.LengthBytes);
        CompactLog(file.Last.Index);
    }

    private void OnSnapshotAbandoned(string reason)
    {
        _takingSnapshot = false;
        ReplicaLog.SnapshotEnded(_logger, _host.Name, Group, Id, reason);
    }

    /// <summary>A leader keeps in memory what its followers still need, up to a bound, so that being a little behind costs no snapshot.</summary>
    private void CompactLog(LogIndex upTo)
    {
        upTo = LogIndex.Min(upTo, LogIndex.Min(_node.LastApplied, _node.DurableIndex));
        if (_node.Role == Role.Leader && _node.LogBytes < 4 * Math.Max(_options.SnapshotLogBytes, _snapshotLengthBytes / 2))
            foreach (ReplicaId voter in _node.Voters)
                if (voter != Id && _node.GetProgress(voter) is { } progress) upTo = LogIndex.Min(upTo, progress.Match);
        _node.Compact(upTo);
    }

    private void StartSending(ReplicaId follower)
    {
        if (_sending.Remove(follower, out SnapshotSending? old)) End(old);
        if (_storage.Snapshot is not { } file)
        {
            _node.ReportSnapshotEnded(follower, _host.Now);
            return;
        }
        ReplicaLog.SendingSnapshot(_logger, _host.Name, Group, Id, file.Last, follower);
        var sending = new SnapshotSending(follower, _node.Term, file) { ProgressAt = _host.Now };
        _sending[follower] = sending;
        ReadNextPart(sending);
    }

    private void ReadNextPart(SnapshotSending sending)
    {
        sending.Outstanding = null;
        sending.IsReading = true;
        _ = ReadPartAsync(sending, sending.OffsetBytes);
    }

    private async Task ReadPartAsync(SnapshotSending sending, long offset)
    {
        try
        {
            sending.Reader ??= await _storage.OpenSnapshotAsync(sending.File);
            byte[] data = new byte[(int)Math.Min(_options.SnapshotChunkBytes, sending.File.LengthBytes - offset)];
            int read = await sending.Reader.ReadAsync(offset, data);
            Post(new ContinuationInput(replica => replica.OnPartRead(sending, data.AsMemory(0, read)), _ => OnReadAbandoned(sending)));
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            Post(new ContinuationInput(replica => replica.OnReadFailed(sending, e.Message), _ => OnReadAbandoned(sending)));
        }
#pragma warning disable CA1031 // Nobody awaits this task: the replica stops and says why.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Post(new WorkFailedInput(e));
        }
    }

    private static void OnReadAbandoned(SnapshotSending sending)
    {
        sending.IsReading = false;
        End(sending);
    }

    private void OnReadFailed(SnapshotSending sending, string reason)
    {
        sending.IsReading = false;
        FailSending(sending, reason);
    }

    private void OnPartRead(SnapshotSending sending, ReadOnlyMemory<byte> data)
    {
        sending.IsReading = false;
        if (sending.IsEnded)
        {
            End(sending);
            return;
        }
        sending.Outstanding = new SnapshotChunk(sending.Term, sending.File.Last, sending.OffsetBytes, sending.File.LengthBytes, sending.File.Checksum, data);
        SendPart(sending);
    }

    private void SendPart(SnapshotSending sending)
    {
        sending.SentAt = _host.Now;
        Send(sending.To, sending.Outstanding!);
    }

    private void OnSnapshotChunkReply(ReplicaId from, SnapshotChunkReply reply)
    {
        if (!_sending.TryGetValue(from, out SnapshotSending? sending) || reply.Term != sending.Term || reply.Snapshot != sending.File.Last) return;
        if (reply.NextOffsetBytes < 0)
        {
            FailSending(sending, "the follower cannot take it");
            return;
        }
        if (reply.NextOffsetBytes >= sending.File.LengthBytes)
        {
            // It has it, or needs none of it. From here on its answers to heartbeats tell what it lacks: it may lose the snapshot
            // before it is durable, or this log may be compacted beyond it.
            _sending.Remove(from);
            End(sending);
            _node.ReportSnapshotEnded(from, _host.Now);
            return;
        }
        // A duplicate or late acknowledgement asks for what is already on its way. A receiver may be ahead of an attempt that began
        // anew, and a restarted one asks for the start.
        bool advances = reply.NextOffsetBytes > sending.OffsetBytes;
        bool restarts = reply.NextOffsetBytes == 0 && sending.OffsetBytes > 0;
        if (sending.IsReading || (!advances && !restarts)) return;
        sending.ProgressAt = _host.Now;
        sending.OffsetBytes = reply.NextOffsetBytes;
        ReadNextPart(sending);
    }

    /// <summary>Gives up; the next heartbeat the follower answers starts another attempt.</summary>
    private void FailSending(SnapshotSending sending, string reason)
    {
        if (_sending.TryGetValue(sending.To, out SnapshotSending? current) && current == sending)
        {
            _sending.Remove(sending.To);
            ReplicaLog.SnapshotEnded(_logger, _host.Name, Group, Id, reason);
            _node.ReportSnapshotEnded(sending.To, _host.Now);
        }
        End(sending);
    }

    private void TickSnapshots()
    {
        TimeSpan now = _host.Now;
        foreach (SnapshotSending sending in _sending.Values.ToArray())
        {
            if (now - sending.ProgressAt > 10 * _options.SnapshotRetryInterval) FailSending(sending, "the follower does not answer");
            else if (sending.Outstanding is not null && now - sending.SentAt >= _options.SnapshotRetryInterval) SendPart(sending);
        }
    }

    private void StopSending()
    {
        foreach (SnapshotSending sending in _sending.Values) End(sending);
        _sending.Clear();
    }

    private static void End(SnapshotSending sending)
    {
        sending.IsEnded = true;
        if (sending.IsReading || sending.Reader is not { } reader) return;
        sending.Reader = null;
        _ = reader.DisposeAsync().AsTask();
    }

    private void StopSnapshotWork()
    {
        StopSending();
        if (_receiving is { } receiving) EndReceiving(receiving);
        DropOffered();
    }
}
