namespace Orleans.Raft.Core;

// Leadership transfer. Thesis §3.10.
public sealed partial class RaftNode
{
    private ReplicaId _transferTarget;
    private TimeSpan _transferDeadline;

    // In this leadership; see HasLease.
    private bool _timeoutNowWasSent;

    public bool IsTransferringLeadership => !_transferTarget.IsNone;

    /// <summary>
    /// Starts handing leadership to <paramref name="target"/>: brings its log up to date, then tells it to campaign.
    /// Until it wins, or an election timeout has passed, proposals are Busy. A transfer to another replica is replaced.
    /// </summary>
    /// <returns>False, and nothing changes, if this replica does not lead, or the target is itself, unknown, a learner
    /// or leaving.</returns>
    public bool TransferLeadership(ReplicaId target, TimeSpan now)
    {
        Wake(now);
        if (Role != Role.Leader || !MayLead(target) || FindProgress(target) is not { } progress) return false;
        if (_transferTarget == target) return true;
        _transferTarget = target;
        _transferDeadline = _now + _options.ElectionTimeout;
        if (!_faults.Has(FaultPoint.LeaseKeptThroughTransfer)) EndLease();
        SendTimeoutNowIfCaughtUp(progress);
        return true;
    }

    // Neither a learner nor a voter that a change under way removes.
    private bool MayLead(ReplicaId replica) => Configuration.Voters.Any(voter => voter.Id == replica);

    // Sent again with every heartbeat the target answers: the first may be lost, and it acts on one only.
    private void SendTimeoutNowIfCaughtUp(Progress progress)
    {
        if (progress.Id != _transferTarget || progress.Match < _log.LastIndex) return;
        Send(progress.Id, new TimeoutNow(Term));
        _timeoutNowWasSent = true;
    }

    private void AbortTransferIfOverdue()
    {
        if (IsTransferringLeadership && _now >= _transferDeadline) EndTransfer();
    }

    // A lease needs a round started after this.
    private void EndTransfer()
    {
        _transferTarget = ReplicaId.None;
        EndLease();
    }
}
