using System.Runtime.InteropServices;

namespace Orleans.Raft.Core;

// Linearizable reads by confirming leadership, and leases. Raft §8; Thesis §6.4.
public sealed partial class RaftNode
{
    private const int StackVoters = 32;
    private const int MaxRemembered = 64;

    // Requests of followers that one round may answer; the driver bounds the leader's own.
    private const int MaxWaitingForwards = 4_096;

    // Grows over the whole life, so that no round number is used twice.
    private ulong _round;

    // Starts at the last round before this leadership, so that a late confirmation of that one is not new.
    private ulong _ownConfirmedRound;
    private ulong _quorumRound;

    // When the rounds no quorum has answered yet were started.
    private readonly Deque<StartedRound> _startedRounds = new();

    private List<PendingRead> _waitingReads = [];
    private List<PendingRead> _readsInRound = [];

    // The round the reads of _readsInRound wait for; 0 if none is under way.
    private ulong _readRound;
    private LogIndex _readRoundIndex;

    // The lease counts from the start of this round; null: no lease. Only rounds after _leaseFloor give one.
    private TimeSpan? _leaseStart;
    private ulong _leaseFloor;

    // A follower's reads that join the next request, and requests not yet answered, oldest first.
    private List<ulong> _readsToForward = [];
    private readonly List<ForwardedReads> _forwarded = [];
    private ulong _forwardNumber;

    /// <summary>
    /// Asks from which index on a linearizable read may be served; the answer comes in <see cref="Ready.ReadsReady"/>
    /// or <see cref="Ready.ReadsFailed"/>. A follower asks its leader; without one the read fails at once, and if the
    /// leader does not answer, after an election timeout.
    /// </summary>
    public void ReadIndex(ulong requestId, TimeSpan now)
    {
        Wake(now);
        if (Role == Role.Leader) _waitingReads.Add(new PendingRead(ReplicaId.None, 0, requestId));
        else if (Leader.IsNone) _outbox.ReadsFailed.Add(requestId);
        else _readsToForward.Add(requestId);
    }

    /// <summary>
    /// This leader itself confirms a round, having checked after the round started that its storage is still its own. A
    /// round that is not of this leadership is ignored.
    /// </summary>
    public void ConfirmRound(ulong round, TimeSpan now)
    {
        Advance(now);
        if (Role != Role.Leader || round > _round || round <= _ownConfirmedRound) return;
        _ownConfirmedRound = round;
        ConfirmRounds();
    }

    /// <summary>
    /// Whether a linearizable read may be served now from what is applied, without a round. Ask when the answer is
    /// produced.
    /// </summary>
    /// <remarks>
    /// Holds for an election timeout less the drift margin from the start of the last round a quorum answered: until
    /// then no follower of that quorum votes for another. A vote asked for by a leadership transfer is the exception,
    /// so there is no lease while one is under way, and, because a <see cref="TimeoutNow"/> may be late without bound,
    /// none for the rest of the term once one was sent. A silent leader has none: a round after waking brings it back.
    /// </remarks>
    public bool HasLease(TimeSpan now)
    {
        if (!_faults.Has(FaultPoint.LeaseKeptThroughPause)) Advance(now);
        bool mayBeHandedOver = (IsTransferringLeadership || _timeoutNowWasSent)
            && !_faults.Has(FaultPoint.LeaseKeptThroughTransfer);
        bool outlives = IsSilent && _faults.Has(FaultPoint.LeaseOutlivesSilence);
        return Role == Role.Leader && !mayBeHandedOver && LastApplied >= _noOpIndex && _leaseStart is { } start
            && (_now - start < _options.ElectionTimeout - _options.LeaseDriftMargin || outlives);
    }

    // Raft §8: before its first commit a leader does not know how far the log was committed.
    private bool IsReadRoundDue =>
        Role == Role.Leader && _readRound == 0 && _waitingReads.Count > 0
        && (CommitIndex >= _noOpIndex || _faults.Has(FaultPoint.ReadIndexBeforeNoOp));

    private void StartRoundsAnew()
    {
        _ownConfirmedRound = _round;
        _quorumRound = _round;
        _leaseFloor = _round;
        _leaseStart = null;
        _startedRounds.Clear();
    }

    private void StartRound()
    {
        _round++;
        if (_startedRounds.Count == MaxRemembered) _startedRounds.PopFront();
        _startedRounds.PushBack(new StartedRound(_round, _now));
        SendHeartbeats();
        _outbox.RoundToConfirm = _round;
    }

    private void SendHeartbeats()
    {
        foreach (Progress progress in _progress)
            Send(progress.Id, new Heartbeat(Term, LogIndex.Min(CommitIndex, progress.Match), _round));
    }

