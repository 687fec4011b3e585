namespace Orleans.Raft.Core;

// Leading: the no-op, proposals, CheckQuorum, commitment. Raft §5.3, §5.4.2, §8; Thesis §6.2.
public sealed partial class RaftNode
{
    private readonly List<Progress> _progress = [];

    // The entry that opened this leadership: nothing commits by counting before it. Raft §5.4.2.
    private LogIndex _noOpIndex;
    private TimeSpan _nextHeartbeatAt;
    private long _uncommittedBytes;

    /// <summary>
    /// Appends a command if this replica leads. <see cref="ProposeOutcome.Appended"/> promises nothing yet: the entry
    /// counts once it is committed under <paramref name="id"/>.
    /// </summary>
    /// <param name="payload">Must not change afterwards.</param>
    /// <param name="id">Where it was appended; zero if it was not.</param>
    public ProposeOutcome Propose(ReadOnlyMemory<byte> payload, TimeSpan now, out EntryId id)
    {
        Wake(now);
        id = EntryId.Zero;
        if (Role != Role.Leader) return ProposeOutcome.NotLeader;
        bool tooMuch = _uncommittedBytes > 0 && _uncommittedBytes + payload.Length > _options.MaxUncommittedBytes;
        if (IsTransferringLeadership || tooMuch || IsUnflushedFull(payload.Length)) return ProposeOutcome.Busy;
        AppendOwn(EntryKind.Command, payload);
        id = _log.Last;
        return ProposeOutcome.Appended;
    }

    /// <summary>
    /// Gives up leadership of the term, for example because the disk hangs, and does not campaign for a full randomised
    /// election timeout. A replica that does not lead only puts off campaigning.
    /// </summary>
    public void StepDown(TimeSpan now)
    {
        Advance(now);
        IsSilent = false;
        if (Role != Role.Follower) BecomeFollower(Term, ReplicaId.None);
        ResetElectionDeadline();
    }

    /// <summary>A leader's view of a follower, a learner too; null if this replica does not lead or does not know the
    /// other.</summary>
    public ProgressInfo? GetProgress(ReplicaId follower) =>
        Role == Role.Leader && FindProgress(follower) is { } progress ? InfoOf(progress) : null;

    private Progress? FindProgress(ReplicaId follower)
    {
        foreach (Progress progress in _progress)
        {
            if (progress.Id == follower) return progress;
        }

        return null;
    }

    private void BecomeLeader()
    {
        Invariant.Require(Role == Role.Candidate, $"{Id} would lead {Term} as {Role}");
        Invariant.Require(IsTermDurable && _votedFor == Id, $"{Id} would lead {Term} before its own vote is durable");
        Role = Role.Leader;
        SetLeader(Id);
        _progress.Clear();
        FollowConfiguration();
        _uncommittedBytes = _log.PayloadBytes(CommitIndex.Next(), _log.LastIndex);
        _noOpIndex = _log.LastIndex.Next();
        _wokeAt = null;
        StartCommitMarks();
        _nextHeartbeatAt = _now + _options.HeartbeatInterval;
        StartRoundsAnew();
        AppendOwn(EntryKind.NoOp, default);
    }

    private void LeaveLeadership()
    {
        FailLeaderReads();
        EndTransfer();
        _timeoutNowWasSent = false;
        _progress.Clear();
        _replicationIsDue = false;
        ResetElectionDeadline();
    }

    private void AppendOwn(EntryKind kind, ReadOnlyMemory<byte> payload)
    {
        var entry = new LogEntry(Term, _log.LastIndex.Next(), kind, payload);
        AppendToLog(new ReadOnlySpan<LogEntry>(in entry), payload.Length);
        _uncommittedBytes += payload.Length;
        _replicationIsDue = true;
    }

    private void TickLeader()
    {
        if (!HasJustWoken && !QuorumAnsweredLately())
        {
            BecomeFollower(Term, ReplicaId.None);
            return;
        }

        AbortTransferIfOverdue();
        if (_now < _nextHeartbeatAt) return;
        _nextHeartbeatAt = _now + _options.HeartbeatInterval;
        StartRound();
        foreach (Progress progress in _progress) progress.CheckWith(_round);
        LetGo();
        MoveCommitMarks();
    }

    private bool QuorumAnsweredLately()
    {
        Span<ulong> heard = _voters.Count <= StackVoters ? stackalloc ulong[_voters.Count] : new ulong[_voters.Count];
        heard.Clear();
        foreach (Progress progress in _progress)
        {
            if (progress.VoterPosition >= 0 && HasAnsweredLately(progress)) heard[progress.VoterPosition] = 1;
        }

        if (_ownPosition >= 0) heard[_ownPosition] = 1;
        return _voters.ReachedByQuorum(heard) == 1;
    }

    private bool HasJustWoken => _now - _wokeAt < _options.ElectionTimeout;

    private bool HasAnsweredLately(Progress progress) => _now - progress.LastHeard < _options.ElectionTimeout;

    private void StepLeader(ReplicaId from, RaftMessage message)
    {
        Progress? progress = FindProgress(from);
        switch (message)
        {
            case AppendEntriesReply reply when progress is not null: HandleAppendReply(progress, reply); break;
            case AppendEntriesRejection refusal when progress is not null: HandleRejection(progress, refusal); break;
            case HeartbeatReply reply when progress is not null: HandleHeartbeatReply(progress, reply); break;
            case FallenSilent reply when progress is not null: HandleFallenSilent(progress, reply); break;
            case AppendEntriesReply or AppendEntriesRejection or HeartbeatReply or FallenSilent:
                break; // Late: it was removed.
            case ReadIndexRequest request: HandleReadIndexRequest(from, request); break;
            case RequestVoteReply or PreVoteReply or ReadIndexReply: break; // Late: we already won.
            case AppendEntries or Heartbeat or InstallSnapshot or FallSilent: // Raft §5.2: safety is already lost.
                Invariant.Fail($"two leaders in {Term}: {Id} and {from}");
                break;
            default: Refuse(); break;
        }
    }

    // Raft §5.4.2: only an entry of the own term commits by counting; what is before it commits with it.
    private void CommitByCounting()
    {
        Span<ulong> matches = _voters.Count <= StackVoters ? stackalloc ulong[_voters.Count] : new ulong[_voters.Count];
        LogIndex own = _faults.Has(FaultPoint.LeaderCountsUnflushed) ? _log.LastIndex : DurableIndex;
        foreach (Progress progress in _progress)
        {
            if (progress.VoterPosition >= 0) matches[progress.VoterPosition] = progress.Match.Value;
        }

        if (_ownPosition >= 0) matches[_ownPosition] = own.Value;
        var reached = new LogIndex(_voters.ReachedByQuorum(matches));
        if (reached <= CommitIndex) return;
        if (reached < _noOpIndex && !_faults.Has(FaultPoint.CommitByOlderTerm)) return;
        AdvanceCommit(reached);
        FinishChange();
    }
}
