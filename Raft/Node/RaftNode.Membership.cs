namespace Orleans.Raft.Core;

// Who belongs to the group, and changing it: always through joint consensus if voters change, one change at a time.
// Raft §6; Thesis §4.
public sealed partial class RaftNode
{
    private readonly ConfigurationHistory _configurations;
    private VoterSet _voters;

    // As a leader: where it counts itself in _voters; -1 if it is not among them.
    private int _ownPosition = -1;

    // The commit index as it was between half an election timeout and a whole one ago, and since then.
    private LogIndex _olderCommitMark;
    private LogIndex _commitMark;
    private TimeSpan _commitMarkAt;

    // As a leader: when the configuration in force was committed.
    private TimeSpan _configurationCommittedAt;

    /// <summary>The latest in the log, committed or not. Raft §6.</summary>
    public Configuration Configuration => _configurations.InForce;

    /// <summary>Whether <see cref="Configuration"/> is known to be committed; else a new leader may undo it.</summary>
    public bool IsConfigurationCommitted => _configurations.InForceIndex <= CommitIndex;

    // Thesis §4.2.2: one that the latest configuration leaves out may be needed until that is committed, for it may
    // hold the only copy, and then refuses its vote to all who lack it. It campaigns for the others and does not count
    // itself.
    private bool MayCampaign => Configuration.IsVoter(Id)
        || (!IsConfigurationCommitted && _configurations.Before.IsVoter(Id))
        || (_faults.Has(FaultPoint.LearnerCampaigns) && Configuration.IsLearner(Id));

    /// <summary>
    /// Begins a change if this replica leads. Learners come and go by one entry; voters through a joint configuration,
    /// which is left by itself as soon as it is committed. A leader that removes itself steps down once that is
    /// committed, and tells another to campaign.
    /// </summary>
    public MembershipAnswer ChangeMembership(MembershipChange change, TimeSpan now)
    {
        ArgumentNullException.ThrowIfNull(change);
        Wake(now);
        if (WhyNotNow() is { } reason) return reason;
        MoveCommitMarks();
        if (!Configuration.TryChange(change, out Configuration target, out string problem))
            return Refused(MembershipOutcome.Invalid, problem);
        if (WhyNot(change, target) is { } refusal) return refusal;
        bool changesVoters = !target.HasVotersOf(Configuration);
        AppendConfiguration(changesVoters ? Configuration.JoinedWith(target) : target);
        MembershipAnswer answer = new(MembershipOutcome.Accepted, _log.Last, null);
        if (_faults.Has(FaultPoint.JointLeftUncommitted) && changesVoters) AppendConfiguration(Configuration.Left());
        return answer;
    }

    private MembershipAnswer? WhyNotNow()
    {
        if (Role != Role.Leader) return Refused(MembershipOutcome.NotLeader, $"{Id} does not lead.");
        if (CommitIndex < _noOpIndex && !_faults.Has(FaultPoint.ChangeBeforeOwnTermCommitted))
            return Refused(MembershipOutcome.NotReady, $"{Id} has committed nothing in {Term} yet.");
        if (HasJustWoken && !QuorumAnsweredLately())
            return Refused(MembershipOutcome.NotReady, $"{Id} was silent, and no quorum has answered it since.");
        bool isUnderWay = !IsConfigurationCommitted || Configuration.IsJoint;
        if (isUnderWay && !_faults.Has(FaultPoint.TwoChangesInFlight))
            return Refused(MembershipOutcome.ChangeInFlight, $"{Configuration} is still under way.");
        if (IsTransferringLeadership)
            return Refused(MembershipOutcome.Busy, $"{Id} hands leadership to {_transferTarget}.");
        return IsUnflushedFull(0) || _uncommittedBytes > _options.MaxUncommittedBytes
            ? Refused(MembershipOutcome.Busy, $"{Id} holds too many entries that are not committed or not flushed.")
            : null;
    }

    private MembershipAnswer? WhyNot(MembershipChange change, Configuration target)
    {
        foreach (ReplicaId promoted in change.Promote)
        {
            if (FindProgress(promoted) is { } progress && IsCaughtUp(progress)) continue;
            return Refused(MembershipOutcome.NotCaughtUp, $"{promoted} lags by more than {_options.ElectionTimeout}.");
        }

        if (target.HasVotersOf(Configuration)) return null;
        int answering = target.Voters.Count(voter => voter.Id == Id || IsAnswering(voter.Id));
        return 2 * answering > target.Voters.Count
            ? null
            : Refused(MembershipOutcome.NoMajority,
                $"Of {target.Voters.Count} voters only {answering} answered within {_options.ElectionTimeout}.");
    }

    // A new leader gives everyone time to answer, but counts on nobody who has not.
    private bool IsAnswering(ReplicaId replica) => FindProgress(replica) is { } progress && HasAnsweredLately(progress)
        && (progress.AckedRound > 0 || progress.Match > LogIndex.Zero);

