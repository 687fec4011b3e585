namespace Orleans.Raft.Core;

/// <summary>
/// One replica of one Raft group. Deterministic and single-threaded: every input carries monotonic time, and all that
/// is to be done comes out of <see cref="TakeReady"/>. Take the ready after each input, or after each batch of inputs,
/// until <see cref="HasReady"/> is false.
/// </summary>
public sealed partial class RaftNode
{
    private readonly RaftOptions _options;
    private readonly RaftLog _log;
    private readonly FaultPoints _faults;
    private SplitMix64 _random;

    // The latest time any input carried.
    private TimeSpan _now;
    private TimeSpan _electionDeadline;

    // Invariant: never earlier than an election timeout after the leader was last heard; leases rest on it.
    private TimeSpan _refuseVotesUntil;

    /// <summary>Starts a replica from what its disk holds.</summary>
    /// <param name="now">Monotonic time; all later inputs measure from the same origin.</param>
    /// <exception cref="ArgumentException">The options have problems; the message lists them.</exception>
    /// <exception cref="InvariantViolationException">The recovered state contradicts itself.</exception>
    public RaftNode(RaftOptions options, RaftState recovered, TimeSpan now)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(recovered);
        IReadOnlyList<string> problems = options.Validate();
        if (problems.Count > 0) throw new ArgumentException(string.Join(' ', problems), nameof(options));

        _options = options;
        _faults = options.Faults;
        _random = new SplitMix64(options.Seed ^ (options.Id.Value * 0xD6E8FEB86659FD93));
        _now = now;
        _log = new RaftLog(recovered.Snapshot);
        _configurations = new ConfigurationHistory(recovered.Snapshot.Index, recovered.Configuration, _faults);
        Recover(recovered);
        _voters = new VoterSet(Configuration, _faults);
        ResetElectionDeadline();

