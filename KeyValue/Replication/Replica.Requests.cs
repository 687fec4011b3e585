using System.Diagnostics.CodeAnalysis;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Callers' batches: proposing writes, answering them when applied, and serving reads.</content>
public sealed partial class Replica
{
    private readonly Queue<RequestInput> _pendingWrites = new();
    private readonly Dictionary<ulong, List<RequestInput>> _readsAwaitingIndex = [];
    private readonly List<(LogIndex Index, TimeSpan Since, RequestInput Request)> _readsAwaitingApply = [];
    private readonly List<RequestInput> _readsThisTurn = [];
    private readonly AnswerBatchWriter _answers = new();
    private (TimeSpan At, long GroupTimeMilliseconds)? _leaderTimeBase;
    private TimeSpan _lastTimeAdvance;
    private ulong _lastReadId;

    internal void OnRequest(RequestInput request)
    {
        if (_awaitsBase)
        {
            Answer(request, GroupReply.Of(GroupReplyStatus.Unavailable));
            return;
        }
        if (request.Request.Kind != RequestKind.StaleRead) NoteAsked();
        switch (request.Request.Kind)
        {
            case RequestKind.Write: Propose(request); break;
            // It has nothing to read from yet.
            case not RequestKind.Write when _state.Descriptor.IsUnknown: SendElsewhere(request); break;
            case RequestKind.LinearizableRead: _readsThisTurn.Add(request); break;
            case RequestKind.LeaseRead when HasLease(): ServeRead(request); break;
            case RequestKind.LeaseRead: _readsThisTurn.Add(request); break;
            case RequestKind.StaleRead: ServeRead(request); break;
            default: Answer(request, GroupReply.Of(GroupReplyStatus.Malformed)); break;
        }
    }

    private void Propose(RequestInput request)
    {
        ReadOnlyMemory<byte> batch = request.Request.Batch;
        if (_node.Role != Role.Leader || _stall is not null)
        {
            // Whoever asks here may have found no leader: should it be gone, this replica must find out.
            _node.Wake(_host.Now);
            SendElsewhere(request);
            return;
        }
        if (!request.IsOwn && !MayPropose(batch.Span))
        {
            Answer(request, GroupReply.Of(GroupReplyStatus.Malformed));
            return;
        }
        if (_state.IsFrozen && !request.IsOwn)
        {
            AnswerFrozen(request, new CommandBatchReader(batch.Span).Count);
            return;
        }
        if (_sample.Wants()) SampleWrite(batch.Span);
        if (ExceedsSession(batch.Span))
        {
            Answer(request, GroupReply.Of(GroupReplyStatus.Busy));
            return;
        }
        // What passed in silence counts first.
        if (_node.IsSilent) AdvanceGroupTime();
        ProposeChecked(request);
    }

    private void ProposeChecked(RequestInput request)
    {
        switch (_node.Propose(request.Request.Batch, _host.Now, out EntryId entry))
        {
            case ProposeOutcome.Appended:
                request.Entry = entry;
                _proposed++;
                _pendingWrites.Enqueue(request);
                break;
            case ProposeOutcome.NotLeader:
                SendElsewhere(request);
                break;
            default:
                Answer(request, GroupReply.Of(GroupReplyStatus.Busy));
                break;
        }
    }

    /// <summary>What comes from outside: nothing of the meta group, whose rows only its own leader writes.</summary>
    private bool MayPropose(ReadOnlySpan<byte> batch) => Group != GroupId.Meta
        && CommandBatchReader.IsWellFormed(batch, _state.Limits, out _, out _) && !IsLeadersOwn(batch);

    /// <summary>Nothing was proposed, and this replica cannot: it names the leader it knows and, while its disk hangs,
    /// says so.</summary>
    private void SendElsewhere(RequestInput request)
    {
        GroupReplyStatus status = _stall is null ? GroupReplyStatus.NotLeader : GroupReplyStatus.Busy;
        Answer(request, GroupReply.Of(status, _node.Leader == Id ? null : NodeOf(_node.Leader), _stall));
    }

    /// <summary>Only the leader itself moves the group's time, splits and merges it.</summary>
    private static bool IsLeadersOwn(ReadOnlySpan<byte> batch)
    {
        var commands = new CommandBatchReader(batch);
        while (commands.MoveNext())
        {
            if (commands.Session.IsNone
                && Operation.KindOf(commands.Operation) >= OperationKind.AdvanceTime) return true;
        }
        return false;
    }

    private bool ExceedsSession(ReadOnlySpan<byte> batch)
    {
        var commands = new CommandBatchReader(batch);
        while (commands.MoveNext())
        {
            if (!commands.Session.IsNone
                && _state.WouldExceedSession(commands.Session, commands.Sequence, commands.FirstUnacknowledged))
                return true;
        }
        return false;
    }

    private void ApplyEntry(in LogEntry entry)
    {
        _logBytesApplied += entry.Payload.Length;
        if (entry.Kind == EntryKind.Command) _writes += new CommandBatchReader(entry.Payload.Span).Count;
        MergeState merges = _state.Merges;
        if (!TryFindPending(entry.Id, out RequestInput? request))
        {
            NoteSplit(entry.Index, _state.Apply(entry, null));
            NoteMerges(entry.Index, merges);
            return;
        }
        _answers.Reset();
        NoteSplit(entry.Index, _state.Apply(entry, _answers));
        NoteMerges(entry.Index, merges);
        // Only now: if applying fails, it is answered with the others.
        _pendingWrites.Dequeue();
        Answer(request, new GroupReply(GroupReplyStatus.Answered, _answers.ToArray(), _host.Name));
    }

