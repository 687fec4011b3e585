using System.Diagnostics;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Serves administrators at one moment. Everything is checked before anything is changed.</summary>
/// <param name="splits">Splits to be ordered in the next round.</param>
/// <param name="transfers">Transfers to be ordered in the next round.</param>
internal sealed partial class MetaAdministration(MetaRegistry registry, PlacementOptions options, TimeSpan now,
    Dictionary<GroupId, byte[]?> splits, Dictionary<GroupId, NodeName> transfers, IReadOnlyList<string> recent)
{
    private readonly ClusterModel _model = registry.Model(now);

    public AdministrationAnswer Serve(AdministrationRequest request) => request switch
    {
        ListGroupsRequest => Done("") with { Groups = [.. Groups().Select(Overview)] },
        ListNodesRequest => Done("") with { Nodes = [.. registry.Nodes.Values.Select(Overview)] },
        BalanceStatusRequest => Done(registry.IsBalanceOn ? "on" : "off") with { Balance = Balance() },
        SplitRequest split => Split(split),
        MergeGroupsRequest merge => Merge(merge),
        GrowGroupsRequest grow => Grow(grow),
        MoveReplicaRequest move => Move(move),
        TransferLeaderRequest transfer => Transfer(transfer),
        DrainNodeRequest drain => Drain(drain),
        RemoveNodeRequest remove => Remove(remove),
        ReplaceNodeRequest replace => Replace(replace),
        SwitchBalanceRequest balance => Switch(balance),
        _ => throw new UnreachableException(),
    };

    private AdministrationAnswer Split(SplitRequest request)
    {
        ReadOnlySpan<byte> key = request.Key.Span;
        if (key.IsEmpty) return Refused("The key is empty: no group can end there.");
        if (registry.Find(key) is not { } group) return UnderWay("no group that owns the key is known yet");
        GroupId id = group.Descriptor.Group;
        if (group.Descriptor.Start.AsSpan().SequenceEqual(key))
        {
            return request.IsRepeat
                ? Done($"{id} begins at the key")
                : Refused($"The key is a boundary already: {id} begins there.");
        }
        if (Obstacle(group) is { } obstacle) return UnderWay(obstacle);
        if (Groups().Count() >= StoreNodeOptions.MaxGroups) return Refused(TooMany());
        splits[id] = request.Key.ToArray();
        return UnderWay($"{id} is being split");
    }

    private AdministrationAnswer Grow(GrowGroupsRequest request)
    {
        int have = Groups().Count();
        if (request.Target > StoreNodeOptions.MaxGroups) return Refused(TooMany());
        if (have >= request.Target) return Done($"{have} groups");
        int underWay = registry.Splitting(now).Count;
        // Asked again before the next decision, when other groups may be the largest, it takes on no more.
        int missing = request.Target - have - underWay - splits.Count;
        bool mayFollow = underWay + splits.Count > 0;
        foreach (GroupEntry group in Groups().OrderByDescending(g => g.Report?.Bytes ?? 0)
            .ThenBy(g => g.Descriptor.Group))
        {
            if (missing <= 0) break;
            if (splits.ContainsKey(group.Descriptor.Group)) continue;
            if (Obstacle(group) is not null)
            {
                mayFollow = true;
                continue;
            }
            // One that holds too little to have a middle is divided where its range is.
            byte[]? key = group.Report is { Keys: > 1 }
                ? null
                : KeySpace.Middle(group.Descriptor.Start, group.Descriptor.End);
            if (key is null && group.Report is not { Keys: > 1 }) continue;
            splits[group.Descriptor.Group] = key;
            missing--;
            mayFollow = true;
        }
        return mayFollow
            ? UnderWay($"{have} of {request.Target} groups")
            : Refused($"There are {have} groups, and none of them can be divided: they hold at most one key, and their "
                + "ranges have no key in the middle.");
    }

    private AdministrationAnswer Move(MoveReplicaRequest request)
    {
        if (!registry.Groups.TryGetValue(request.Group, out GroupEntry? group)) return NoSuch(request.Group);
        if (!registry.Nodes.ContainsKey(request.From)) return NoSuch(request.From);
        if (!registry.Nodes.ContainsKey(request.To)) return NoSuch(request.To);
        bool isThere = Has(group, request.To), isHere = Has(group, request.From);
        bool votes = group.Descriptor.Replicas.Any(r => r.Node == request.To && r.Role == ReplicaRole.Voter);
        if (votes && !isHere && group.Move is null) return Done($"{request.Group} has a replica on {request.To}");
        if (group.Move is { } move && move.To == request.To && move.From == request.From)
            return UnderWay(Describe(group, move));
        if (!isHere && !isThere)
            return Refused($"{request.Group} has no replica on {request.From}; it is on {Places(group)}.");
        if (isHere && votes) return Refused($"{request.Group} has a replica on {request.To} already.");
        NodeState state = registry.StateOf(request.To, now);
        if (state != NodeState.Up) return Refused($"{request.To} is {Word(state)}; move it to a node that is up.");
        if (Obstacle(group) is { } obstacle) return UnderWay(obstacle);
        registry.SetMove(request.Group,
            new PlannedMove(request.From, request.To, IsAsked: true, "an administrator asked for it"));
        return UnderWay(Describe(group, group.Move!));
    }

    private AdministrationAnswer Transfer(TransferLeaderRequest request)
    {
        if (!registry.Groups.TryGetValue(request.Group, out GroupEntry? group)) return NoSuch(request.Group);
        if (!registry.Nodes.ContainsKey(request.Node)) return NoSuch(request.Node);
        if (registry.LeaderOf(group, now) == request.Node) return Done($"{request.Node} leads {request.Group}");
        if (!Has(group, request.Node))
            return Refused($"{request.Group} has no replica on {request.Node}; it is on {Places(group)}.");
        if (!group.Descriptor.Replicas.Any(r => r.Node == request.Node && r.Role == ReplicaRole.Voter))
            return Refused($"The replica of {request.Group} on {request.Node} does not vote, so it cannot lead.");
        if (!registry.Reports(request.Node, now))
            return Refused($"{request.Node} does not answer, so it cannot lead; start it first.");
        transfers[request.Group] = request.Node;
        return UnderWay($"{request.Group} waits for {request.Node} to lead");
    }

    private AdministrationAnswer Drain(DrainNodeRequest request)
    {
        if (!registry.Nodes.TryGetValue(request.Node, out NodeEntry? node)) return NoSuch(request.Node);
        if (node.Row.Intent == NodeIntent.Removed) return Refused($"{request.Node} was removed.");
        if (request.Undo)
        {
            if (node.Row.Intent != NodeIntent.Member)
                registry.SetNode(node.Row with { Intent = NodeIntent.Member }, now);
            return Done($"{request.Node} may get replicas");
        }
        if (node.Row.Intent == NodeIntent.Member)
        {
            if (Homeless(request.Node) is { } homeless) return homeless;
            registry.SetNode(node.Row with { Intent = NodeIntent.Draining }, now);
        }
        return Emptying(request.Node, "drained");
    }

    private AdministrationAnswer Remove(RemoveNodeRequest request)
    {
        if (!registry.Nodes.TryGetValue(request.Node, out NodeEntry? node)) return NoSuch(request.Node);
        if (node.Row.Intent != NodeIntent.Removed)
        {
            if (LostMajority(request.Node) is { } lost) return lost;
            // One that is lost anyway may go without a place for what it held.
            if (registry.Reports(request.Node, now) && Homeless(request.Node) is { } homeless) return homeless;
            registry.SetNode(node.Row with { Intent = NodeIntent.Removed }, now);
        }
        return Emptying(request.Node, "removed");
    }

    private AdministrationAnswer Replace(ReplaceNodeRequest request)
    {
        if (!registry.Nodes.TryGetValue(request.Node, out NodeEntry? node)) return NoSuch(request.Node);
        if (node.Row.Intent != NodeIntent.Removed)
        {
            if (registry.Reports(request.Node, now))
                return Refused($"{request.Node} is up with its disk. Only a node that lost its disk is replaced; use "
                    + $"'node remove {request.Node}' for one that works.");
            if (LostMajority(request.Node) is { } lost) return lost;
            registry.SetNode(node.Row with { Intent = NodeIntent.Removed }, now);
        }
        return Emptying(request.Node, "free for a new disk");
    }

    private AdministrationAnswer Switch(SwitchBalanceRequest request)
    {
        if (registry.IsBalanceOn != request.On) registry.SetBalance(request.On);
        return Done(request.On ? "on" : "off");
    }

    /// <summary>The answer that refuses because a replica would have nowhere to go, with all that leave other nodes
    /// already; null if each has a place.</summary>
    private AdministrationAnswer? Homeless(NodeName name)
    {
        NodeName[] staying =
        [
            .. _model.Nodes.Where(n => n.Name != name && n.StateBy(options) is NodeState.Up or NodeState.Suspect)
                .Select(n => n.Name),
        ];
        NodeName[] targets =
        [
            .. _model.Nodes.Where(n => n.Name != name && n.StateBy(options) == NodeState.Up).Select(n => n.Name),
        ];
        foreach (GroupEntry group in registry.Groups.Values.Where(group => Has(group, name)))
        {
            ReplicaPlacement[] members = [.. group.Descriptor.Replicas.Where(r => r.Role != ReplicaRole.Outgoing)];
            int needed = Math.Min(options.ReplicaCount, members.Count(r => r.Role != ReplicaRole.Learner));
            int places = members.Count(r => staying.Contains(r.Node)) + targets.Count(node => !Has(group, node));
            if (places >= needed) continue;
            return Refused($"{group.Descriptor.Group} has nowhere to go from {name}: of {needed} replicas {places} "
                + "would have a place on nodes that are up and stay. Add a node first.");
        }
        return null;
    }

    /// <summary>The answer that refuses because a group has not majority enough to let a replica go.</summary>
    private AdministrationAnswer? LostMajority(NodeName name)
    {
        foreach (GroupEntry group in registry.Groups.Values.Where(group => Has(group, name)))
        {
            NodeName[] voters =
            [
                .. group.Descriptor.Replicas.Where(r => r.Role != ReplicaRole.Learner).Select(r => r.Node),
            ];
            NodeName[] answering = [.. voters.Where(voter => registry.Reports(voter, now))];
            if (2 * answering.Length > voters.Length) continue;
            return Refused($"{group.Descriptor.Group} has no majority: of {string.Join(", ", voters)} only "
                + $"{(answering.Length == 0 ? "none" : string.Join(", ", answering))} answers. Letting {name} go would "
                + "lose what it holds. Start another of them first.");
        }
        return null;
    }

    private AdministrationAnswer Emptying(NodeName name, string done)
    {
        int left = registry.Groups.Values.Count(group => Has(group, name));
        if (left > 0) return UnderWay($"{left} replicas left on {name}");
        return registry.CoversAllKeys()
            ? Done($"{name} is {done}")
            : UnderWay($"a group that was just split off, and may have a replica on {name}, has not reported yet");
    }

    /// <summary>Why nothing more can be asked of a group now; null if it can.</summary>
    private string? Obstacle(GroupEntry group)
    {
        GroupId id = group.Descriptor.Group;
        if (registry.LeaderOf(group, now) is null) return $"{id} has no leader now";
        if (group.Move is { } move) return Describe(group, move);
        if (registry.MergeOf(id) is { } merge) return merge.Describe();
        if (registry.Splitting(now).Contains(id)) return $"{id} is being split";
        return group.Descriptor.Replicas.Any(r => r.Role != ReplicaRole.Voter)
            ? $"{id} changes its replicas"
            : null;
    }

    private IEnumerable<GroupEntry> Groups() => registry.Groups.Values
        .Where(group => group.Descriptor.Group != GroupId.Meta)
        .OrderBy(group => group.Descriptor.Start, Comparer<byte[]>.Create(
            (left, right) => left.AsSpan().SequenceCompareTo(right)));

    private GroupOverview Overview(GroupEntry group)
    {
        bool isChanging = group.Descriptor.Replicas.Any(r => r.Role != ReplicaRole.Voter);
        string? operation = registry.MergeOf(group.Descriptor.Group) is { } merge ? merge.Describe()
            : group.Move is { } move ? Describe(group, move)
            : isChanging ? $"{group.Descriptor.Group} changes its replicas" : null;
        return new GroupOverview(group.Descriptor, group.Report?.Bytes ?? 0, group.Report?.Keys ?? 0,
            registry.LeaderOf(group, now), group.Report?.OperationsPerSecond ?? 0, operation);
    }

    private NodeOverview Overview(NodeEntry node)
    {
        NodeName name = node.Row.Name;
        GroupEntry[] held = [.. Groups().Where(group => Has(group, name))];
        return new NodeOverview(name, node.Row.Zone, registry.StateOf(name, now), held.Length,
            held.Count(group => registry.LeaderOf(group, now) == name), held.Sum(group => group.Report?.Bytes ?? 0));
    }

    private BalanceOverview Balance() => new(registry.IsBalanceOn,
        [
            .. registry.Groups.Values.Where(g => g.Move is not null).Select(g => Describe(g, g.Move!)),
            .. registry.Merges.Values.Select(merge => merge.Describe()),
        ], recent);

    private static string Describe(GroupEntry group, PlannedMove move)
    {
        string what = move.From is { } from
            ? $"{group.Descriptor.Group} moves from {from} to {move.To}"
            : $"{group.Descriptor.Group} gets a replica on {move.To}";
        return $"{what}, because {move.Reason}";
    }

    private static bool Has(GroupEntry group, NodeName node) =>
        group.Descriptor.Replicas.Any(replica => replica.Node == node);

    private static string Places(GroupEntry group) =>
        string.Join(", ", group.Descriptor.Replicas.Select(replica => replica.Node));

    private AdministrationAnswer NoSuch(GroupId group) => Refused(registry.MergedInto(group) is { } into
        ? $"There is no group {group} any more: it was merged into {into}."
        : $"There is no group {group}.");

    private AdministrationAnswer NoSuch(NodeName node) =>
        Refused($"There is no node {node}; the nodes are {string.Join(", ", registry.Nodes.Keys)}.");

    private static string TooMany() => $"A cluster has at most {StoreNodeOptions.MaxGroups} groups.";

    private static string Word(NodeState state) => GroupRepair.Word(state);

    private static AdministrationAnswer Done(string text) => new(AdministrationStatus.Done, text);

    private static AdministrationAnswer UnderWay(string text) => new(AdministrationStatus.UnderWay, text);

    private static AdministrationAnswer Refused(string text) => new(AdministrationStatus.Refused, text);
}