    private static MembershipAnswer Refused(MembershipOutcome outcome, string problem) =>
        new(outcome, EntryId.Zero, problem);

    private void AppendConfiguration(Configuration configuration) =>
        AppendOwn(EntryKind.Configuration, configuration.Encode());

    // Another configuration is in force: appended, undone, or brought by a snapshot.
    private void UseConfiguration()
    {
        _voters = new VoterSet(Configuration, _faults);
        if (Role == Role.Leader) FollowConfiguration();
        TellConfiguration();
    }

    private void TellConfiguration() => _outbox.Configuration =
        new ConfigurationInForce(Configuration, _configurations.InForceIndex, IsConfigurationCommitted);

    // A leader serves all members; one that is just removed stays, uncounted, until LetGo.
    private void FollowConfiguration()
    {
        foreach (Member member in Configuration.Members)
        {
            if (member.Id != Id && FindProgress(member.Id) is null)
                _progress.Add(new Progress(member.Id, _log.LastIndex.Next(), _now, _faults));
        }

        foreach (Progress progress in _progress)
        {
            progress.IsLeaving = !Configuration.TryFind(progress.Id, out _);
            progress.VoterPosition = _voters.PositionOf(progress.Id);
        }

        _ownPosition = _voters.PositionOf(Id);
        if (_ownPosition < 0 && _faults.Has(FaultPoint.RemovedLeaderCountsItself)) _ownPosition = 0;
    }

    // Once the configuration without them is committed, and they have it, or do not answer although there was time.
    private void LetGo()
    {
        if (!IsConfigurationCommitted) return;
        bool hadTime = _now - _configurationCommittedAt >= _options.ElectionTimeout;
        _progress.RemoveAll(progress => progress.IsLeaving
            && (progress.Match >= _configurations.InForceIndex || (hadTime && !HasAnsweredLately(progress))));
    }

    // What follows from a configuration being committed. A new leader may find that its predecessor left it to do.
    private void FinishChange()
    {
        if (!IsConfigurationCommitted) return;
        if (Configuration.IsJoint) AppendConfiguration(Configuration.Left());
        else if (!Configuration.IsVoter(Id)) HandOver();
    }

    // The voter with the longest log is told to campaign; should that fail, an election follows as after a crash. During
    // a transfer it is the target: two that campaign at once may both lose.
    private void HandOver()
    {
        SendHeartbeats();
        ReplicaId target = MayLead(_transferTarget) ? _transferTarget : ReplicaId.None;
        Progress? next = _progress.Where(progress => target.IsNone ? MayLead(progress.Id) : progress.Id == target)
            .MaxBy(progress => progress.Match);
        if (next is not null) Send(next.Id, new TimeoutNow(Term));
        BecomeFollower(Term, ReplicaId.None);
    }

    private ProgressInfo InfoOf(Progress progress) => new(progress.Match, progress.Next, progress.State,
        progress.InFlightAppends, progress.InFlightBytes, progress.VoterPosition >= 0, IsCaughtUp(progress),
        progress.IsAbsent, progress.LastHeard);

    // Thesis §4.2.1: it has by now what the leader had committed within the last election timeout, and answers.
    private bool IsCaughtUp(Progress progress)
    {
        if (_faults.Has(FaultPoint.PromotedBeforeCaughtUp)) return true;
        return progress.Match >= _olderCommitMark && HasAnsweredLately(progress);
    }

    // How far earlier leaders had committed is not known, so at first all that was there must have arrived.
    private void StartCommitMarks()
    {
        _olderCommitMark = _noOpIndex;
        _commitMark = _noOpIndex;
        _commitMarkAt = _now;
    }

    private void MoveCommitMarks()
    {
        TimeSpan age = _now - _commitMarkAt;
        if (2 * age < _options.ElectionTimeout) return;
        _olderCommitMark = age < _options.ElectionTimeout ? _commitMark : CommitIndex;
        _commitMark = CommitIndex;
        _commitMarkAt = _now;
    }

    // Before it has a configuration, a replica knows neither whose votes count nor what its log would follow. It can give
    // its own: it has promised nothing else, and everybody has at least what it has.
    private bool IsTooEarly(RaftMessage message) => Configuration.IsNone
        && message is not (AppendEntries or Heartbeat or InstallSnapshot or ReadIndexReply or PreVote or RequestVote);

    // Only members are asked, so this one was removed since: it does not count, and its term disrupts nobody. A leader
    // looks at its list of followers, which holds those who are leaving, too; and a follower may not know its leader yet.
    private bool IsAnswerOfStranger(ReplicaId from, RaftMessage message)
    {
        if (message.Term == Term && (Role == Role.Leader || from == Leader)) return false;
        bool isAnswer = message is AppendEntriesReply or AppendEntriesRejection or HeartbeatReply or PreVoteReply
            or RequestVoteReply or ReadIndexReply or FallenSilent;
        return isAnswer && !Configuration.TryFind(from, out _) && !_faults.Has(FaultPoint.RemovedReplicaCounted);
    }
}
