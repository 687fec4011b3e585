namespace Orleans.Raft.Core;

// An idle group needs neither messages nor ticks: its leader and followers agree on that, and whatever happens to one of
// them wakes it. A silent replica trusts that its leader's node lives, which the driver watches for all groups at once.
public sealed partial class RaftNode
{
    // As a leader: the round with which silence was last offered. As a silent follower: that with which it took it.
    private ulong _silenceRound;

    // As a leader: when it last woke; it leads an election timeout longer, for nobody had anything to answer before.
    private TimeSpan? _wokeAt;

    /// <summary>Whether this replica waits without ticks, which it then ignores, until something happens to it. A
    /// silent leader has no lease.</summary>
    public bool IsSilent { get; private set; }

    /// <summary>
    /// Set by a driver that has nothing under way of its own and will call <see cref="SuspectLeader"/> when the node of
    /// a silent follower's leader may be gone. Default false: the replica never falls silent.
    /// </summary>
    public bool MayFallSilent { get; set; }

    /// <summary>
    /// The driver finds that nothing has been asked of this replica for a while. A leader whose followers all have what
    /// it has offers them silence, once with every round of heartbeats, and falls silent when all have taken it.
    /// </summary>
    /// <param name="absent">Members whose nodes do not answer at present: they are not asked, for whoever returns finds
    /// the leader by campaigning. The others must be a quorum.</param>
    public void OfferSilence(ReadOnlySpan<ReplicaId> absent, TimeSpan now)
    {
        Advance(now);
        if (Role != Role.Leader || IsSilent || !MayFallSilent || _round == 0 || _silenceRound == _round) return;
        foreach (Progress progress in _progress) progress.IsAbsent = absent.Contains(progress.Id);
        if (!IsLeaderSettled()) return;
        _silenceRound = _round;
        foreach (Progress progress in _progress)
        {
            if (!progress.IsAbsent) Send(progress.Id, new FallSilent(Term, _log.Last, _silenceRound));
        }

        FallSilentIfAllDo();
    }

    /// <summary>The node of this replica's leader may be gone, or has been started anew: a silent follower gives its
    /// leader less than an election timeout to be heard, for its node was not heard of for one.</summary>
    public void SuspectLeader(TimeSpan now)
    {
        Advance(now);
        if (!IsSilent || Role == Role.Leader || _faults.Has(FaultPoint.SilentFollowerNeverWakes)) return;
        IsSilent = false;
        ResetElectionDeadline();
        _electionDeadline -= _options.ElectionTimeout;
    }

    /// <summary>Ends silence for a reason that the core does not see. A leader starts a round at once.</summary>
    public void Wake(TimeSpan now)
    {
        Advance(now);
        if (IsSilent) Awaken();
    }

    // All that was proposed is committed and applied here, nothing is on its way to the disk, nobody waits.
    private bool IsSettled => CommitIndex == _log.LastIndex && LastApplied == CommitIndex
        && DurableIndex == _log.LastIndex && !IsWriteDue && _writes.Count == 0 && IsTermDurable && _held.Count == 0
        && !Configuration.IsNone && !Configuration.IsJoint
        && _waitingReads.Count == 0 && _readRound == 0 && _readsToForward.Count == 0 && _forwarded.Count == 0;

    private bool IsLeaderSettled()
    {
        if (!IsSettled || CommitIndex < _noOpIndex || IsTransferringLeadership || _replicationIsDue) return false;
        foreach (Progress progress in _progress)
        {
            if (progress.IsLeaving) return false;
            if (progress.IsAbsent) continue;
            if (progress.State != ReplicationState.Replicate || progress.Match != _log.LastIndex) return false;
        }

        return true;
    }

    private void HandleFallSilent(ReplicaId from, FallSilent offer)
    {
        FollowLeader(from);
        RequireAgreesWithCommitted(offer.Last);
        if (offer.Last != _log.Last) return;

        // Raft §5.3: logs that end with the same entry are the same, and the leader has committed all of its own.
        _agreed = LogIndex.Max(_agreed, offer.Last.Index);
        AdvanceCommit(offer.Last.Index);
        if (!MayFallSilent || !IsSettled) return;
        IsSilent = true;
        _silenceRound = offer.Round;
        Send(from, new FallenSilent(Term, offer.Round));
    }

    private void HandleFallenSilent(Progress progress, FallenSilent reply)
    {
        if (reply.Round > _round)
        {
            Refuse();
            return;
        }

        progress.LastHeard = _now;
        progress.SilentRound = reply.Round;
        if (reply.Round == _silenceRound && reply.Round == _round) FallSilentIfAllDo();
    }

    private void FallSilentIfAllDo()
    {
        if (!MayFallSilent || !IsLeaderSettled()) return;
        Span<ulong> silent = _voters.Count <= StackVoters ? stackalloc ulong[_voters.Count] : new ulong[_voters.Count];
        silent.Clear();
        foreach (Progress progress in _progress)
        {
            if (progress.IsAbsent) continue;
            if (progress.SilentRound != _silenceRound) return;
            if (progress.VoterPosition >= 0) silent[progress.VoterPosition] = 1;
        }

        if (_ownPosition >= 0) silent[_ownPosition] = 1;
        if (_voters.ReachedByQuorum(silent) != 1) return;
        IsSilent = true;
        if (!_faults.Has(FaultPoint.LeaseOutlivesSilence)) EndLease();
    }

    // Late copies of what was said before silence end it for nobody.
    private bool IsOldNews(RaftMessage message) => message switch
    {
        PreVoteReply => true,
        AppendEntriesReply or AppendEntriesRejection or HeartbeatReply or RequestVoteReply or ReadIndexReply
            or FallenSilent => message.Term <= Term,
        Heartbeat heartbeat => message.Term == Term && heartbeat.Round <= _silenceRound,
        FallSilent offer => message.Term == Term && offer.Round <= _silenceRound,
        _ => false,
    };

    // A leader makes itself heard before anything else. A follower trusts it as if it had just heard it.
    private void Awaken()
    {
        if (Role == Role.Leader)
        {
            IsSilent = false;
            _wokeAt = _now;
            EndLease();
            _nextHeartbeatAt = _now + _options.HeartbeatInterval;
            StartRound();
            return;
        }

        if (_faults.Has(FaultPoint.SilentFollowerNeverWakes)) return;
        IsSilent = false;
        _refuseVotesUntil = _now + _options.ElectionTimeout;
        ResetElectionDeadline();
    }
}