    private bool TryFindPending(EntryId entry, [NotNullWhen(true)] out RequestInput? request)
    {
        while (_pendingWrites.TryPeek(out request) && request.Entry.Index <= entry.Index)
        {
            bool isIts = request.Entry == entry
                || (_faults.Has(FaultPoint.WriteAnsweredByIndex) && request.Entry.Index == entry.Index);
            if (isIts) return true;
            _pendingWrites.Dequeue();
            // Another leader's entry took the place of this one.
            Answer(request, GroupReply.Of(GroupReplyStatus.Unknown));
        }
        request = null;
        return false;
    }

    private void AbandonWrites()
    {
        while (_pendingWrites.TryDequeue(out RequestInput? request))
            Answer(request, GroupReply.Of(GroupReplyStatus.Unknown, NodeOf(_node.Leader)));
    }

    /// <summary>Sessions expire by the group's own time, which only its leader moves, by what its own clock
    /// measured.</summary>
    private void AdvanceGroupTime()
    {
        if (_node.Role != Role.Leader || _state.SessionCount == 0 || _state.IsFrozen)
        {
            // Time without sessions does not count: else the next session would be born old. Nor does that of a frozen
            // group.
            _leaderTimeBase = null;
            return;
        }
        TimeSpan now = _host.Now;
        if (_leaderTimeBase is not { } start)
        {
            // Only once everything earlier leaders wrote is applied is the group's time known.
            if (_state.LastApplied.Term != _node.Term) return;
            _leaderTimeBase = (now, _state.GroupTimeMilliseconds);
            _lastTimeAdvance = now;
            return;
        }
        if (now - _lastTimeAdvance < TimeSpan.FromMilliseconds(
            _state.Limits.SessionTimeoutMilliseconds / 20.0)) return;
        _lastTimeAdvance = now;
        var command = new CommandBatchWriter();
        long groupTime = _faults.Has(FaultPoint.GroupTimeFromLocalClock)
            ? (long)now.TotalMilliseconds
            : start.GroupTimeMilliseconds + (long)(now - start.At).TotalMilliseconds;
        command.AddUnsessioned(Operation.AdvanceTime(groupTime));
        _node.Propose(command.ToArray(), now, out _);
    }

    /// <summary>Never on storage that another may have opened: a lease would have to be confirmed with every
    /// read.</summary>
    private bool HasLease() => !_host.Storage.NeedsConfirming && _storage.IsCurrent && _stall is null
        && _node.HasLease(_host.Now);

    /// <summary>All reads of a turn share one read index, hence one round.</summary>
    private void RequestReadIndex()
    {
        if (_readsThisTurn.Count == 0) return;
        ulong id = ++_lastReadId;
        _readsAwaitingIndex[id] = [.. _readsThisTurn];
        _readsThisTurn.Clear();
        _node.ReadIndex(id, _host.Now);
    }

    private void OnReadIndex(ReadReady read)
    {
        if (!_readsAwaitingIndex.Remove(read.RequestId, out List<RequestInput>? requests)) return;
        foreach (RequestInput request in requests) _readsAwaitingApply.Add((read.Index, _host.Now, request));
    }

    private void OnReadFailed(ulong id)
    {
        if (!_readsAwaitingIndex.Remove(id, out List<RequestInput>? requests)) return;
        foreach (RequestInput request in requests)
        {
            if (_faults.Has(FaultPoint.ReadServedAfterSteppingDown)) ServeRead(request);
            else SendElsewhere(request);
        }
    }

    private void ServeReads()
    {
        int kept = 0;
        for (int i = 0; i < _readsAwaitingApply.Count; i++)
        {
            (LogIndex index, TimeSpan since, RequestInput request) = _readsAwaitingApply[i];
            if (index <= _node.LastApplied || _faults.Has(FaultPoint.ReadServedBeforeApplied)) ServeRead(request);
            // A replica that is far behind would keep its callers for long; another one can serve them.
            else if (_host.Now - since > 4 * _options.ElectionTimeout) SendElsewhere(request);
            else _readsAwaitingApply[kept++] = (index, since, request);
        }
        _readsAwaitingApply.RemoveRange(kept, _readsAwaitingApply.Count - kept);
    }

    private void ServeRead(RequestInput request)
    {
        _served++;
        if (!ReadBatchReader.IsWellFormed(request.Request.Batch.Span, _state.Limits, out _, out _))
        {
            Answer(request, GroupReply.Of(GroupReplyStatus.Malformed));
            return;
        }
        int count = new ReadBatchReader(request.Request.Batch.Span).Count;
        if (_state.IsFrozen && request.Request.Kind != RequestKind.StaleRead)
        {
            AnswerFrozen(request, count);
            return;
        }
        _reads += count;
        if (_sample.Wants()) SampleRead(request.Request.Batch.Span);
        _answers.Reset();
        _state.Read(request.Request.Batch.Span, _answers);
        Answer(request, new GroupReply(GroupReplyStatus.Answered, _answers.ToArray(), NodeOf(_node.Leader)));
    }

    private void AbandonReads()
    {
        foreach (List<RequestInput> requests in _readsAwaitingIndex.Values)
            foreach (RequestInput request in requests) Answer(request, GroupReply.Of(GroupReplyStatus.Unavailable));
        _readsAwaitingIndex.Clear();
        foreach ((_, _, RequestInput request) in _readsAwaitingApply)
            Answer(request, GroupReply.Of(GroupReplyStatus.Unavailable));
        _readsAwaitingApply.Clear();
        foreach (RequestInput request in _readsThisTurn)
            Answer(request, GroupReply.Of(GroupReplyStatus.Unavailable));
        _readsThisTurn.Clear();
    }
}
