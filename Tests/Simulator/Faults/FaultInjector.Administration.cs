using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;
using Orleans.Raft.Testing;
using Operation = Orleans.Raft.Linearizability.Operation;

namespace Orleans.Raft.Simulator;

/// <content>What administrators ask for while all else goes wrong.</content>
internal sealed partial class FaultInjector
{
    private const int FewestNodes = 4;
    private const int MostNodes = 7;

    // Nodes that an administrator wants empty, or gone.
    private readonly SortedSet<NodeName> _leaving = [];
    private int _joined;

    // Is lost and never comes back.
    private NodeName? _dead;

    // Comes back with an empty disk.
    private NodeName? _replacing;

    /// <summary>Nodes that stay.</summary>
    private NodeName[] Staying => [.. _cluster.AllNames.Where(name => !_leaving.Contains(name) && name != Lost)];

    private bool Split(Fault fault, Random random)
    {
        string key = _workload.AnyKey(random);
        Note(fault, $"at {key}");
        NodeName? full = random.Next(2) == 0 ? CrowdOutChild(key, random) : null;
        TimeSpan wait = TimeSpan.FromMilliseconds(random.Next(200, 1500));
        Follow(fault, async () =>
        {
            bool isDone = await _administrator.TryAsync(new SplitRequest(Operation.Bytes(key)));
            if (full is not { } name) return isDone;
            await _administrator.DelayAsync(wait);
            await BetweenStepsAsync(() => LosePowerAfterSplit(name));
            return isDone;
        });
        return false; // This and the others count when they are done.
    }

    /// <summary>On a node that holds a key's group there is no room for a snapshot of the group to come: its parent's log
    /// is needed for longer.</summary>
    private NodeName? CrowdOutChild(string key, Random random)
    {
        const int MostIds = 4;
        const int MostTries = 50;
        GroupDescriptor? parent = _invariants.Ranges.FirstOrDefault(group => group.Contains(Operation.Bytes(key)));
        if (parent is null || _cluster.Disks.Count == 0) return null;
        NodeName name = parent.Replicas[random.Next(parent.Replicas.Count)].Node;
        uint last = _invariants.NewestGroup.Value;
        for (uint id = last + 1; id <= last + MostIds; id++)
            for (int i = 0; i < MostTries; i++)
                _cluster.Disks[name].FailNext(DiskOperationKind.Write, $"g{id}-", DiskFailure.Full);
        return name;
    }

    private void LosePowerAfterSplit(NodeName name)
    {
        _cluster.Disks[name].ForgetFailures();
        if (!_cluster.Nodes.ContainsKey(name) || name == Lost) return;
        _trace.Note($"{name} dies after the split and loses all that was not flushed");
        _cluster.CrashNode(name);
        In(TimeSpan.FromMilliseconds(300), () => StartIfDown(name));
    }

    private bool Merge(Fault fault, Random random)
    {
        IReadOnlyList<GroupDescriptor> groups = _invariants.Ranges;
        if (groups.Count < 2) return false;
        int left = random.Next(groups.Count - 1);
        Note(fault, $"of {groups[left].Group} with {groups[left + 1].Group}");
        Follow(fault, () => _administrator.TryAsync(
            new MergeGroupsRequest(groups[left].Group, groups[left + 1].Group)));
        if (random.Next(3) == 0) return false;
        GroupId hit = random.Next(5) switch
        {
            0 => GroupId.Meta,
            1 or 2 => groups[left].Group,
            _ => groups[left + 1].Group,
        };
        In(TimeSpan.FromMilliseconds(random.Next(400)), () => HitLeader(fault, hit, random));
        return false;
    }

