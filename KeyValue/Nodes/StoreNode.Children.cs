using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <content>Replicas of groups that were split off from groups with a replica here.</content>
public sealed partial class StoreNode
{
    /// <summary>
    /// A group was split off from one with a replica here, whose log names the new group's replica beside it. That begins
    /// with this base, unless it has moved on already, came first by a snapshot, or was removed: then nothing happens.
    /// </summary>
    /// <param name="isBesideLeader">Whether the replica that split leads.</param>
    internal void BearChild(ReplicaId id, GroupStateSnapshot start, bool isBesideLeader)
    {
        GroupId group = start.Descriptor.Group;
        Replica? live;
        lock (_lock)
        {
            bool resets = Faults.Has(FaultPoint.SplitReplayResetsChild);
            if (IsSettled(group, id) && !resets) return;
            live = _replicas.GetValueOrDefault(group);
            if (_own.TryGetValue(group, out OwnReplica? own))
            {
                // A later one came by a snapshot, or it is here and has a state, or will have as soon as it is open.
                bool hasState = own.Base is not null || live is { Descriptor.IsUnknown: false };
                if (own.Id > id || (own.Id == id && hasState && !resets)) return;
            }
            _own[group] = new OwnReplica(group, id, Start: null, start, isBesideLeader);
        }
        // Without a base it could only wait for a leader's snapshot.
        live?.Stop("it begins anew, with the base that its parent hands over");
        ChildrenLog.Born(Logger, Name, group, id, start.Descriptor);
        _options.ReplicaWanted?.Invoke(group);
    }

    /// <summary>Whether a replica needs its parent's log no more: it has a snapshot of its own, or is no more.</summary>
    internal bool IsSettled(GroupId group, ReplicaId id)
    {
        StoredReplica stored = Storage.FindReplica(group);
        return !stored.MayOpen(id) || stored.Snapshot is not null;
    }

    /// <summary>The base has served its purpose once a snapshot of a replica's own is durable.</summary>
    internal void ForgetBase(GroupId group)
    {
        lock (_lock)
        {
            if (_own.TryGetValue(group, out OwnReplica? own) && own.Base is not null)
                _own[group] = own with { Base = null };
        }
    }
}

internal static partial class ChildrenLog
{
    [LoggerMessage(48, LogLevel.Information, "{Node}: {Group} {Replica} begins by a split: {Descriptor}")]
    public static partial void Born(ILogger logger, NodeName node, GroupId group, ReplicaId replica,
        GroupDescriptor descriptor);
}
