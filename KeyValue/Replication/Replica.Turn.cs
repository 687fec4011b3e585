using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>One turn: inputs into the node, and out of it writes, messages, applied entries and answers.</content>
public sealed partial class Replica
{
    private const int ApplyMaxBytes = 1 << 20;

    private string? _stall;

    internal void OnMessage(ReplicaId from, NodeName sender, RaftMessage message)
    {
        if (!TakesFrom(from, sender, message) || _awaitsBase) return;
        switch (message)
        {
            case SnapshotChunk chunk: OnSnapshotChunk(from, chunk); break;
            case SnapshotChunkReply reply: OnSnapshotChunkReply(from, reply); break;
            case InstallSnapshot: break; // Only this replica itself says so, once it holds the file.
            default:
                if (message is ReadIndexRequest) NoteAsked();
                _node.Step(from, message, _host.Now);
                break;
        }
    }

    internal void OnPersisted(ulong number) => _node.PersistCompleted(number, _host.Now);

    internal void OnTick()
    {
        if (_awaitsBase) return;
        WatchDisk();
        _node.Tick(_host.Now);
        TickSnapshots();
        AskWhetherItBelongs();
        CampaignIfExpected();
        if (_node.IsSilent) return;
        AdvanceGroupTime();
        OfferSilence();
    }

    internal TransferStatus OnTransfer(NodeName target)
    {
        NoteAsked();
        if (_node.Role != Role.Leader) return TransferStatus.NotLeader;
        if (ReplicaOn(target) is not { } replica) return TransferStatus.UnknownTarget;
        if (replica == Id) return TransferStatus.LeadsAlready;
        Invariant.Require(_node.TransferLeadership(replica, _host.Now),
            $"the leader of {Group} does not know {replica}, which is placed on {target}");
        return TransferStatus.Started;
    }

    /// <summary>A leader whose disk hangs still sends heartbeats and would hold up its group: it steps down.</summary>
    private void WatchDisk()
    {
        string? stall = _host.DescribeStall();
        if (stall is not null && _stall is null) ReplicaLog.Stalled(_logger, _host.Name, Group, Id, stall);
        _stall = stall;
        if (stall is not null && _node.Role == Role.Leader) _node.StepDown(_host.Now);
    }

    private void DrainNode()
    {
        bool worked = !_awaitsBase;
        while (worked)
        {
            worked = _node.HasReady;
            if (worked) HandleReady(_node.TakeReady());
            if (_stopReason is not null) return;
            NoteRole();
            worked |= ApplyCommitted();
        }
        ConfirmWhatWaits();
        BearChildren();
        ServeReads();
        _host.FlushLinks();
        // Whole, offered and not adopted: the core had no use for it.
        if (_receiving is { State: not null, IsWorking: false } refused) EndReceiving(refused);
        LeaveIfRemoved();
        MaybeTakeSnapshot();
    }

    /// <summary>Does all the node asks for. The incarnation is checked first: nothing leaves a fenced replica, not even
    /// a heartbeat reply.</summary>
    private void HandleReady(Ready ready)
    {
        StopIfNotCurrent();
        if (_stopReason is not null) return;
        ulong round = ready.RoundToConfirm;
        if (ready.Configuration is { } change) NoteConfiguration(change);
        if (ready.Write is { } write)
        {
            if (write.Snapshot is { } snapshot) AdoptReceivedState(snapshot);
            _storage.Submit(write, this);
        }
        bool mustConfirm = _host.Storage.NeedsConfirming && !_faults.Has(FaultPoint.RoundConfirmedByTheReplaced);
        foreach (OutboundMessage outbound in ready.Messages)
        {
            if (mustConfirm && outbound.Message is HeartbeatReply) HoldUntilConfirmed(outbound);
            else Send(outbound.To, outbound.Message);
        }
        foreach (ReadReady read in ready.ReadsReady) OnReadIndex(read);
        foreach (ulong read in ready.ReadsFailed) OnReadFailed(read);
        foreach (ReplicaId follower in ready.SnapshotsToSend) StartSending(follower);
        if (round != 0 && mustConfirm) _unconfirmedRound = round;
        else if (round != 0) _node.ConfirmRound(round, _host.Now);
    }

    private void Send(ReplicaId to, RaftMessage message)
    {
        if (NodeOf(to) is { } node || _strangers.TryGetValue(to, out node))
            _host.Send(node, new MessageAddress(Group, Id, to), message);
    }

    private bool ApplyCommitted()
    {
        ReadOnlyMemory<LogEntry> entries = _node.NextCommitted(ApplyMaxBytes);
        if (entries.IsEmpty) return false;
        foreach (ref readonly LogEntry entry in entries.Span) ApplyEntry(entry);
        _node.Applied(entries.Span[^1].Index);
        return true;
    }

    private void NoteRole()
    {
        if (_node.Role == _lastRole && _node.Term == _lastTerm && _node.Leader == _lastLeader) return;
        if (_lastRole == Role.Leader && (_node.Role != Role.Leader || _node.Term != _lastTerm))
        {
            // What is committed is not unknown: one that left office by its own removal committed it itself.
            while (ApplyCommitted())
            {
            }
            if (!_faults.Has(FaultPoint.WriteAnsweredByIndex)) AbandonWrites();
            StopSending();
        }
        if (_node.Role == Role.Leader) _leaderTimeBase = null;
        CountElection();
        NoteAsked();
        _lastRole = _node.Role;
        _lastTerm = _node.Term;
        _lastLeader = _node.Leader;
        ReplicaLog.RoleChanged(_logger, _host.Name, Group, Id, _node.Role, _node.Term, _node.LastEntry.Index,
            _node.Leader);
    }
}
