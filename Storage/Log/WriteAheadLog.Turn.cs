using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>The turn: batches, one at a time.</summary>
internal sealed partial class WriteAheadLog
{
    private async Task RunTurnAsync()
    {
        if (!_gate.TryEnter()) return;
        try
        {
            while (!_gate.IsClosed && TakeQueued())
            {
                if (_failure is not null)
                {
                    RefusePending();
                    continue;
                }
                try
                {
                    Interlocked.Exchange(ref _batchStarted, _options.Time.GetTimestamp() + 1);
                    await WriteBatchAsync();
                    Interlocked.Exchange(ref _batchStarted, 0);
                }
                catch (Exception exception) when (!_gate.IsClosed)
                {
                    Fail(exception);
                }
                catch (Exception) when (_gate.IsClosed)
                {
                    return; // Crashed: whatever the disk said then, nobody hears of it any more.
                }
            }
        }
        finally
        {
            _gate.Exit();
        }
    }

    /// <summary>False, and the turn ends, if there is nothing to do.</summary>
    private bool TakeQueued()
    {
        lock (_lock)
        {
            foreach (LogRequest request in _queue) _pending.Enqueue(request);
            _queue.Clear();
            _turnRunning = _pending.Count > 0 || (_failure is null && WantsRemoval);
            return _turnRunning;
        }
    }

    private async ValueTask WriteBatchAsync()
    {
        if (_supply.Failure is { } failure) throw failure;
        _batch.Begin();
        EncodePending();
        if (Head.RoomBytes >= LogFormat.BatchHeaderBytes) CarryOldest();
        bool releases = ReleaseUnpinned();
        if (_batch.IsEmpty && _pending.Count + _inFlight.Count == 0 && !releases && !WantsRemoval) return;
        if (_batch.IsEmpty && !releases && _inFlight.Count == 0)
        {
            await RollAsync();
            return;
        }
        if (!_batch.IsEmpty || releases) await WriteAsync(isSeal: false);
        if (_gate.IsClosed) return;
        Complete();
        foreach (LogSegment segment in _released)
        {
            _options.Logger.SegmentReleased(segment.Path);
            _supply.Release(segment, mayKeep: HasRoomForSpare(segment.LengthBytes));
        }
        _released.Clear();
        if (Head.EndBytes > Head.LengthBytes / 2) _supply.PrepareAhead(Head.Id + 1);
        while (!HasRoomForSpare(0) && _supply.DropSpare())
        {
        }
        PublishSizes();
    }

    /// <summary>Puts into the batch what is pending, as far as the segment has room. A fresh segment takes any one
    /// request.</summary>
    private void EncodePending()
    {
        long limit = Math.Min(Head.RoomBytes, _options.MaxBatchBytes);
        while (_pending.TryPeek(out LogRequest request))
        {
            bool isFresh = _batch.IsEmpty && Head.EndBytes == LogFormat.SegmentHeaderBytes;
            long size = LogFormat.Align((int)(_batch.LengthBytes + request.SizeBytes()));
            if (size > limit && !isFresh && !(_batch.IsEmpty && size <= Head.RoomBytes)) return;
            _pending.Dequeue();
            if (Encode(request)) _inFlight.Add(request);
        }
    }

    /// <summary>Checks everything, then changes both the batch and what it says will be live. False if it was
    /// refused.</summary>
    private bool Encode(in LogRequest request)
    {
        switch (request.Kind)
        {
            case LogRequestKind.Formation:
                _batch.WriteFormation(request.Formation.Span);
                TakeFormation(request.Formation, Head);
                return true;
            case LogRequestKind.Drain:
                return true;
            default:
                break;
        }
        if (request.Kind == LogRequestKind.Retire)
        {
            EncodeRetirement(request.Retired.Group, request.Retired.Replica);
            return true;
        }
        ReplicaStorage replica = request.Replica!;
        if (replica.Refusal is { } refusal)
        {
            request.Completion?.TrySetException(refusal);
            return false;
        }
        if (!_groups.TryGetValue(replica.Group, out GroupLog? group)) group = new GroupLog(replica.Group);
        string? problem = request.Kind == LogRequestKind.Persist
            ? group.Problem(request.Snapshot, request.Persist!.Entries.Span)
            : null;
        if (problem is not null)
        {
            RefuseReplica(request, new InvariantViolationException(problem));
            return false;
        }
        _groups[replica.Group] = group;
        long before = group.LiveBytes;
        EncodeOf(group, request);
        _liveBytes += group.LiveBytes - before;
        return true;
    }

    private void EncodeRetirement(GroupId id, ReplicaId removed)
    {
        if (!_groups.TryGetValue(id, out GroupLog? group)) _groups[id] = group = new GroupLog(id);
        long before = group.LiveBytes;
        GroupMeta meta = group.Meta with { Removed = removed > group.Meta.Removed ? removed : group.Meta.Removed };
        if (meta.Replica > removed)
        {
            WriteMeta(group, meta, SnapshotEffect.Covers);
        }
        else
        {
            group.Clear();
            meta = meta with { Replica = ReplicaId.None, HardState = default, Snapshot = null };
            _batch.WriteMeta(id, meta, SnapshotEffect.Removes);
            group.SetMeta(meta, Head);
        }
        _liveBytes += group.LiveBytes - before;
    }

