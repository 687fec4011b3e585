using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// Evens out leaders: as long as a node leads at least two groups more than another, and leadership can be handed on
/// between them, perhaps over others, it is. When no such way is left, no arrangement is more even.
/// </summary>
internal sealed class LeaderBalance
{
    private readonly PlacementRound _round;
    private readonly List<ModelGroup> _groups;
    private int _left;

    public LeaderBalance(PlacementRound round)
    {
        _round = round;
        _left = round.Options.MaxTransfers;
        _groups =
        [
            .. round.Groups.Where(group => !group.IsMeta && !round.IsChanging(group)
                && group.Leader is { } leader && round.Node(leader).State == NodeState.Up),
        ];
    }

    public void Run()
    {
        // A long way is gone to its end: half of it improves nothing.
        while (_left > 0 && FindWay() is { } way)
        {
            _left -= way.Count;
            // From its end: at no moment does a node lead more than before.
            foreach ((ModelGroup group, RoundNode to) in Enumerable.Reverse(way))
            {
                RoundNode from = _round.Node(group.Leader!.Value);
                _round.Transfer(group, to, $"{from.Name} leads {from.Leaders} groups and {to.Name} {to.Leaders}");
                _groups.Remove(group);
            }
        }
    }

    private List<(ModelGroup Group, RoundNode To)>? FindWay()
    {
        Dictionary<NodeName, SortedDictionary<NodeName, ModelGroup>> steps = Steps();
        foreach (RoundNode source in _round.Targets.OrderByDescending(node => node.Leaders)
            .ThenBy(node => node.Name))
        {
            if (WayFrom(source, steps) is { } way) return way;
        }
        return null;
    }

    /// <summary>From one node to another: a group whose leadership can be handed over.</summary>
    private Dictionary<NodeName, SortedDictionary<NodeName, ModelGroup>> Steps()
    {
        var steps = new Dictionary<NodeName, SortedDictionary<NodeName, ModelGroup>>();
        foreach (ModelGroup group in _groups)
        {
            NodeName leader = group.Leader!.Value;
            foreach (ReplicaPlacement replica in group.Descriptor.Replicas)
            {
                if (replica.Node == leader || replica.Role != ReplicaRole.Voter
                    || _round.Node(replica.Node).State != NodeState.Up
                    || !PlacementRound.IsCaughtUp(group, replica) || !_round.IsAlive(group, replica))
                    continue;
                if (!steps.TryGetValue(leader, out SortedDictionary<NodeName, ModelGroup>? from))
                    steps[leader] = from = [];
                from.TryAdd(replica.Node, group);
            }
        }
        return steps;
    }

    private List<(ModelGroup, RoundNode)>? WayFrom(
        RoundNode source, Dictionary<NodeName, SortedDictionary<NodeName, ModelGroup>> steps)
    {
        var reached = new Dictionary<NodeName, (NodeName From, ModelGroup Group)>();
        var queue = new Queue<NodeName>([source.Name]);
        while (queue.TryDequeue(out NodeName node))
        {
            if (!steps.TryGetValue(node, out SortedDictionary<NodeName, ModelGroup>? next)) continue;
            foreach ((NodeName to, ModelGroup group) in next)
            {
                if (to == source.Name || !reached.TryAdd(to, (node, group))) continue;
                if (_round.Node(to).Leaders + 2 <= source.Leaders) return Way(source.Name, to, reached);
                queue.Enqueue(to);
            }
        }
        return null;
    }

    private List<(ModelGroup, RoundNode)> Way(
        NodeName source, NodeName end, Dictionary<NodeName, (NodeName From, ModelGroup Group)> reached)
    {
        var way = new List<(ModelGroup, RoundNode)>();
        for (NodeName node = end; node != source;)
        {
            (NodeName from, ModelGroup group) = reached[node];
            way.Insert(0, (group, _round.Node(node)));
            node = from;
        }
        return way;
    }
}
