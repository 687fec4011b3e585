namespace Orleans.Raft.Core;

// What is durable, and what waits for it. Raft figure 2; Thesis §10.2.1.
public sealed partial class RaftNode
{
    private readonly Deque<WriteInFlight> _writes = new();
    private ulong _lastWrite;

    // The last index handed to the disk; the log's entries after it go with the next write.
    private LogIndex _handedIndex;
    private HardState _handedState;
    private EntryId? _snapshotToPersist;

    private Term _durableTerm;
    private ReplicaId _durableVote;
    private long _unhandedBytes;
    private long _bytesInFlight;

    // Promise something about term or vote. Cleared when the term changes, so all are of the present term.
    private readonly List<OutboundMessage> _held = [];

    /// <summary>
    /// The log is durable up to here. Falls when entries are overwritten, and a write counts only for entries that no
    /// later one overwrote.
    /// </summary>
    public LogIndex DurableIndex { get; private set; }

    private bool _isCommitDue;

    private bool IsTermDurable => _durableTerm == Term && _durableVote == _votedFor;

    private bool IsWriteDue =>
        _handedState.Term != Term || _handedState.VotedFor != _votedFor
        || _snapshotToPersist is not null || _handedIndex < _log.LastIndex || _isCommitDue;

    /// <summary>
    /// Writes down soon how far the log is committed, which by itself is done only beside other writes: for a driver
    /// that is about to let something depend on an entry it applied, so that its next life applies that before it hears of
    /// anybody.
    /// </summary>
    public void PersistCommit() => _isCommitDue = true;

    /// <summary>All writes up to <paramref name="number"/> are durable. Repeating it does nothing.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such write was handed out.</exception>
    public void PersistCompleted(ulong number, TimeSpan now)
    {
        if (number > _lastWrite)
            throw new ArgumentOutOfRangeException(nameof(number),
                $"Write {number} was never handed out; {_lastWrite} was the last.");
        Advance(now);
        while (_writes.Count > 0 && _writes[0].Number <= number)
        {
            WriteInFlight write = _writes.PopFront();
            _bytesInFlight -= write.Bytes;
            _durableTerm = write.Term;
            _durableVote = write.VotedFor;
            DurableIndex = LogIndex.Max(DurableIndex, write.Last);
        }

        if (IsTermDurable) ReleaseHeld();
        switch (Role)
        {
            case Role.Leader: CommitByCounting(); break;
            case Role.Candidate when IsTermDurable && _granted.Add(Id): CountVotes(); break;
            case Role.Follower: SendOwedAcknowledgement(LogIndex.Min(_ackOwed, _ackSent.Next())); break;
        }
    }

    private void Recover(RaftState recovered)
    {
        HardState state = recovered.HardState;
        EntryId last = recovered.Snapshot;
        Invariant.Require((last.Index.Value == 0) == (last.Term.Value == 0), $"recovered snapshot {last}");
        foreach (ref readonly LogEntry entry in recovered.Entries.Span)
        {
            Invariant.Require(entry.Index == last.Index.Next() && entry.Term >= last.Term && entry.Term > Term.Zero,
                $"recovered {entry} after {last}");
            last = entry.Id;
        }

        Invariant.Require(last == EntryId.Zero || !recovered.Configuration.IsNone,
            $"recovered a log up to {last} without the configuration it began with");
        _log.AppendRange(recovered.Entries.Span);
        _configurations.Append(recovered.Entries.Span);
        Invariant.Require(_log.Last.Term <= state.Term, $"recovered {_log.Last}, newer than {state.Term}");
        Invariant.Require(state.Commit <= _log.LastIndex,
            $"recovered commit {state.Commit} beyond the log's end {_log.Last}");
        Term = state.Term;
        _votedFor = state.VotedFor;
        CommitIndex = LogIndex.Max(state.Commit, recovered.Snapshot.Index);
        LastApplied = recovered.Snapshot.Index;
        DurableIndex = _log.LastIndex;
        _durableTerm = state.Term;
        _durableVote = state.VotedFor;
        _handedIndex = _log.LastIndex;
        _handedState = state;
        _agreed = CommitIndex;
    }

