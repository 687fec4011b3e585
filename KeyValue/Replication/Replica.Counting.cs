using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>What it did, added to what its node did, once a turn.</content>
public sealed partial class Replica
{
    private int _proposed;
    private int _served;

    /// <summary>Requests that it has not answered yet.</summary>
    internal int WaitingRequests => Volatile.Read(ref _pendingRequests);

    /// <summary>Bytes of those requests, and of messages for its next turn.</summary>
    internal long WaitingBytes => Interlocked.Read(ref _pendingBytes) + Interlocked.Read(ref _inboxBytes);

    private void CountTurn(ReplicaSummary before, ReplicaSummary after)
    {
        StoreCounters counters = _host.Counters;
        counters.Add(StoreCount.ProposedBatches, _proposed);
        counters.Add(StoreCount.ReadBatches, _served);
        (_proposed, _served) = (0, 0);
        counters.Add(StoreCount.CommittedEntries, (long)after.Commit.Value - (long)before.Commit.Value);
        counters.Add(StoreCount.AppliedEntries, (long)after.Applied.Value - (long)before.Applied.Value);
        counters.Add(StoreCount.RefusedMessages, after.RefusedMessages - before.RefusedMessages);
    }

    /// <summary>A turn in which it both stood and won is one election; so is one in which it won an earlier
    /// one.</summary>
    private void CountElection()
    {
        bool stands = _node.Role is Role.Candidate or Role.Leader;
        bool stood = _lastRole is Role.Candidate or Role.Leader && _node.Term == _lastTerm;
        if (stands && !stood) _host.Counters.Add(StoreCount.Elections, 1);
        if (_node.Leader != _lastLeader && !_node.Leader.IsNone) _host.Counters.Add(StoreCount.LeaderChanges, 1);
    }
}