    private void EncodeOf(GroupLog group, in LogRequest request)
    {
        GroupMeta meta = group.Meta;
        switch (request.Kind)
        {
            case LogRequestKind.Open:
                WriteMeta(group, meta with { Incarnation = meta.Incarnation + 1, Replica = request.Replica!.Replica },
                    SnapshotEffect.Covers);
                request.Replica.SetOpened(group.Meta.Incarnation, group.ToRecovered());
                break;
            case LogRequestKind.RecordSnapshot:
                // A newer one may have been installed while this one was being written.
                if (meta.Snapshot is null || request.Snapshot!.Last.Index > meta.Snapshot.Last.Index)
                    WriteMeta(group, meta with { Snapshot = request.Snapshot }, SnapshotEffect.Covers);
                break;
            default:
                PersistRequest persist = request.Persist!;
                if (request.Snapshot is not null) group.Clear();
                if (request.Snapshot is not null || persist.HardState is not null)
                {
                    meta = meta with { Snapshot = request.Snapshot ?? meta.Snapshot, HardState = persist.HardState
                        ?? meta.HardState };
                    WriteMeta(group, meta, request.Snapshot is null ? SnapshotEffect.Covers : SnapshotEffect.Replaces);
                }
                if (persist.Entries.IsEmpty) break;
                _batch.WriteEntries(RecordKind.Entries, group.Group, persist.Entries.Span);
                group.Append(persist.Entries.Span, Head);
                break;
        }
    }

    private void WriteMeta(GroupLog group, in GroupMeta meta, SnapshotEffect effect)
    {
        _batch.WriteMeta(group.Group, meta, meta.Snapshot is null ? SnapshotEffect.None : effect);
        group.SetMeta(meta, Head);
    }

    private async ValueTask WriteAsync(bool isSeal)
    {
        long offset = Head.EndBytes - _batch.LeadBytes;
        ReadOnlyMemory<byte> pages = _batch.Seal(
            new BatchHeader(Head.Id, _nextSequence, _segments[0].Id, isSeal), Head.LengthBytes - offset);
        bool isMeasured = LogMetrics.AreOn;
        long start = isMeasured ? _options.Time.GetTimestamp() : 0;
        if (_faults.Has(FaultPoint.LogNotFlushed)) await Head.File.WriteAsync(offset, pages);
        else await Head.File.WriteAndFlushAsync(offset, pages);
        if (isMeasured) LogMetrics.Flushed(_options.Time.GetElapsedTime(start), pages.Length);
        _nextSequence++;
        Head.EndBytes += _batch.LengthBytes;
        _batch.Written();
        Head.LengthBytes = Math.Max(Head.LengthBytes, Head.EndBytes);
    }

    /// <summary>Goes on in the next segment. The seal is durable before anything is written there.</summary>
    private async ValueTask RollAsync()
    {
        await _supply.ReadyAsync(Head.Id + 1);
        if (_gate.IsClosed) return;
        _batch.Begin();
        await WriteAsync(isSeal: true);
        _segments.Add(_supply.Take());
        _batch.Follow(LogFormat.SegmentHeader(Head.Id, _store));
        PublishSizes();
    }

    private void Complete()
    {
        for (int i = 0; i < _inFlight.Count; i++)
        {
            LogRequest request = _inFlight[i];
            switch (request.Kind)
            {
                case LogRequestKind.Persist:
                    if (request.Snapshot is { } installed) _snapshots.Recorded(installed);
                    // Completions come in order, so that a replica's last one of a batch speaks for the others.
                    bool isLast = i + 1 == _inFlight.Count || _inFlight[i + 1].Observer != request.Observer;
                    if (isLast && request.Replica!.IsCurrent) TellPersisted(request);
                    break;
                case LogRequestKind.Open:
                    lock (_lock) _knownGroups.Add(request.Replica!.Group);
                    break;
                case LogRequestKind.Retire:
                    lock (_lock) _knownGroups.Add(request.Retired.Group);
                    _snapshots.Retire(request.Retired.Group, request.Retired.Replica);
                    _options.Logger.Retired(request.Retired.Group, request.Retired.Replica, _description);
                    break;
                case LogRequestKind.RecordSnapshot:
                    _snapshots.Recorded(request.Snapshot!);
                    break;
                case LogRequestKind.Formation:
                    _durableFormation = _formation;
                    break;
                default:
                    break;
            }
            request.Completion?.TrySetResult();
        }
        _inFlight.Clear();
    }

    private void TellPersisted(in LogRequest request)
    {
        try
        {
            request.Observer!.Persisted(request.Persist!.Number);
        }
        catch (Exception exception)
        {
            // It missed what it waits for and must not go on; the log and the others do.
            _options.Logger.ObserverBroke(exception, request.Replica!.Group);
            lock (_lock) request.Replica.Stop(exception);
            request.Replica.Tell(request.Observer, exception, _options.Logger);
        }
    }

    /// <summary>A failed write or flush is final: what the disk holds now is not known, so nothing is acknowledged any
    /// more.</summary>
    private void Fail(Exception failure)
    {
        Interlocked.Exchange(ref _batchStarted, 0);
        ReplicaStorage[] told;
        lock (_lock)
        {
            _failure = failure;
            told = [.. _replicas.Handles];
            foreach (ReplicaStorage handle in told) handle.Stop(failure);
        }
        _options.Logger.Failed(failure, _description);
        foreach (LogRequest request in _inFlight) _pending.Enqueue(request);
        _inFlight.Clear();
        foreach (ReplicaStorage handle in told) handle.Tell(handle.Observer, failure, _options.Logger);
        RefusePending();
    }

    private void RefusePending()
    {
        while (_pending.TryDequeue(out LogRequest request))
        {
            if (request.Completion is not null) request.Completion.TrySetException(_failure!);
            else request.Replica!.Tell(request.Observer, _failure!, _options.Logger);
        }
    }

    private void RefuseReplica(in LogRequest request, InvariantViolationException violation)
    {
        _options.Logger.ReplicaRefused(violation, request.Replica!.Group);
        lock (_lock) request.Replica.Stop(violation);
        request.Replica.Tell(request.Observer, violation, _options.Logger);
        request.Completion?.TrySetException(violation);
    }
}