    private bool IsUnflushedFull(long moreBytes)
    {
        long unflushed = _unhandedBytes + _bytesInFlight;
        return unflushed > 0 && unflushed + moreBytes > _options.MaxUnflushedBytes;
    }

    private void AppendToLog(ReadOnlySpan<LogEntry> entries, long bytes)
    {
        _log.AppendRange(entries);
        _unhandedBytes += bytes;
        if (_configurations.Append(entries)) UseConfiguration();
    }

    private void TruncateFrom(LogIndex index)
    {
        Invariant.Require(index > CommitIndex, $"{Id} would truncate {index}, committed up to {CommitIndex}");
        _unhandedBytes -= _log.PayloadBytes(LogIndex.Max(index, _handedIndex.Next()), _log.LastIndex);
        _log.TruncateFrom(index);
        LowerMarks(index.Previous());
        if (_configurations.TruncateFrom(index)) UseConfiguration();
    }

    // The snapshot stands for a committed prefix; none of what the log had may count as durable beyond what was
    // committed.
    private void ResetToSnapshot(EntryId snapshot, Configuration configuration)
    {
        LowerMarks(CommitIndex);
        _unhandedBytes = 0;
        _log.Reset(snapshot);
        _handedIndex = snapshot.Index;
        _snapshotToPersist = snapshot;
        CommitIndex = snapshot.Index;
        LastApplied = snapshot.Index;
        _configurations.Reset(snapshot.Index, configuration);
        UseConfiguration();
    }

    // Writes in flight no longer prove anything about entries after the last one kept.
    private void LowerMarks(LogIndex lastKept)
    {
        _handedIndex = LogIndex.Min(_handedIndex, lastKept);
        if (!_faults.Has(FaultPoint.DurableMarkKeptByTruncation)) DurableIndex = LogIndex.Min(DurableIndex, lastKept);
        if (_faults.Has(FaultPoint.OverwrittenWriteCounts)) return;
        for (int i = 0; i < _writes.Count; i++)
        {
            ref WriteInFlight write = ref _writes[i];
            write = write with { Last = LogIndex.Min(write.Last, lastKept) };
        }
    }

    // A commit index that moved is no reason to write: it travels with the next write, and never ahead of the log on
    // disk. A snapshot is written alone: the entries after it follow in a write of their own.
    private PersistRequest? TakeWrite()
    {
        if (!IsWriteDue) return null;
        ReadOnlyMemory<LogEntry> entries = default;
        EntryId? snapshot = _snapshotToPersist;
        LogIndex last = _handedIndex;
        long bytes = 0;
        if (snapshot is null && _handedIndex < _log.LastIndex)
        {
            last = _log.LastIndex;
            entries = _log.Range(_handedIndex.Next(), last);
            bytes = _unhandedBytes;
            _unhandedBytes = 0;
        }

        var state = new HardState(Term, _votedFor, LogIndex.Min(CommitIndex, last));
        HardState? changed = state == _handedState ? null : state;
        _lastWrite++;
        _writes.PushBack(new WriteInFlight(_lastWrite, last, bytes, Term, _votedFor));
        _bytesInFlight += bytes;
        _handedIndex = last;
        _handedState = state;
        _snapshotToPersist = null;
        _isCommitDue = state.Commit < CommitIndex && _isCommitDue;
        return new PersistRequest(_lastWrite, changed, snapshot, entries);
    }

    /// <summary>Sends a message that promises something about the present term, once term and vote are
    /// durable.</summary>
    private void SendWhenTermIsDurable(ReplicaId to, RaftMessage message)
    {
        if (IsTermDurable)
        {
            Send(to, message);
            return;
        }

        // At most one of a kind waits for each replica, however long the disk takes.
        Type kind = message.GetType();
        _held.RemoveAll(held => held.To == to && held.Message.GetType() == kind);
        _held.Add(new OutboundMessage(to, message));
    }

    private void ReleaseHeld()
    {
        _outbox.Messages.AddRange(_held);
        _held.Clear();
    }

    /// <param name="Last">The log on disk ends here after the write, as far as no later write overwrote it.</param>
    private readonly record struct WriteInFlight(ulong Number, LogIndex Last, long Bytes, Term Term,
        ReplicaId VotedFor);
}