        // An earlier life may have confirmed a round just before it ended, so its promise is kept for one timeout.
        _refuseVotesUntil = Term > Term.Zero && !_faults.Has(FaultPoint.PromiseForgottenByRestart)
            ? now + options.ElectionTimeout
            : now;
        if (_voters.IsOnly(Id)) BecomeCandidate(isTransfer: false);
    }

    public ReplicaId Id => _options.Id;

    /// <summary>Invariant: never goes back. Raft §5.1.</summary>
    public Term Term { get; private set; }

    public Role Role { get; private set; }

    /// <summary>The leader of <see cref="Term"/> if this replica knows it, else none.</summary>
    public ReplicaId Leader { get; private set; }

    /// <summary>Invariant: never goes back within one life. It may lie beyond <see cref="DurableIndex"/>.</summary>
    public LogIndex CommitIndex { get; private set; }

    /// <summary>Invariant: at most <see cref="CommitIndex"/>. A snapshot that is accepted raises it.</summary>
    public LogIndex LastApplied { get; private set; }

    /// <summary>The last entry of the log, durable or not.</summary>
    public EntryId LastEntry => _log.Last;

    /// <summary>The last entry no longer kept in memory; zero if all are.</summary>
    public EntryId Compacted => _log.Compacted;

    /// <summary>The first index kept in memory; one past <see cref="LastEntry"/> if none is.</summary>
    public LogIndex FirstKept => _log.FirstKept;

    /// <summary>Payload bytes of the entries kept in memory.</summary>
    public long LogBytes => _log.Bytes;

    /// <summary>Messages from nobody, of kinds the core or its role does not take, or malformed.</summary>
    public long RefusedMessages { get; private set; }

    internal RaftLog Log => _log;

    internal ReplicaId VotedFor => _votedFor;

    /// <summary>Lets time pass. Any period will do: the node compares <paramref name="now"/>, it never counts
    /// ticks.</summary>
    public void Tick(TimeSpan now)
    {
        Advance(now);
        if (IsSilent) return;
        if (Role == Role.Leader) TickLeader();
        else TickOthers();
    }

    /// <summary>Takes a message from another replica of the group. Lost, late, repeated and reordered ones do no
    /// harm.</summary>
    /// <exception cref="InvariantViolationException">Safety is already broken: two leaders in one term, or a committed
    /// entry contradicted.</exception>
    public void Step(ReplicaId from, RaftMessage message, TimeSpan now)
    {
        ArgumentNullException.ThrowIfNull(message);
        Advance(now);
        if (from == Id || from.IsNone || !MessageRules.IsWellFormed(message) || IsTooEarly(message))
        {
            Refuse();
            return;
        }

        if (IsAnswerOfStranger(from, message)) return;
        if (IsSilent)
        {
            if (IsOldNews(message)) return;
            Awaken();
        }

        switch (message)
        {
            case PreVote request: AnswerPreVote(from, request); return;
            case RequestVote request: AnswerRequestVote(from, request); return;
            case PreVoteReply { Granted: true } reply: HandlePreVoteGranted(from, reply); return;
        }

        if (message.Term < Term)
        {
            AnswerOlderTerm(from, message);
            return;
        }

        if (message.Term > Term) BecomeFollower(message.Term, ReplicaId.None);
        switch (Role)
        {
            case Role.Leader: StepLeader(from, message); break;
            case Role.Follower: StepFollower(from, message); break;
            default: StepCandidate(from, message); break;
        }
    }

    /// <summary>The next committed entries to apply, from <see cref="LastApplied"/> on; more may follow after these.
    /// Empty if there are none.</summary>
    /// <param name="maxBytes">Payload bytes; a single larger entry comes alone.</param>
    public ReadOnlyMemory<LogEntry> NextCommitted(int maxBytes)
    {
        if (LastApplied == CommitIndex) return default;
        LogIndex first = LastApplied.Next();
        if (_faults.Has(FaultPoint.ApplySkipsEntry) && first < CommitIndex) first = first.Next();
        return _log.Slice(first, CommitIndex, maxBytes);
    }

    /// <summary>Everything up to <paramref name="index"/> is applied to the state machine. An index a snapshot has
    /// overtaken is ignored.</summary>
    public void Applied(LogIndex index)
    {
        Invariant.Require(index <= CommitIndex, $"{Id} applied {index} beyond its commit {CommitIndex}");
        LastApplied = LogIndex.Max(LastApplied, index);
    }

    /// <summary>
    /// Forgets entries up to and including <paramref name="upTo"/> in memory, but none that is not yet durable: those
    /// stay until a later call. Slices handed out before stay valid.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Not all of it is applied; nothing was forgotten.</exception>
    public void Compact(LogIndex upTo)
    {
        if (upTo > LastApplied)
            throw new ArgumentOutOfRangeException(nameof(upTo), $"{upTo} is not applied yet; {LastApplied} is.");
        _log.Compact(LogIndex.Min(upTo, DurableIndex));
        _configurations.Compact(_log.Compacted.Index);
    }

    private void Advance(TimeSpan now) => _now = now > _now ? now : _now;

    private void Refuse() => RefusedMessages++;

    private void SetTerm(Term term)
    {
        Invariant.Require(term > Term, $"{Id} would go from {Term} to {term}");
        Term = term;
        IsSilent = false;
        _silenceRound = 0;
        _votedFor = ReplicaId.None;
        _held.Clear();
        ForgetAgreement();
    }

    private void SetLeader(ReplicaId leader)
    {
        if (Leader == leader) return;
        Leader = leader;
        FailForwardedReads();
    }

    private void ResetElectionDeadline()
    {
        ulong spread = _random.NextBelow((ulong)_options.ElectionTimeout.Ticks);
        _electionDeadline = _now + _options.ElectionTimeout + TimeSpan.FromTicks((long)spread);
    }

    // The sender is behind: a leader among such learns our term from the answer and makes way, so that a replica which
    // alone reached a higher term can rejoin although nobody grants it votes while the leader lives.
    private void AnswerOlderTerm(ReplicaId from, RaftMessage message)
    {
        switch (message)
        {
            case AppendEntries or Heartbeat or InstallSnapshot or FallSilent:
                SendWhenTermIsDurable(
                    from, new AppendEntriesRejection(Term, LogIndex.Zero, Term.Zero, new LogIndex(1)));
                break;
            case ReadIndexRequest request: HandleReadIndexRequest(from, request); break;
            default: break; // A late reply, or a late TimeoutNow.
        }
    }
}
