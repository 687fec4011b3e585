using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What one round of decisions works on: the model with what was decided already counted in.</summary>
internal sealed class PlacementRound
{
    private readonly Dictionary<NodeName, RoundNode> _nodes = [];
    private readonly HashSet<GroupId> _changing = [];
    private readonly List<Decision> _decisions = [];
    private int _moves;

    public PlacementRound(ClusterModel model, PlacementOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        Options = options;
        foreach (ModelNode node in model.Nodes)
            _nodes[node.Name] = new RoundNode(node, node.StateBy(options), node.SilentFor < options.SuspectAfter);
        Groups = [.. model.Groups.OrderBy(group => group.Group)];
        foreach (ModelGroup group in Groups) Count(group);
        Targets = [.. _nodes.Values.Where(node => node.State == NodeState.Up).OrderBy(node => node.Name)];
    }

    public PlacementOptions Options { get; }

    /// <summary>By id.</summary>
    public IReadOnlyList<ModelGroup> Groups { get; }

    /// <summary>The nodes that may get something, by name.</summary>
    public IReadOnlyList<RoundNode> Targets { get; }

    public IReadOnlyList<Decision> Decisions => _decisions;

    public int FreeMoves => Options.MaxMoves - _moves;

    public bool HasFreeMove => FreeMoves > 0;

    /// <summary>A node that nobody knows any more is one that was removed.</summary>
    public RoundNode Node(NodeName name)
    {
        if (!_nodes.TryGetValue(name, out RoundNode? node))
            _nodes[name] = node = new RoundNode(new ModelNode(name), NodeState.Removed, isAlive: false);
        return node;
    }

    /// <summary>Whether something of the group is being changed, or was decided in this round.</summary>
    public bool IsChanging(ModelGroup group) => _changing.Contains(group.Group);

    public static bool IsJoint(ModelGroup group)
    {
        foreach (ReplicaPlacement replica in group.Descriptor.Replicas)
            if (replica.Role is ReplicaRole.Incoming or ReplicaRole.Outgoing) return true;
        return false;
    }

    /// <summary>The learner that is finished first; null without.</summary>
    public static ReplicaPlacement? FirstLearner(GroupDescriptor group)
    {
        ReplicaPlacement? first = null;
        foreach (ReplicaPlacement replica in group.Replicas)
            if (replica.Role == ReplicaRole.Learner && !(replica.Id > first?.Id)) first = replica;
        return first;
    }

    public static ReplicaPlacement[] Voters(ModelGroup group) =>
        [.. group.Descriptor.Replicas.Where(r => r.Role is ReplicaRole.Voter or ReplicaRole.Incoming)];

    public static bool HasMemberOn(ModelGroup group, NodeName node)
    {
        IReadOnlyList<ReplicaPlacement> replicas = group.Descriptor.Replicas;
        for (int i = 0; i < replicas.Count; i++)
            if (replicas[i].Node == node) return true;
        return false;
    }

    /// <summary>Whether a replica can be counted on now.</summary>
    public bool IsAlive(ModelGroup group, ReplicaPlacement replica)
    {
        if (!Node(replica.Node).IsAlive) return false;
        if (replica.Node == group.Leader) return true;
        foreach (ModelMember member in group.Members)
            if (member.Id == replica.Id) return member.SilentFor < Options.SuspectAfter;
        return true;
    }

    public static bool IsCaughtUp(ModelGroup group, ReplicaPlacement replica)
    {
        if (replica.Node == group.Leader) return true;
        foreach (ModelMember member in group.Members)
            if (member.Id == replica.Id) return member.IsCaughtUp;
        return false;
    }

    public bool HasMajority(ModelGroup group, IReadOnlyList<ReplicaPlacement> voters) =>
        2 * voters.Count(voter => IsAlive(group, voter)) > voters.Count;

    /// <summary>How many zones its voters are in, with <paramref name="to"/> in place of
    /// <paramref name="from"/>.</summary>
    public int ZonesWith(ModelGroup group, NodeName? from, NodeName? to)
    {
        // Asked for every group and pair of nodes: nothing is allocated.
        IReadOnlyList<ReplicaPlacement> replicas = group.Descriptor.Replicas;
        string? added = to is { } name ? Node(name).Zone : null;
        int zones = added is null ? 0 : 1;
        for (int i = 0; i < replicas.Count; i++)
        {
            if (!Counts(replicas[i], from)) continue;
            string zone = Node(replicas[i].Node).Zone;
            bool isNew = zone != added;
            for (int k = 0; k < i && isNew; k++)
                isNew = !Counts(replicas[k], from) || Node(replicas[k].Node).Zone != zone;
            if (isNew) zones++;
        }
        return zones;

        static bool Counts(in ReplicaPlacement replica, NodeName? except) =>
            replica.Role is ReplicaRole.Voter or ReplicaRole.Incoming && replica.Node != except;
    }