    // One round of reads at a time; those that come meanwhile share the next.
    private void StartReadRound()
    {
        (_waitingReads, _readsInRound) = (_readsInRound, _waitingReads);
        bool joinsEarlier = _faults.Has(FaultPoint.ReadJoinsEarlierRound) && _startedRounds.Count > 0;
        if (!joinsEarlier) StartRound();
        _readRound = _round;
        _readRoundIndex = CommitIndex;
    }

    private void ConfirmRounds()
    {
        Span<ulong> confirmed = _voters.Count <= StackVoters
            ? stackalloc ulong[_voters.Count]
            : new ulong[_voters.Count];
        foreach (Progress progress in _progress)
        {
            if (progress.VoterPosition >= 0) confirmed[progress.VoterPosition] = progress.AckedRound;
        }

        if (_ownPosition >= 0) confirmed[_ownPosition] = _ownConfirmedRound;
        ulong reached = _voters.ReachedByQuorum(confirmed);
        if (reached <= _quorumRound) return;
        _quorumRound = reached;
        while (_startedRounds.Count > 0 && _startedRounds[0].Number <= reached)
        {
            StartedRound started = _startedRounds.PopFront();
            if (started.Number > _leaseFloor)
                _leaseStart = _faults.Has(FaultPoint.LeaseFromAnswer) ? _now : started.At;
        }

        if (_readRound != 0 && _readRound <= reached) AnswerReadsInRound(_readRoundIndex);
    }

    private void EndLease()
    {
        _leaseStart = null;
        _leaseFloor = _round;
    }

    private void AnswerReadsInRound(LogIndex index)
    {
        foreach (ref readonly PendingRead read in CollectionsMarshal.AsSpan(_readsInRound))
        {
            if (read.From.IsNone) _outbox.ReadsReady.Add(new ReadReady(read.Number, index));
            else Send(read.From, new ReadIndexReply(Term, read.BootNonce, read.Number, index));
        }

        _readsInRound.Clear();
        _readRound = 0;
    }

    private void FailLeaderReads()
    {
        _readsInRound.AddRange(_waitingReads);
        foreach (ref readonly PendingRead read in CollectionsMarshal.AsSpan(_readsInRound))
        {
            if (read.From.IsNone) _outbox.ReadsFailed.Add(read.Number);
            else Send(read.From, new ReadIndexReply(Term, read.BootNonce, read.Number, LogIndex.Zero));
        }

        _waitingReads.Clear();
        _readsInRound.Clear();
        _readRound = 0;
        EndLease();
        _outbox.RoundToConfirm = 0;
    }

    private void HandleReadIndexRequest(ReplicaId from, ReadIndexRequest request)
    {
        bool isTaken = Role == Role.Leader && _waitingReads.Count < MaxWaitingForwards;
        if (isTaken) _waitingReads.Add(new PendingRead(from, request.BootNonce, request.Number));
        else Send(from, new ReadIndexReply(Term, request.BootNonce, request.Number, LogIndex.Zero));
    }

    // The reads of one turn share one request.
    private void ForwardReads()
    {
        _forwardNumber++;
        _forwarded.Add(new ForwardedReads(_forwardNumber, _now, _readsToForward));
        _readsToForward = [];
        Send(Leader, new ReadIndexRequest(Term, _options.BootNonce, _forwardNumber));
    }

    private void HandleReadIndexReply(ReadIndexReply reply)
    {
        // To an earlier life.
        if (reply.BootNonce != _options.BootNonce && !_faults.Has(FaultPoint.EarlierLifeAnswered)) return;
        int position = _forwarded.FindIndex(forwarded => forwarded.Number == reply.Number);
        if (position < 0) return; // Late: failed meanwhile, or answered.
        foreach (ulong requestId in _forwarded[position].RequestIds)
        {
            if (reply.Index == LogIndex.Zero) _outbox.ReadsFailed.Add(requestId);
            else _outbox.ReadsReady.Add(new ReadReady(requestId, reply.Index));
        }

        _forwarded.RemoveAt(position);
    }

    private void FailUnansweredReads()
    {
        while (_forwarded.Count > 0 && _now - _forwarded[0].SentAt >= _options.ElectionTimeout)
        {
            _outbox.ReadsFailed.AddRange(_forwarded[0].RequestIds);
            _forwarded.RemoveAt(0);
        }
    }

    private void FailForwardedReads()
    {
        foreach (ForwardedReads forwarded in _forwarded) _outbox.ReadsFailed.AddRange(forwarded.RequestIds);
        _forwarded.Clear();
        _outbox.ReadsFailed.AddRange(_readsToForward);
        _readsToForward.Clear();
    }

    private readonly record struct StartedRound(ulong Number, TimeSpan At);

    private readonly record struct PendingRead(ReplicaId From, ulong BootNonce, ulong Number);

    private readonly record struct ForwardedReads(ulong Number, TimeSpan SentAt, List<ulong> RequestIds);
}
