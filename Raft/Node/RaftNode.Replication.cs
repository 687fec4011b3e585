namespace Orleans.Raft.Core;

// A leader's side of replication: probe, pipeline, back off. Raft §5.3; Thesis §10.2.1.
public sealed partial class RaftNode
{
    private bool _replicationIsDue;

    // The last AppendEntries made: followers at the same place share it.
    private AppendEntries? _sharedAppend;

    /// <summary>
    /// The driver is done with bringing a snapshot to a follower, whether it arrived or not: the follower's answer to
    /// the next heartbeat tells, and starts another attempt where it is needed.
    /// </summary>
    public void ReportSnapshotEnded(ReplicaId follower, TimeSpan now)
    {
        Advance(now);
        if (Role != Role.Leader || FindProgress(follower) is not { State: ReplicationState.Snapshot } progress) return;
        progress.BecomeProbe(progress.Match.Next());
        progress.ProbeSent(_round);
    }

    // Once per turn, so that all proposals of a turn travel together.
    private void Replicate()
    {
        _replicationIsDue = false;
        foreach (Progress progress in _progress)
        {
            switch (progress.State)
            {
                case ReplicationState.Probe: SendProbe(progress); break;
                case ReplicationState.Replicate: SendPipelined(progress); break;
                case ReplicationState.Snapshot: break; // The driver is at it.
            }
        }

        _sharedAppend = null;
    }

    private void SendProbe(Progress progress)
    {
        if (progress.ProbeIsOut) return;
        if (!_log.TryTermAt(progress.Next.Previous(), out _))
        {
            NeedSnapshot(progress);
            return;
        }

        Send(progress.Id, MakeAppend(progress.Next, _options.MaxAppendBytes));
        progress.ProbeSent(_round);
    }

    private void SendPipelined(Progress progress)
    {
        while (progress.Next <= _log.LastIndex && progress.InFlightAppends < _options.MaxInFlightAppends)
        {
            if (!_log.TryTermAt(progress.Next.Previous(), out _))
            {
                NeedSnapshot(progress);
                return;
            }

            long room = _options.MaxInFlightBytes - progress.InFlightBytes;
            if (progress.InFlightBytes > 0 && _log[progress.Next].Payload.Length > room) return;
            AppendEntries append = MakeAppend(progress.Next, Math.Min(_options.MaxAppendBytes, room));
            Send(progress.Id, append);
            LogIndex last = append.Previous.Index + (ulong)append.Entries.Length;
            progress.AppendSent(last, RaftLog.PayloadBytes(append.Entries.Span));
        }
    }

    private AppendEntries MakeAppend(LogIndex next, long maxBytes)
    {
        LogIndex previous = next.Previous();
        ReadOnlyMemory<LogEntry> entries = next > _log.LastIndex ? default : _log.Slice(next, _log.LastIndex, maxBytes);
        if (_sharedAppend is not { } shared || shared.Previous.Index != previous || !shared.Entries.Equals(entries))
            _sharedAppend = new AppendEntries(Term, new EntryId(_log.TermAt(previous), previous), entries, CommitIndex);
        return _sharedAppend;
    }

    private void NeedSnapshot(Progress progress)
    {
        progress.BecomeSnapshot();
        _outbox.SnapshotsToSend.Add(progress.Id);
    }

    private void HandleAppendReply(Progress progress, AppendEntriesReply reply)
    {
        if (reply.MatchIndex > _log.LastIndex)
        {
            Refuse();
            return;
        }

        progress.LastHeard = _now;
        bool isNew = progress.Acknowledge(reply.MatchIndex);
        switch (progress.State)
        {
            // Anything newly durable shows where the logs agree, even if it is not the answer to the probe that is out.
            case ReplicationState.Probe when isNew || reply.MatchIndex >= progress.Next.Previous():
                progress.BecomeReplicate();
                break;
            case ReplicationState.Snapshot when progress.Match >= Compacted.Index:
                progress.BecomeReplicate();
                break;
        }

        _replicationIsDue = true;
        if (!isNew) return;
        CommitByCounting();
        SendTimeoutNowIfCaughtUp(progress);
    }

    private void HandleRejection(Progress progress, AppendEntriesRejection rejection)
    {
        progress.LastHeard = _now;
        if (rejection.ConflictFirst == LogIndex.Zero)
        {
            bool isAnswer = progress.State == ReplicationState.Probe
                && rejection.Rejected == progress.Next.Previous();
            if (isAnswer && progress.Match == LogIndex.Zero) NeedSnapshot(progress);
            return;
        }

        bool isStale = rejection.Rejected <= progress.Match || rejection.Rejected > _log.LastIndex
            || progress.State switch
        {
            ReplicationState.Probe => rejection.Rejected != progress.Next.Previous(),
            ReplicationState.Replicate => rejection.Rejected >= progress.Next,
            _ => true,
        };
        if (isStale) return;
        progress.BecomeProbe(LogIndex.Min(NextAfterConflict(rejection), rejection.Rejected));
        _replicationIsDue = true;
    }

    // Raft §5.3: one rejection skips a whole term. The follower may agree up to our last entry of the conflicting term;
    // if we have none of it, all of the follower's are wrong.
    private LogIndex NextAfterConflict(AppendEntriesRejection rejection)
    {
        LogIndex first = LogIndex.Max(rejection.ConflictFirst, new LogIndex(1));
        if (rejection.ConflictTerm == Term.Zero) return first;
        LogIndex? ours = _log.LastAtMost(rejection.ConflictTerm, rejection.Rejected.Previous());
        bool haveTerm = ours is { } index && _log.TermAt(index) == rejection.ConflictTerm;
        return haveTerm ? ours!.Value.Next() : first;
    }

    private void HandleHeartbeatReply(Progress progress, HeartbeatReply reply)
    {
        if (reply.Round > _round)
        {
            Refuse();
            return;
        }

        progress.LastHeard = _now;
        LogIndex agreed = LogIndex.Min(reply.LastIndex, _log.LastIndex);
        switch (progress.State)
        {
            case ReplicationState.Probe when progress.ProbeIsOut && reply.Round > progress.ProbeRound:
                progress.BecomeProbe(LogIndex.Max(progress.Next, agreed.Next()));
                _replicationIsDue = true;
                break;
            case ReplicationState.Replicate when progress.CheckRound != 0 && reply.Round >= progress.CheckRound:
                CompareWithSent(progress, agreed);
                break;
            // The answer to the snapshot was lost.
            case ReplicationState.Snapshot when agreed >= Compacted.Index && agreed > LogIndex.Zero:
                progress.BecomeProbe(agreed.Next());
                _replicationIsDue = true;
                break;
        }

        if (reply.Round > progress.AckedRound)
        {
            progress.AckedRound = reply.Round;
            ConfirmRounds();
        }

        SendTimeoutNowIfCaughtUp(progress);
    }

    // What was sent before the round should be there by now. If not, it was lost (or overtaken: resending harms
    // nothing). If it is there but not acknowledged, the disk is slow or the answer was lost: an empty append asks
    // again.
    private void CompareWithSent(Progress progress, LogIndex agreed)
    {
        LogIndex sent = progress.CheckIndex;
        progress.EndCheck();
        bool isKnown = _log.TryTermAt(sent, out Term term);
        if (!isKnown || (agreed < sent && progress.Match < sent))
        {
            progress.BecomeProbe(agreed.Next());
            _replicationIsDue = true;
        }
        else if (agreed < sent || progress.Match < sent)
        {
            Send(progress.Id, new AppendEntries(Term, new EntryId(term, sent), default, CommitIndex));
        }
    }
}
