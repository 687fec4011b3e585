namespace Orleans.Raft.Core;

// A follower's side of replication. Raft §5.3, §7.
public sealed partial class RaftNode
{
    // The log agrees with the leader of this term up to here, in memory. The committed part always does (Raft §5.4.3).
    private LogIndex _agreed;

    // An acknowledgement is owed up to here, and the last one sent in this term. The disk decides when it leaves.
    private bool _ackIsOwed;
    private LogIndex _ackOwed;
    private LogIndex _ackSent;

    private LogIndex Agreed => LogIndex.Max(_agreed, CommitIndex);

    private void TickOthers()
    {
        FailUnansweredReads();
        if (_now >= _electionDeadline) Campaign();
    }

    private void BecomeFollower(Term term, ReplicaId leader)
    {
        if (term > Term) SetTerm(term);
        if (Role == Role.Leader) LeaveLeadership();
        if (Role == Role.Candidate) _held.RemoveAll(held => held.Message is RequestVote);
        Role = Role.Follower;
        SetLeader(leader);
    }

    private void StepFollower(ReplicaId from, RaftMessage message)
    {
        switch (message)
        {
            case AppendEntries append: HandleAppendEntries(from, append); break;
            case Heartbeat heartbeat: HandleHeartbeat(from, heartbeat); break;
            case InstallSnapshot install: HandleInstallSnapshot(from, install); break;
            case FallSilent offer: HandleFallSilent(from, offer); break;
            case TimeoutNow: HandleTimeoutNow(); break;
            case ReadIndexRequest request: HandleReadIndexRequest(from, request); break;
            case ReadIndexReply reply: HandleReadIndexReply(reply); break;
            case RequestVoteReply or PreVoteReply: break; // Late: the election is over.
            case AppendEntriesReply or AppendEntriesRejection or HeartbeatReply or FallenSilent: break; // Late: we led this term.
            default: Refuse(); break;
        }
    }

    private void FollowLeader(ReplicaId leader)
    {
        Invariant.Require(Leader.IsNone || Leader == leader, $"two leaders in {Term}: {Leader} and {leader}");
        SetLeader(leader);
        IsSilent = false;
        _refuseVotesUntil = _now + _options.ElectionTimeout;
        ResetElectionDeadline();
    }

    private void HandleHeartbeat(ReplicaId from, Heartbeat heartbeat)
    {
        FollowLeader(from);
        AdvanceCommit(LogIndex.Min(heartbeat.Commit, CommitBound(Agreed)));
        SendWhenTermIsDurable(from, new HeartbeatReply(Term, heartbeat.Round, Agreed));
    }

    private void HandleAppendEntries(ReplicaId from, AppendEntries append)
    {
        FollowLeader(from);
        if (Configuration.IsNone)
        {
            AskForSnapshot(from, append.Previous.Index);
            return;
        }

        ReadOnlySpan<LogEntry> entries = append.Entries.Span;
        LogIndex last = append.Previous.Index + (ulong)entries.Length;

        // What we have committed the leader has too, so only the rest needs a look.
        RequireAgreesWithCommitted(append.Previous);
        while (!entries.IsEmpty && entries[0].Index <= CommitIndex)
        {
            RequireAgreesWithCommitted(entries[0].Id);
            entries = entries[1..];
        }

        if (append.Previous.Index > CommitIndex && !HasPrevious(append.Previous))
        {
            Reject(from, append.Previous.Index);
            return;
        }

        // Only a real conflict truncates: a late message must not undo what a newer one appended.
        while (!entries.IsEmpty && entries[0].Index <= _log.LastIndex
            && _log.TermAt(entries[0].Index) == entries[0].Term && !_faults.Has(FaultPoint.LogTruncatedOnMatch))
            entries = entries[1..];
        if (!entries.IsEmpty)
        {
            long bytes = RaftLog.PayloadBytes(entries);
            if (IsUnflushedFull(bytes)) return; // Dropped; the leader notices by the next heartbeat's answer.
            if (entries[0].Index <= _log.LastIndex) TruncateFrom(entries[0].Index);
            AppendToLog(entries, bytes);
        }

        _agreed = LogIndex.Max(_agreed, last);
        AdvanceCommit(LogIndex.Min(append.LeaderCommit, CommitBound(last)));
        Acknowledge(last);
    }

