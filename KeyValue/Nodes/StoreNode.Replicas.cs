using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <content>The replicas that belong on this node: how they come, are opened, and go.</content>
public sealed partial class StoreNode
{
    // Guarded by the lock: those that should be open, and those that are.
    private readonly SortedDictionary<GroupId, OwnReplica> _own = [];
    private readonly SortedDictionary<GroupId, Replica> _replicas = [];

    // A node that joined makes no replica before it has ruled out those that an earlier disk under its name may have had.
    private volatile bool _mayCreate;

    // This node formed the cluster, with the disk it has.
    private volatile bool _wasThere;

    // Those of _replicas that need ticks.
    private readonly HashSet<Replica> _awake = [];

    // What _replicas and _awake hold; null: to be copied anew.
    private Replica[]? _allCopied;
    private Replica[]? _awakeCopied;

    /// <summary>The groups with a replica on this node at present: each should be open.
    /// <see cref="StoreNodeOptions.ReplicaWanted"/> hears of new ones. Empty until <see cref="Formed"/>
    /// completed.</summary>
    public IReadOnlyList<GroupId> OwnGroups
    {
        get
        {
            lock (_lock) return [.. _own.Keys];
        }
    }

    /// <summary>The replicas that are open, or were and could not go on.</summary>
    public IReadOnlyList<Replica> Replicas
    {
        get
        {
            lock (_lock) return _allCopied ??= [.. _replicas.Values];
        }
    }

    /// <summary>Messages that were dropped because they were for replicas that were removed from here.</summary>
    public long LateMessages => _intake.Late;

    /// <summary>Opens this node's replica of a group. An instance opened before is fenced and can do nothing any
    /// more.</summary>
    /// <param name="scheduler">Where its turns run.</param>
    /// <exception cref="ReplicaRefusedException">The group has no replica on this node, or not any more.</exception>
    public async Task<Replica> OpenReplicaAsync(GroupId group, TaskScheduler scheduler)
    {
        while (true)
        {
            OwnReplica own = FindOwn(group) ?? throw new ReplicaRefusedException($"{Name} has no replica of {group}.");
            Replica replica = await Replica.OpenAsync(this, own, scheduler);
            if (Adopt(replica)) return replica;
        }
    }

    /// <summary>The replica of a group open here, or null.</summary>
    public Replica? Find(GroupId group)
    {
        lock (_lock) return _replicas.GetValueOrDefault(group);
    }

    /// <summary>
    /// Removes this node's replica of a group, which its group has removed: it stops, its data is deleted, and its id
    /// never comes back here. Done durably on return; may be repeated. A later replica of the group stays.
    /// </summary>
    /// <exception cref="FencedException">The node stopped meanwhile; whether it was done shows when it starts
    /// again.</exception>
    public async Task RetireReplicaAsync(GroupId group, ReplicaId replica)
    {
        Replica? live;
        ValueTask retiring;
        lock (_lock)
        {
            if (_own.TryGetValue(group, out OwnReplica? own) && own.Id <= replica) _own.Remove(group);
            live = _replicas.GetValueOrDefault(group);
            // Under the lock: nobody may find it neither here nor removed, and make it anew.
            retiring = Storage.RetireReplicaAsync(group, replica);
        }
        if (live?.Id <= replica) live.Stop("it was removed from its group");
        await retiring;
        lock (_lock)
        {
            if (live?.Id <= replica && _replicas.GetValueOrDefault(group) == live)
            {
                _replicas.Remove(group);
                NoteReplaced(live);
            }
        }
    }

    /// <summary>See <see cref="RetireReplicaAsync"/>; nobody waits for it.</summary>
    internal void Retire(GroupId group, ReplicaId replica) => _ = Task.Factory.StartNew(
        () => RetireAndLogAsync(group, replica), CancellationToken.None, TaskCreationOptions.DenyChildAttach,
        _options.Scheduler);

    /// <summary>The replica of a group that belongs here, or null.</summary>
    internal OwnReplica? FindOwn(GroupId group)
    {
        lock (_lock) return _own.GetValueOrDefault(group);
    }

    /// <summary>
    /// A node that joined has heard of all groups for the first time in this life. What leaders still send to replicas that
    /// an earlier disk under its name had must not make them anew: they would have forgotten what they promised. So all
    /// ids are ruled out durably but for those that its groups gave to this disk, which are the only ones they have here.
    /// </summary>
    /// <param name="merged">Groups that are no more: what is left of them may still count on what that disk had, and the
    /// log of a group from which one was split off may still name it.</param>
    /// <param name="nextGroup">No group had this number or a higher one yet: what comes later never was on an earlier
    /// disk.</param>
    /// <exception cref="FencedException">The node stopped meanwhile.</exception>
    internal async Task RuleOutEarlierReplicasAsync(
        IReadOnlyList<GroupDescriptor> groups, IReadOnlyList<MergedGroup> merged, uint nextGroup)
    {
        if (_mayCreate) return;
        var ruling = new List<Task>();
        lock (_lock)
        {
            foreach (GroupDescriptor group in groups)
            {
                if (_own.ContainsKey(group.Group)) continue;
                ReplicaId here = group.Replicas.FirstOrDefault(replica => replica.Node == Name).Id;
                RuleOut(group.Group, new ReplicaId(here.IsNone ? group.HighestReplica.Value : here.Value - 1));
            }
            foreach (MergedGroup gone in merged)
                if (!_own.ContainsKey(gone.Group)) RuleOut(gone.Group, new ReplicaId(ulong.MaxValue));
        }
        foreach (Task one in ruling) await one;
        await RecordFirstNewGroupAsync(nextGroup);
        _mayCreate = true;

        void RuleOut(GroupId group, ReplicaId last)
        {
            if (last > Storage.FindReplica(group).Removed) ruling.Add(Storage.RetireReplicaAsync(group, last).AsTask());
        }
    }

