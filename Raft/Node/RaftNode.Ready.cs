namespace Orleans.Raft.Core;

// What the driver has to do.
public sealed partial class RaftNode
{
    // One is filled while the driver reads the other.
    private Ready _outbox = new();
    private Ready _taken = new();

    /// <summary>Whether <see cref="TakeReady"/> has something. Committed entries are asked for by
    /// <see cref="NextCommitted"/>.</summary>
    public bool HasReady =>
        _outbox.Messages.Count > 0 || _replicationIsDue || IsWriteDue || IsReadRoundDue || _readsToForward.Count > 0
        || _outbox.ReadsReady.Count > 0 || _outbox.ReadsFailed.Count > 0 || _outbox.SnapshotsToSend.Count > 0
        || _outbox.RoundToConfirm != 0 || _outbox.Configuration is not null;

    /// <summary>Takes all that is to be done. Valid until the next call.</summary>
    public Ready TakeReady()
    {
        if (_replicationIsDue) Replicate();
        if (IsReadRoundDue) StartReadRound();
        if (_readsToForward.Count > 0) ForwardReads();
        _outbox.Write = TakeWrite();
        (_outbox, _taken) = (_taken, _outbox);
        _outbox.Clear();
        return _taken;
    }

    private void Send(ReplicaId to, RaftMessage message) => _outbox.Messages.Add(new OutboundMessage(to, message));
}