    /// <summary>In the middle of a merge the leader of a group that has to do with it is away, or the controller does not
    /// hear of it.</summary>
    private void HitLeader(Fault fault, GroupId group, Random random)
    {
        if (_cluster.LeaderOf(group) is not { } leader || leader == Lost || _cluster.IsPaused(leader)) return;
        TimeSpan lasting = TimeSpan.FromMilliseconds(random.Next(100, 3000));
        switch (random.Next(5))
        {
            case 0:
                Note(fault, $"{leader}, which leads {group}, dies and loses all that was not flushed");
                _cluster.CrashNode(leader);
                In(lasting, () => StartIfDown(leader));
                break;
            case 1:
                Note(fault, $"{leader}, which leads {group}, is cut off");
                CutFor(lasting, [.. BothWays([leader], _cluster.AllNames.ToArray())]);
                break;
            case 2:
                Note(fault, $"{leader}, which leads {group}, stands still");
                _cluster.Pause(leader);
                In(lasting, () => Resume(leader));
                break;
            default:
                if (_cluster.LeaderOf(GroupId.Meta) is not { } controller || controller == leader) return;
                Note(fault, $"{leader}, which leads {group}, and {controller}, the controller, do not hear each other");
                CutFor(lasting, [.. BothWays([leader], [controller])]);
                break;
        }
    }

    private bool Move(Fault fault, Random random)
    {
        if (AnyGroup(random) is not { } group) return false;
        ReplicaPlacement from = group.Replicas[random.Next(group.Replicas.Count)];
        NodeName[] places = [.. Staying.Where(name => group.Replicas.All(replica => replica.Node != name))];
        if (places.Length == 0) return false;
        NodeName to = places[random.Next(places.Length)];
        Note(fault, $"of {group.Group} from {from.Node} to {to}");
        Follow(fault, () => _administrator.TryAsync(new MoveReplicaRequest(group.Group, from.Node, to)));
        return false;
    }

    private bool Lead(Fault fault, Random random)
    {
        if (AnyGroup(random) is not { } group) return false;
        NodeName to = group.Replicas[random.Next(group.Replicas.Count)].Node;
        Note(fault, $"of {group.Group} to {to}");
        Follow(fault, () => _administrator.TryAsync(new TransferLeaderRequest(group.Group, to)));
        return false;
    }

    private bool Join(Fault fault)
    {
        if (Staying.Length >= MostNodes) return false;
        var name = new NodeName($"node-{_cluster.Names.Count + ++_joined}");
        Note(fault, $"{name} joins");
        _cluster.StartJoiningNode(name);
        CalmDisk(name);
        Follow(fault, () => _administrator.WaitUntilUpAsync(name));
        return false;
    }

    private bool Drain(Fault fault, Random random)
    {
        if (PickLeaving(random) is not { } name) return false;
        bool isRemoved = random.Next(2) == 0;
        Note(fault, $"{name} is drained");
        Follow(fault, async () =>
        {
            bool isEmpty = await _administrator.TryAsync(new DrainNodeRequest(name));
            await _administrator.DelayAsync(fault.Lasting);
            if (isEmpty && isRemoved) return await RemoveAsync(name);
            await _administrator.InsistAsync(new DrainNodeRequest(name, Undo: true));
            _leaving.Remove(name);
            return isEmpty;
        });
        return false;
    }

    private bool Remove(Fault fault, Random random)
    {
        if (PickLeaving(random) is not { } name) return false;
        Note(fault, $"{name} is removed");
        Follow(fault, () => RemoveAsync(name));
        return false;
    }

    private bool LoseNode(Fault fault, Random random)
    {
        if (!MayLoseDisk() || PickLeaving(random) is not { } name) return false;
        Note(fault, $"{name} dies for good");
        Destroy(name, fault);
        _dead = name;
        Follow(fault, async () =>
        {
            await _administrator.DelayAsync(TimeSpan.FromSeconds(8 * random.NextDouble()));
            await _administrator.InsistAsync(new RemoveNodeRequest(name));
            _cluster.ForgetNode(name);
            _leaving.Remove(name);
            Lost = _dead = null;
            return true;
        });
        return false;
    }