    /// <summary>The best node for one more replica, whether it has room for a move now or not.</summary>
    public RoundNode? FindPlace(ModelGroup group, NodeName? from) => Targets
        .Where(node => !HasMemberOn(group, node.Name))
        .OrderBy(node => node.Name == group.GaveUpOn)
        .ThenByDescending(node => ZonesWith(group, from, node.Name))
        .ThenBy(node => node.Replicas).ThenBy(node => node.Bytes).ThenBy(node => node.Name)
        .FirstOrDefault();

    /// <summary>Whether one more replica may be on the move to this node.</summary>
    public bool HasRoom(ModelGroup group, RoundNode to) => HasFreeMove && to.Moves < Options.MaxMovesPerNode
        && (group.Leader is not { } leader || Node(leader).Moves < Options.MaxMovesPerNode);

    /// <summary>Takes a decision that changes nothing of where replicas will be.</summary>
    public void Take(Decision decision)
    {
        _decisions.Add(decision);
        _changing.Add(decision.Group);
    }

    public void Move(ModelGroup group, NodeName? from, RoundNode to, string reason)
    {
        Take(new AddLearnerDecision(group.Group, group.Descriptor.ConfigVersion, to.Name, from, reason));
        StartMove(group, to.Name);
        if (group.IsMeta) return;
        to.Add(group, +1);
        if (from is { } old) Node(old).Add(group, -1);
    }

    public void Merge(ModelGroup source, ModelGroup target, string reason)
    {
        Take(new MergeDecision(source.Group, source.Descriptor.RangeVersion, target.Group, reason));
        _changing.Add(target.Group);
    }

    /// <summary>Undoes in the numbers a move that does not happen.</summary>
    public void Uncount(ModelGroup group, PlannedMove move)
    {
        _moves--;
        if (group.IsMeta) return;
        if (!HasMemberOn(group, move.To)) Node(move.To).Add(group, -1);
        if (move.From is { } from && HasMemberOn(group, from)) Node(from).Add(group, +1);
    }

    public void Transfer(ModelGroup group, RoundNode to, string reason)
    {
        Take(new TransferDecision(group.Group, to.Name, reason));
        if (group.IsMeta) return;
        if (group.Leader is { } leader) Node(leader).Leaders--;
        to.Leaders++;
    }

    private void Count(ModelGroup group)
    {
        if (group.IsMerging) _changing.Add(group.Group);
        bool isChanging = IsJoint(group) || group.Descriptor.Replicas.Any(r => r.Role == ReplicaRole.Learner);
        if (isChanging || group.Move is not null)
        {
            _changing.Add(group.Group);
            NodeName to = group.Move?.To
                ?? group.Descriptor.Replicas.FirstOrDefault(r => r.Role != ReplicaRole.Voter).Node;
            StartMove(group, to);
        }
        if (group.IsMeta) return;
        foreach (ReplicaPlacement replica in group.Descriptor.Replicas)
        {
            bool goes = replica.Role == ReplicaRole.Outgoing || group.Move?.From == replica.Node;
            if (!goes) Node(replica.Node).Add(group, +1);
        }
        if (group.Move is { } move && !HasMemberOn(group, move.To)) Node(move.To).Add(group, +1);
        if (group.Leader is { } leader) Node(leader).Leaders++;
    }

    private void StartMove(ModelGroup group, NodeName to)
    {
        _moves++;
        Node(to).Moves++;
        if (group.Leader is { } leader && leader != to) Node(leader).Moves++;
    }
}

/// <summary>A node, with what will be on it when everything decided is done.</summary>
internal sealed class RoundNode(ModelNode node, NodeState state, bool isAlive)
{
    public NodeName Name => node.Name;

    public string Zone => node.Zone;

    public NodeState State { get; } = state;

    public bool IsAlive { get; } = isAlive;

    public int Replicas { get; private set; }

    public long Bytes { get; private set; }

    public int Leaders { get; set; }

    /// <summary>Replicas on the move to it or sent by its leaders.</summary>
    public int Moves { get; set; }

    public void Add(ModelGroup group, int sign)
    {
        Replicas += sign;
        Bytes += sign * group.Bytes;
    }
}