    private bool HasPrevious(EntryId previous) => _log.TryTermAt(previous.Index, out Term term)
        && (term == previous.Term || _faults.Has(FaultPoint.PreviousTermUnchecked));

    // Nothing after what is known to agree with the leader is committed here, wherever the leader's commit is.
    private LogIndex CommitBound(LogIndex agreed) =>
        _faults.Has(FaultPoint.CommitPastMatch) ? _log.LastIndex : agreed;

    private void RequireAgreesWithCommitted(EntryId entry)
    {
        if (entry.Index > CommitIndex || !_log.TryTermAt(entry.Index, out Term term)) return;
        Invariant.Require(term == entry.Term,
            $"{Id} committed {entry.Index} of {term}; the leader of {Term} has {entry.Term} there");
    }

    private void Reject(ReplicaId from, LogIndex rejected)
    {
        bool isShort = rejected > _log.LastIndex;
        LogIndex first = isShort
            ? _log.LastIndex.Next()
            : LogIndex.Max(_log.FirstOfTermAt(rejected), CommitIndex.Next());
        Term conflict = isShort ? Term.Zero : _log.TermAt(rejected);
        SendWhenTermIsDurable(from, new AppendEntriesRejection(Term, rejected, conflict, first));
    }

    // A group does not always begin empty, and who is in it at first is not in its log: a new replica takes no entries
    // before it has a snapshot.
    private void AskForSnapshot(ReplicaId from, LogIndex rejected) =>
        SendWhenTermIsDurable(from, new AppendEntriesRejection(Term, rejected, Term.Zero, LogIndex.Zero));

    private void HandleInstallSnapshot(ReplicaId from, InstallSnapshot install)
    {
        FollowLeader(from);
        EntryId snapshot = install.Snapshot;
        RequireAgreesWithCommitted(snapshot);
        bool hasIt = _log.TryTermAt(snapshot.Index, out Term term) && term == snapshot.Term;
        bool isNewer = snapshot.Index > CommitIndex || _faults.Has(FaultPoint.SnapshotOverNewerState);
        if (isNewer && !hasIt) ResetToSnapshot(snapshot, install.Configuration);
        else if (snapshot.Index > CommitIndex) AdvanceCommit(snapshot.Index);
        _agreed = LogIndex.Max(_agreed, snapshot.Index);
        Acknowledge(snapshot.Index);
    }

    private void AdvanceCommit(LogIndex index)
    {
        if (index <= CommitIndex) return;
        Invariant.Require(index <= _log.LastIndex, $"{Id} would commit {index} beyond its log's end {_log.Last}");
        if (Role == Role.Leader) _uncommittedBytes -= _log.PayloadBytes(CommitIndex.Next(), index);
        bool wasCommitted = IsConfigurationCommitted;
        CommitIndex = index;
        if (wasCommitted || !IsConfigurationCommitted) return;
        _configurationCommittedAt = _now;
        TellConfiguration();
    }

    private void ForgetAgreement()
    {
        _agreed = CommitIndex;
        _ackIsOwed = false;
        _ackOwed = LogIndex.Zero;
        _ackSent = LogIndex.Zero;
    }

    private void Acknowledge(LogIndex last)
    {
        _ackIsOwed = true;
        _ackOwed = LogIndex.Max(_ackOwed, last);
        SendOwedAcknowledgement(atLeast: last);
    }

    // Acknowledgements are cumulative, so one stands for all that became durable meanwhile.
    private void SendOwedAcknowledgement(LogIndex atLeast)
    {
        if (!_ackIsOwed || Role != Role.Follower || Leader.IsNone || !IsTermDurable) return;
        LogIndex match = _faults.Has(FaultPoint.AcknowledgementBeforeFlush)
            ? Agreed
            : LogIndex.Min(Agreed, DurableIndex);
        if (match < atLeast) return;
        Send(Leader, new AppendEntriesReply(Term, match));
        _ackSent = LogIndex.Max(_ackSent, match);
        _ackIsOwed = match < _ackOwed;
    }
}