    private bool SwitchBalanceOff(Fault fault)
    {
        Note(fault, "");
        Follow(fault, async () =>
        {
            bool isOff = await _administrator.TryAsync(new SwitchBalanceRequest(On: false));
            await _administrator.DelayAsync(fault.Lasting);
            await _administrator.InsistAsync(new SwitchBalanceRequest(On: true));
            return isOff;
        });
        return false;
    }

    /// <summary>A node that is up goes when no group needs it any more; false if the cluster wants to keep it.</summary>
    private async Task<bool> RemoveAsync(NodeName name)
    {
        // Once it was accepted there is no way back, and an answer that got lost may have been the acceptance.
        AdministrationAnswer? answer = await _administrator.AskOnceAsync(new RemoveNodeRequest(name));
        if (answer?.Status == AdministrationStatus.Refused)
        {
            _trace.Note($"removal of {name}: refused: {answer.Text}");
            await _administrator.InsistAsync(new DrainNodeRequest(name, Undo: true));
            _leaving.Remove(name);
            return false;
        }
        await _administrator.InsistAsync(new RemoveNodeRequest(name));
        await BetweenStepsAsync(() =>
        {
            _trace.Note($"{name} goes for good");
            _cluster.CrashNode(name);
            _cluster.ForgetNode(name);
        });
        _leaving.Remove(name);
        return true;
    }

    /// <summary>A node whose disk is not what it was gets an empty one and joins under its name, as soon as nothing is
    /// left of what it was.</summary>
    private async Task ReplaceAsync(NodeName name)
    {
        await _administrator.DelayAsync(TimeSpan.FromSeconds(1));
        await _administrator.InsistAsync(new ReplaceNodeRequest(name));
        await BetweenStepsAsync(() =>
        {
            _cluster.CrashNode(name);
            _cluster.ReplaceNode(name);
            CalmDisk(name);
            Lost = null;
        });
        // Not all others know yet that it was replaced.
        do
        {
            await BetweenStepsAsync(() =>
            {
                if (_cluster.StartFailure.Remove(name)) _cluster.CrashNode(name);
                StartIfDown(name);
            });
            await _administrator.DelayAsync(TimeSpan.FromSeconds(0.5));
        }
        while (!_cluster.IsFormed(name));
        _replacing = null;
    }

    /// <summary>Nodes die while nothing of the cluster runs.</summary>
    private async Task BetweenStepsAsync(Action action)
    {
        bool isDone = false;
        In(TimeSpan.Zero, () =>
        {
            action();
            isDone = true;
        });
        while (!isDone) await _administrator.DelayAsync(TimeSpan.FromMilliseconds(1));
    }

    /// <summary>Whether each group has all its replicas, none of them on a disk that is gone.</summary>
    private bool MayLoseDisk() =>
        Lost is null && _replacing is null && Staying.Length > FewestNodes - 1 && _invariants.IsWhole;

    private void Destroy(NodeName name, Fault fault)
    {
        _cluster.CrashNode(name);
        _cluster.StopEarlier(name);
        _invariants.NoteDestroyed(name);
        Lost = name;
        LostBy = fault.Kind;
    }

    /// <summary>A node that the others can do without; null if there are too few.</summary>
    private NodeName? PickLeaving(Random random)
    {
        NodeName[] staying = Staying;
        if (staying.Length <= FewestNodes || _leaving.Count > 1) return null;
        NodeName name = staying[random.Next(staying.Length)];
        // One that has not joined yet has nothing to lose.
        if (!_cluster.IsFormed(name)) return null;
        _leaving.Add(name);
        return name;
    }

    /// <summary>Now and then the meta group.</summary>
    private GroupDescriptor? AnyGroup(Random random)
    {
        IReadOnlyList<GroupDescriptor> groups = _invariants.Groups;
        return groups.Count == 0 ? null : groups[random.Next(groups.Count)];
    }
}
