namespace Orleans.Raft.Core;

/// <summary>A leader's view of one follower. Lives for one term of leadership. Raft figure 2, "volatile state on
/// leaders".</summary>
internal sealed class Progress(ReplicaId id, LogIndex next, TimeSpan now, FaultPoints faults)
{
    private readonly Deque<InFlightAppend> _inFlight = new();

    public ReplicaId Id { get; } = id;

    /// <summary>Where it counts in the <see cref="VoterSet"/> in force; -1 if it does not.</summary>
    public int VoterPosition { get; set; } = -1;

    /// <summary>No member of the configuration in force any more: it is still told, so that it learns of
    /// that.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>Invariant: never falls; below <see cref="Next"/>.</summary>
    public LogIndex Match { get; private set; }

    public LogIndex Next { get; private set; } = next;

    public ReplicationState State { get; private set; } = ReplicationState.Probe;

    public long InFlightBytes { get; private set; }

    public int InFlightAppends => _inFlight.Count;

    /// <summary>When the follower last answered in this term; a new leader gives everyone an election
    /// timeout.</summary>
    public TimeSpan LastHeard { get; set; } = now;

    /// <summary>The latest heartbeat round it answered; 0 if none.</summary>
    public ulong AckedRound { get; set; }

    /// <summary>The latest round with which it fell silent; 0 if none.</summary>
    public ulong SilentRound { get; set; }

    /// <summary>Its node does not answer: it is not asked to fall silent.</summary>
    public bool IsAbsent { get; set; }

    /// <summary>In Probe: nothing more is sent until an answer, or the answer to a later round, arrives.</summary>
    public bool ProbeIsOut { get; private set; }

    /// <summary>The last round started before the probe was sent.</summary>
    public ulong ProbeRound { get; private set; }

    /// <summary>In Replicate: the round that shows whether what was sent before it arrived; 0 if none is out.</summary>
    public ulong CheckRound { get; private set; }

    /// <summary>The last index sent before <see cref="CheckRound"/>.</summary>
    public LogIndex CheckIndex { get; private set; }

    public void BecomeProbe(LogIndex next)
    {
        EnterState(ReplicationState.Probe);
        Next = LogIndex.Max(next, Match.Next());
    }

    public void BecomeReplicate()
    {
        EnterState(ReplicationState.Replicate);
        Next = Match.Next();
    }

    public void BecomeSnapshot() => EnterState(ReplicationState.Snapshot);

    public void ProbeSent(ulong round)
    {
        ProbeIsOut = true;
        ProbeRound = round;
    }

    public void AppendSent(LogIndex last, long bytes)
    {
        _inFlight.PushBack(new InFlightAppend(last, bytes));
        InFlightBytes += bytes;
        Next = last.Next();
    }

    /// <summary>Remembers what was sent before a round, to compare with its answer.</summary>
    public void CheckWith(ulong round)
    {
        if (State != ReplicationState.Replicate || CheckRound != 0) return;
        CheckRound = round;
        CheckIndex = Next.Previous();
    }

    public void EndCheck() => CheckRound = 0;

    /// <summary>Takes a durable acknowledgement; false if it says nothing new.</summary>
    public bool Acknowledge(LogIndex match)
    {
        if (match <= Match && !faults.Has(FaultPoint.MatchIndexLowered)) return false;
        Match = match;
        Next = LogIndex.Max(Next, match.Next());
        while (_inFlight.Count > 0 && _inFlight[0].Last <= match) InFlightBytes -= _inFlight.PopFront().Bytes;
        return true;
    }

    private void EnterState(ReplicationState state)
    {
        State = state;
        _inFlight.Clear();
        InFlightBytes = 0;
        ProbeIsOut = false;
        CheckRound = 0;
    }

    private readonly record struct InFlightAppend(LogIndex Last, long Bytes);
}