    /// <summary>Whether a replica of a group may begin here by being asked for its vote, as one that never promised
    /// anything: no earlier disk of this node can have had it.</summary>
    internal bool MayVoteFromNothing(GroupId group) =>
        _wasThere || (_mayCreate && Formation.FirstNewGroup is { } first && group.Value >= first);

    /// <summary>A group counts on a new replica here: it begins with nothing and waits for a snapshot. Nothing happens
    /// if the group has a replica here, or that one was removed.</summary>
    internal void Create(GroupId group, ReplicaId replica)
    {
        // Leaders ask again.
        if (!_mayCreate) return;
        lock (_lock)
        {
            if (_own.ContainsKey(group) || !Storage.FindReplica(group).MayOpen(replica)) return;
            _own[group] = new OwnReplica(group, replica, Start: null);
        }
        ReplicasLog.Created(Logger, Name, group, replica);
        _options.ReplicaWanted?.Invoke(group);
    }

    /// <summary>From now on frames and callers find this instance instead of the one before. False, and it is to be
    /// opened again, if it was born meanwhile and has missed its base.</summary>
    internal bool Adopt(Replica replica)
    {
        Replica? fenced;
        bool missedBase;
        lock (_lock)
        {
            // Two openings may end in any order; the younger incarnation is the one that lives. One that was removed
            // while it was being opened does not.
            bool isWanted = _own.TryGetValue(replica.Group, out OwnReplica? own) && own.Id == replica.Id;
            bool isYoungest = !_replicas.TryGetValue(replica.Group, out fenced)
                || fenced.Incarnation < replica.Incarnation;
            missedBase = isWanted && isYoungest && own!.Base is not null && replica.Descriptor.IsUnknown;
            if (isWanted && isYoungest && !missedBase)
            {
                _replicas[replica.Group] = replica;
                NoteReplaced(fenced);
                NoteAsleep(replica);
            }
            else fenced = replica;
        }
        // Fenced it is already; nobody may tick it any more, and those who wait for it must hear of it.
        fenced?.Stop(missedBase
            ? "it begins anew, with the base that its parent handed over"
            : "another instance of this replica was opened");
        return !missedBase;
    }

    /// <summary>A replica was opened, or fell asleep, or woke.</summary>
    internal void NoteAsleep(Replica replica)
    {
        lock (_lock)
        {
            bool isAwake = !replica.IsAsleep && _replicas.GetValueOrDefault(replica.Group) == replica;
            if (isAwake ? _awake.Add(replica) : _awake.Remove(replica)) _awakeCopied = null;
        }
    }

    private void NoteReplaced(Replica? former)
    {
        if (former is not null && _awake.Remove(former)) _awakeCopied = null;
        _openReplicas = _replicas.Count;
        _allCopied = null;
    }

    private Replica[] TakeAwake(bool all)
    {
        lock (_lock)
        {
            if (all) return [.. _replicas.Values.Where(replica => replica.StopReason is null)];
            return _awakeCopied ??= [.. _awake.OrderBy(replica => replica.Group)];
        }
    }

    private async Task RetireAndLogAsync(GroupId group, ReplicaId replica)
    {
        try
        {
            await RetireReplicaAsync(group, replica);
        }
        // The storage failed, and everybody here hears of that; or the node stops, and its next life is told again.
        catch (Exception failure) when (failure is IOException or FencedException)
        {
            ReplicasLog.NotRetired(Logger, failure, Name, group, replica, failure.Message);
        }
    }

    /// <summary>What the formation placed here and was not removed since, and what came later.</summary>
    private void FindOwnReplicas(FormationRecord record)
    {
        // One that came with another disk, under the name of one that was lost, has none of what that promised.
        _wasThere = record.Nodes.Contains(new FormationNode(Name, Storage.StoreId));
        _mayCreate = _wasThere || _options.Controller is null;
        IEnumerable<GroupDescriptor> formed = _options.Controller is null
            ? record.Groups
            : record.Groups.Prepend(MetaGroup.FormedBy(record));
        foreach (GroupDescriptor group in formed)
        {
            foreach (ReplicaPlacement placement in group.Replicas)
            {
                if (_wasThere && placement.Node == Name && Storage.FindReplica(group.Group).MayOpen(placement.Id))
                    _own[group.Group] = new OwnReplica(group.Group, placement.Id, group);
            }
        }
        foreach (StoredReplica stored in Storage.Replicas)
        {
            if (!stored.Replica.IsNone)
                _own.TryAdd(stored.Group, new OwnReplica(stored.Group, stored.Replica, Start: null));
        }
    }

    private void StopReplicas(string reason)
    {
        foreach (Replica replica in Replicas) replica.Stop(reason);
    }
}

internal static partial class ReplicasLog
{
    [LoggerMessage(46, LogLevel.Information, "{Node}: {Group} has a new replica here, {Replica}")]
    public static partial void Created(ILogger logger, NodeName node, GroupId group, ReplicaId replica);

    [LoggerMessage(47, LogLevel.Warning, "{Node}: {Group} {Replica} is not removed yet: {Reason}")]
    public static partial void NotRetired(ILogger logger, Exception failure, NodeName node, GroupId group,
        ReplicaId replica, string reason);
}
