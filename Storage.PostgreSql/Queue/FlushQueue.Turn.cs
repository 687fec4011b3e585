using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>The turn: flushes, one at a time.</summary>
internal sealed partial class FlushQueue
{
    private async Task RunTurnAsync()
    {
        while (true)
        {
            try
            {
                if (!await GatherAsync()) return;
                Stall.Begin();
                if (ComposeFlush() is { IsEmpty: false } flush) await FlushAsync(flush);
                Complete();
            }
#pragma warning disable CA1031 // Whatever it is, this opening has ended with it, and everyone concerned is told so.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                _session.End(failure);
            }
            finally
            {
                Stall.End();
            }
        }
    }

    /// <summary>False, and the turn ends, if there is nothing to do.</summary>
    private bool TakeQueued()
    {
        lock (_lock)
        {
            foreach (QueueRequest request in _queue) _pending.Enqueue(request);
            _queue.Clear();
            _queuedGroups.Clear();
            _mustNotWait = false;
            if (_session.Ended is null) return _turnRunning = _pending.Count > 0;
        }
        RefusePending(_session.Ended);
        lock (_lock)
        {
            // More may have come meanwhile.
            _turnRunning = _queue.Count > 0;
            if (!_turnRunning) _quiet.TrySetResult();
            return _turnRunning;
        }
    }

    private async ValueTask FlushAsync(SlotFlush flush)
    {
        long started = _options.Time.GetTimestamp();
        await _session.UntilDoneAsync(database => FlushOnceAsync(database, flush), trouble => Stall.Trouble = trouble);
        _lastFlush = flush.Number;
        NoteFlush(started);
    }

    private async ValueTask FlushOnceAsync(ISlotDatabase database, SlotFlush flush)
    {
        try
        {
            await database.FlushAsync(flush);
        }
        catch (FencedException) when (_options.Faults.Has(FaultPoint.FencedInstanceWrites))
        {
        }
    }

    /// <summary>Takes what is pending, as far as one flush goes.</summary>
    private SlotFlush ComposeFlush()
    {
        long bytes = 0;
        while (_pending.TryPeek(out QueueRequest request))
        {
            bytes += request.SizeBytes();
            if (bytes > _options.MaxFlushBytes && _inFlight.Count > 0) break;
            _pending.Dequeue();
            if (Compose(request)) _inFlight.Add(request);
        }
        var deleted = new List<DeletedEntries>();
        var rows = new List<ReplicaRow>();
        var entries = new List<EntryRow>();
        foreach (GroupRows group in _changed.Values)
        {
            group.TakeChanges(_session.Checksum, deleted, rows, entries);
            Interlocked.Add(ref _liveBytes, group.TakeGrowth());
        }
        _changed.Clear();
        var flush = new SlotFlush(_session.Incarnation, _lastFlush + 1, deleted, rows, entries,
            _formationChanged ? _formation : null);
        _formationChanged = false;
        return flush;
    }

    /// <summary>Checks everything, then changes what is to be flushed. False if it was refused.</summary>
    private bool Compose(in QueueRequest request)
    {
        switch (request.Kind)
        {
            case QueueRequestKind.Drain:
                return true;
            case QueueRequestKind.Formation:
                _formation = _session.Checksum.SealFormation(request.Formation);
                _formationChanged = true;
                return true;
            case QueueRequestKind.Retire:
                ComposeRetirement(GroupOf(request.Retired.Group), request.Retired.Replica);
                return true;
            default:
                break;
        }
        DatabaseReplica replica = request.Replica!;
        if (replica.Refusal is { } refusal)
        {
            request.Completion?.TrySetException(refusal);
            return false;
        }
        GroupRows group = GroupOf(replica.Group);
        string? problem = request.Kind == QueueRequestKind.Persist
            ? group.Problem(request.Snapshot?.File, request.Persist!.Entries.Span)
            : null;
        if (problem is not null)
        {
            RefuseReplica(request, new InvariantViolationException(problem));
            return false;
        }
        ComposeOf(group, request);
        return true;
    }

    private void ComposeOf(GroupRows group, in QueueRequest request)
    {
        _changed[group.Group] = group;
        ReplicaRow row = group.Row;
        switch (request.Kind)
        {
            case QueueRequestKind.Open:
                group.SetRow(row with { Incarnation = row.Incarnation + 1, Replica = request.Replica!.Replica });
                request.Replica.SetOpened(group.Row.Incarnation, group.ToRecovered());
                break;
            case QueueRequestKind.RecordSnapshot:
                // A newer one may have been installed while this one was being written.
                if (row.Snapshot is null || request.Snapshot!.File.Last.Index > row.Snapshot.File.Last.Index)
                    group.SetRow(row with { Snapshot = request.Snapshot });
                break;
            default:
                PersistRequest persist = request.Persist!;
                if (request.Snapshot is not null) group.Clear();
                if (request.Snapshot is not null || persist.HardState is not null)
                {
                    group.SetRow(row with
                    {
                        Snapshot = request.Snapshot ?? row.Snapshot,
                        HardState = persist.HardState ?? row.HardState,
                    });
                }
                if (!persist.Entries.IsEmpty) group.Append(persist.Entries.Span);
                break;
        }
    }

    private void ComposeRetirement(GroupRows group, ReplicaId removed)
    {
        _changed[group.Group] = group;
        ReplicaRow row = group.Row with { Removed = removed > group.Row.Removed ? removed : group.Row.Removed };
        if (row.Replica <= removed)
        {
            group.Clear();
            row = row with { Replica = ReplicaId.None, HardState = default, Snapshot = null };
        }
        group.SetRow(row);
    }

    private GroupRows GroupOf(GroupId id)
    {
        if (!_groups.TryGetValue(id, out GroupRows? group)) _groups[id] = group = new GroupRows(id);
        return group;
    }

    private void Complete()
    {
        for (int i = 0; i < _inFlight.Count; i++)
        {
            QueueRequest request = _inFlight[i];
            switch (request.Kind)
            {
                case QueueRequestKind.Persist:
                    if (request.Snapshot is { } installed) _snapshots.Recorded(installed);
                    // Completions come in order, so that a replica's last one of a flush speaks for the others.
                    bool isLast = i + 1 == _inFlight.Count || _inFlight[i + 1].Observer != request.Observer;
                    if (isLast && request.Replica!.IsCurrent) TellPersisted(request);
                    break;
                case QueueRequestKind.Open:
                    lock (_lock) _knownGroups.Add(request.Replica!.Group);
                    break;
                case QueueRequestKind.Retire:
                    lock (_lock) _knownGroups.Add(request.Retired.Group);
                    _snapshots.Retire(request.Retired.Group, request.Retired.Replica);
                    _options.Logger.Retired(request.Retired.Group, request.Retired.Replica,
                        _session.Database.Description);
                    break;
                case QueueRequestKind.RecordSnapshot:
                    _snapshots.Recorded(request.Snapshot!);
                    break;
                case QueueRequestKind.Formation:
                    _durableFormation = _formation;
                    break;
                default:
                    break;
            }
            request.Completion?.TrySetResult();
        }
        _inFlight.Clear();
    }

    private void TellPersisted(in QueueRequest request)
    {
        try
        {
            request.Observer!.Persisted(request.Persist!.Number);
        }
#pragma warning disable CA1031 // Whatever it is: it missed what it waits for and must not go on; the others do.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            _options.Logger.ObserverBroke(exception, request.Replica!.Group);
            lock (_lock) request.Replica.Stop(exception);
            request.Replica.Tell(request.Observer, exception, _options.Logger);
        }
    }

    private void RefusePending(Exception reason)
    {
        // What was in flight may be durable or not: its outcome is unknown, and nobody is told that it is.
        foreach (QueueRequest request in _inFlight) Refuse(request, reason);
        _inFlight.Clear();
        while (_pending.TryDequeue(out QueueRequest request)) Refuse(request, reason);
    }

    private void Refuse(in QueueRequest request, Exception reason)
    {
        if (request.Completion is not null) request.Completion.TrySetException(reason);
        else if (reason is not FencedException) request.Replica!.Tell(request.Observer, reason, _options.Logger);
    }

    private void RefuseReplica(in QueueRequest request, InvariantViolationException violation)
    {
        _options.Logger.ReplicaRefused(violation, request.Replica!.Group);
        lock (_lock) request.Replica.Stop(violation);
        request.Replica.Tell(request.Observer, violation, _options.Logger);
        request.Completion?.TrySetException(violation);
    }
}
