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
    private long _notedLogBytes;
    private bool _takingSnapshot;

    // Followers that need a snapshot while there is none: it is being taken.
    private readonly HashSet<ReplicaId> _awaitingSnapshot = [];
    private readonly SnapshotTrouble _takingTrouble = new();
    private readonly SnapshotTrouble _receivingTrouble = new();

    /// <summary>Why no snapshot, its own or the leader's, can be written at present; null if the last one
    /// could.</summary>
    public string? SnapshotProblem => _takingTrouble.Problem ?? _receivingTrouble.Problem;

    private void MaybeTakeSnapshot()
    {
        if (_isNewborn && _storage.Snapshot is not null) GrowUp();
        bool isDue = _isNewborn ? _state.LastApplied.Index > LogIndex.Zero : IsLogLong();
        if (_takingSnapshot || !isDue || IsBearing()) return;
        if (_takingTrouble.MustWait(_host.Now)) return;
        if (_storage.Snapshot is { } recorded && recorded.Last.Index >= _state.LastApplied.Index) return;
        TakeSnapshot();
    }

    private void TakeSnapshot()
    {
        _takingSnapshot = true;
        _ = TakeSnapshotAsync(_state.Snapshot(), _state.LastApplied, _logBytesApplied);
    }

    /// <summary>By its own growth; or because the node's many logs are long together, and this one is longer than most.
    /// What a snapshot costs is in proportion to what it makes room for.</summary>
    private bool IsLogLong()
    {
        long growth = _logBytesApplied - _logBytesAtSnapshot;
        return growth >= LogBytesToCover || (_host.HasLongLogs && growth >= ShareToCover && _node.LogBytes > ShareToCover);
    }

    /// <summary>Payload bytes that a snapshot is worth.</summary>
    private long LogBytesToCover => Math.Max(_options.SnapshotLogBytes, _snapshotLengthBytes / 2);

    /// <summary>The same, while the node's logs are long together.</summary>
    private long ShareToCover => Math.Max(_host.LogBytesShare, _snapshotLengthBytes / 2);

    private void NoteLogBytes()
    {
        long bytes = _stopReason is null ? _node.LogBytes : 0;
        if (bytes == _notedLogBytes) return;
        _host.NoteLogBytes(bytes - _notedLogBytes);
        _notedLogBytes = bytes;
    }

    private async Task TakeSnapshotAsync(GroupStateSnapshot state, EntryId last, long logBytes)
    {
        // Leaves the turn, so that building never delays it.
        await Task.Factory.StartNew(static () => { }, CancellationToken.None, TaskCreationOptions.None, _scheduler);
        try
        {
            if (await WriteSnapshotAsync(state, last) is not { } file) return;
            // A failure from here on is the log's, and final.
            await _storage.RecordSnapshotAsync(file);
            Post(new ContinuationInput(replica => replica.OnSnapshotTaken(file, logBytes)));
        }
        catch (FencedException e)
        {
            Post(new ContinuationInput(replica => replica.OnSnapshotAbandoned(e.Message)));
        }
// Whatever else it is, it is a broken log or a broken state: this replica must not go on.
#pragma warning disable CA1031
        catch (Exception e)
#pragma warning restore CA1031
        {
            Post(new StorageFailedInput(e));
        }
    }

    /// <summary>Null if the disk did not take the file: no record names it, so nothing durable depends on it.</summary>
    private async Task<SnapshotFile?> WriteSnapshotAsync(GroupStateSnapshot state, EntryId last)
    {
        try
        {
            return await SnapshotFiles.WriteAsync(_storage, state, last);
        }
        // A flush that failed is as final for a snapshot as for the log.
        catch (DiskException e) when (e.Failure is DiskFailure.Full or DiskFailure.InUse)
        {
            Post(new ContinuationInput(replica => replica.OnSnapshotNotWritten(last, e.Message)));
            return null;
        }
    }

    /// <summary>The log grows on meanwhile: what it holds is safe there, for as long as the disk has room for
    /// it.</summary>
    private void OnSnapshotNotWritten(EntryId last, string reason)
    {
        _takingSnapshot = false;
        EndAwaiting();
        // Meanwhile the leader sent a newer one.
        if (_storage.Snapshot is { } newer && newer.Last.Index >= last.Index) return;
        NoteTrouble(_takingTrouble, last, "could write no snapshot, so its log grows", reason);
    }

    private void NoteTrouble(SnapshotTrouble trouble, EntryId last, string problem, string reason)
    {
        TimeSpan wait = trouble.Note(last, $"{Group} {problem}: {reason}", _host.Now);
        ReplicaLog.SnapshotNotWritten(_logger, _host.Name, Group, Id, last, problem, wait, reason);
    }

    private void OnSnapshotTaken(SnapshotFile file, long logBytes)
    {
        _takingSnapshot = false;
        _logBytesAtSnapshot = Math.Max(_logBytesAtSnapshot, logBytes);
        _snapshotLengthBytes = file.LengthBytes;
        _takingTrouble.Forget();
        GrowUp();
        ReplicaLog.SnapshotTaken(_logger, _host.Name, Group, Id, file.Last, file.LengthBytes);
        CompactLog(file.Last.Index);
        foreach (ReplicaId follower in _awaitingSnapshot.ToArray()) StartSending(follower);
    }

    private void OnSnapshotAbandoned(string reason)
    {
        _takingSnapshot = false;
        EndAwaiting();
        ReplicaLog.SnapshotEnded(_logger, _host.Name, Group, Id, reason);
    }

    /// <summary>A leader keeps in memory what its followers still need, up to a bound, so that being a little behind
    /// costs no snapshot.</summary>
    private void CompactLog(LogIndex upTo)
    {
        upTo = LogIndex.Min(upTo, LogIndex.Min(_node.LastApplied, _node.DurableIndex));
        long kept = 4 * (_host.HasLongLogs ? ShareToCover : LogBytesToCover);
        if (_node.Role == Role.Leader && _node.LogBytes < kept)
            foreach (Member member in _node.Configuration.Members)
                if (_node.GetProgress(member.Id) is { } progress) upTo = LogIndex.Min(upTo, progress.Match);
        _node.Compact(upTo);
    }

    private void StartSending(ReplicaId follower)
    {
        if (_sending.Remove(follower, out SnapshotSending? old)) End(old);
        _awaitingSnapshot.Remove(follower);
        if (_node.Role != Role.Leader) return;
        if (_storage.Snapshot is not { } file)
        {
            AwaitSnapshot(follower);
            return;
        }
        ReplicaLog.SendingSnapshot(_logger, _host.Name, Group, Id, file.Last, follower);
        var sending = new SnapshotSending(follower, _node.Term, file) { ProgressAt = _host.Now };
        _sending[follower] = sending;
        ReadNextPart(sending);
    }

    /// <summary>A new replica needs a snapshot however short the log is.</summary>
    private void AwaitSnapshot(ReplicaId follower)
    {
        bool mayTake = _state.LastApplied.Index > LogIndex.Zero && !_takingTrouble.MustWait(_host.Now)
            && !IsBearing();
        if (!_takingSnapshot && mayTake) TakeSnapshot();
        if (_takingSnapshot) _awaitingSnapshot.Add(follower);
        else _node.ReportSnapshotEnded(follower, _host.Now);
    }

    /// <summary>There will be none this time; the followers' next answers start another attempt.</summary>
    private void EndAwaiting()
    {
        foreach (ReplicaId follower in _awaitingSnapshot) _node.ReportSnapshotEnded(follower, _host.Now);
        _awaitingSnapshot.Clear();
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
            Post(new ContinuationInput(replica => replica.OnPartRead(sending, data.AsMemory(0, read)),
                evenIfStopped: true));
        }
#pragma warning disable CA1031 // Whatever it is, the follower's turn must end: another attempt follows.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Post(new ContinuationInput(replica => replica.OnReadFailed(sending, e.Message), evenIfStopped: true));
        }
    }

    private void OnPartRead(SnapshotSending sending, ReadOnlyMemory<byte> data)
    {
        sending.IsReading = false;
        if (sending.IsEnded)
        {
            End(sending);
            return;
        }
        sending.Outstanding = new SnapshotChunk(sending.Term, sending.File.Last, sending.OffsetBytes,
            sending.File.LengthBytes, sending.File.Checksum, data);
        sending.SentAt = null;
        SendPart(sending);
    }

    /// <summary>Sends the part outstanding, unless the node has sent enough for now: then a later tick does.</summary>
    private void SendPart(SnapshotSending sending)
    {
        if (!_host.SnapshotPace.TryTake(sending.Outstanding!.Data.Length, _host.Now))
        {
            sending.ProgressAt = _host.Now;
            return;
        }
        sending.SentAt = _host.Now;
        _host.Counters.Add(StoreCount.SnapshotSentBytes, sending.Outstanding.Data.Length);
        Send(sending.To, sending.Outstanding);
    }

    private void OnSnapshotChunkReply(ReplicaId from, SnapshotChunkReply reply)
    {
        if (!_sending.TryGetValue(from, out SnapshotSending? sending) || reply.Term != sending.Term
            || reply.Snapshot != sending.File.Last) return;
        if (reply.NextOffsetBytes < 0)
        {
            OnSendingFailed(sending, "the follower cannot take it");
            return;
        }
        // A duplicate or late acknowledgement asks for what is already on its way; a restarted receiver asks for the
        // start. A receiver that kept an earlier attempt's bytes may ask for more than the next part: the whole file's
        // checksum decides.
        bool advances = sending.Outstanding is { } part && reply.NextOffsetBytes > part.OffsetBytes
            && reply.NextOffsetBytes <= sending.File.LengthBytes;
        bool restarts = reply.NextOffsetBytes == 0 && sending.OffsetBytes > 0 && !sending.IsReading;
        if (!advances && !restarts) return;
        sending.ProgressAt = _host.Now;
        sending.OffsetBytes = reply.NextOffsetBytes;
        if (sending.OffsetBytes >= sending.File.LengthBytes)
        {
            // Whether it gets installed, the follower's own answers tell.
            _sending.Remove(from);
            End(sending);
            _node.ReportSnapshotEnded(from, _host.Now);
        }
        else
        {
            ReadNextPart(sending);
        }
    }

    private void OnReadFailed(SnapshotSending sending, string reason)
    {
        sending.IsReading = false;
        OnSendingFailed(sending, reason);
    }

    private void OnSendingFailed(SnapshotSending sending, string reason)
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
        // It caught up without.
        if (_receivingTrouble.Problem is not null && _node.CommitIndex >= _receivingTrouble.Last.Index)
            _receivingTrouble.Forget();
        foreach (SnapshotSending sending in _sending.Values.ToArray())
        {
            if (now - sending.ProgressAt > 10 * _options.SnapshotRetryInterval)
                OnSendingFailed(sending, "the follower does not answer");
            else if (sending.Outstanding is not null
                && (sending.SentAt is not { } sentAt || now - sentAt >= _options.SnapshotRetryInterval))
                SendPart(sending);
        }
    }

    private void StopSending()
    {
        foreach (SnapshotSending sending in _sending.Values) End(sending);
        _sending.Clear();
        _awaitingSnapshot.Clear();
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
    }
}
