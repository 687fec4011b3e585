using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue.Tests.Placement;

/// <summary>A cluster of numbers and names that carries out what is decided, and refuses what must never
/// happen.</summary>
internal sealed class PlacementWorld(PlacementOptions options)
{
    public static readonly TimeSpan Gone = TimeSpan.FromHours(1);

    public PlacementOptions Options { get; } = options;

    public SortedDictionary<NodeName, ModelNode> Nodes { get; } = [];

    public SortedDictionary<GroupId, WorldGroup> Groups { get; } = [];

    public bool IsBalanceOn { get; set; } = true;

    /// <summary>Replicas that arrived in the place of others.</summary>
    public int Moves { get; private set; }

    public int Transfers { get; private set; }

    /// <summary>How many rounds a learner takes to catch up.</summary>
    public Func<int> CatchUpRounds { get; init; } = () => 1;

    public static NodeName Name(int number) => new($"node-{number}");

    public PlacementWorld WithNodes(int count, Func<int, string>? zone = null)
    {
        for (int i = 1; i <= count; i++) Nodes[Name(i)] = new ModelNode(Name(i), zone?.Invoke(i) ?? "");
        return this;
    }

    /// <summary>Adds a group with voters on these nodes; the first leads.</summary>
    public WorldGroup Add(uint id, long bytes, params int[] nodes)
    {
        var group = new WorldGroup { Id = new GroupId(id), Bytes = bytes, Leader = nodes.Length > 0 ? Name(nodes[0]) : null };
        foreach (int node in nodes) group.Join(Name(node), ReplicaRole.Voter);
        Groups[group.Id] = group;
        return group;
    }

    public void Silence(int node, TimeSpan time)
    {
        Nodes[Name(node)] = Nodes[Name(node)] with { SilentFor = time };
        foreach (WorldGroup group in Groups.Values) Elect(group);
    }

    public void Intend(int node, NodeIntent intent) =>
        Nodes[Name(node)] = Nodes[Name(node)] with { Intent = intent };

    public ClusterModel Model() =>
        new([.. Nodes.Values], [.. Groups.Values.Select(group => group.ToModel(this))], IsBalanceOn);

    public IReadOnlyList<Decision> Decide() => PlacementController.Decide(Model(), Options);

    /// <summary>Decides and obeys until nothing is left to do.</summary>
    /// <returns>The rounds that it took.</returns>
    public int Run(int maxRounds)
    {
        for (int round = 0; round < maxRounds; round++)
        {
            IReadOnlyList<Decision> decisions = Decide();
            Assert.Equal(decisions.Select(d => d.Group).Distinct().Count(), decisions.Count);
            foreach (Decision decision in decisions) Apply(decision);
            RequireBounds();
            if (decisions.Count == 0 && !Groups.Values.Any(g => g.Members.Any(m => m.IsLearning))) return round;
            foreach (WorldGroup group in Groups.Values) group.CatchUp();
        }
        throw new Xunit.Sdk.XunitException($"Still at work after {maxRounds} rounds: "
            + string.Join("; ", Decide().Take(5)));
    }

    public void Apply(Decision decision)
    {
        Assert.NotEmpty(decision.Reason);
        WorldGroup group = Groups[decision.Group];
        switch (decision)
        {
            case AddLearnerDecision add:
                Assert.Equal(group.ConfigVersion, add.ConfigVersion);
                Assert.Equal(NodeState.Up, Nodes[add.Node].StateBy(Options));
                WorldMember learner = group.Join(add.Node, ReplicaRole.Learner);
                learner.RoundsToGo = CatchUpRounds();
                group.Move ??= new PlannedMove(add.InsteadOf, add.Node, IsAsked: false, add.Reason);
                break;
            case PromoteDecision promote:
                Assert.Equal(group.ConfigVersion, promote.ConfigVersion);
                WorldMember promoted = group.Members.Single(m => m.Id == promote.Learner);
                Assert.True(promoted.IsCaughtUp, "a learner that lags is promoted");
                promoted.Role = ReplicaRole.Voter;
                if (!promote.Removed.IsNone)
                {
                    group.Leave(promote.Removed);
                    Moves++;
                }
                RequireMajority(group);
                Elect(group);
                break;
            case RemoveReplicaDecision remove:
                Assert.Equal(group.ConfigVersion, remove.ConfigVersion);
                group.Leave(remove.Replica);
                if (remove.GaveUpOn is { } slow)
                {
                    group.GaveUpOn = slow;
                    group.LearnsFor = TimeSpan.Zero;
                    group.Move = null;
                }
                RequireMajority(group);
                Elect(group);
                break;
            case TransferDecision transfer:
                WorldMember heir = group.Members.Single(m => m.Node == transfer.To);
                Assert.Equal(ReplicaRole.Voter, heir.Role);
                Assert.Equal(NodeState.Up, Nodes[heir.Node].StateBy(Options));
                Assert.NotEqual(group.Leader, heir.Node);
                group.Leader = heir.Node;
                Transfers++;
                break;
            case SplitDecision split:
                Assert.Equal(group.RangeVersion, split.RangeVersion);
                Split(group);
                break;
            case EndMoveDecision:
                Assert.NotNull(group.Move);
                group.Move = null;
                break;
            default: throw new InvalidOperationException($"{decision.GetType().Name} is unknown");
        }
    }

    public int ReplicasOn(NodeName node) =>
        Groups.Values.Count(g => g.Id != GroupId.Meta && g.Members.Any(m => m.Node == node));

    public int LeadersOn(NodeName node) => Groups.Values.Count(g => g.Id != GroupId.Meta && g.Leader == node);

    public long BytesOn(NodeName node) =>
        Groups.Values.Where(g => g.Members.Any(m => m.Node == node)).Sum(g => g.Bytes);

    public int ZonesOf(WorldGroup group) => group.Members.Select(m => Nodes[m.Node].Zone).Distinct().Count();

    public IEnumerable<NodeName> UpNodes =>
        Nodes.Values.Where(n => n.StateBy(Options) == NodeState.Up).Select(n => n.Name);

    private void Split(WorldGroup group)
    {
        var child = new WorldGroup
        {
            Id = new GroupId(Groups.Keys.Max(g => g.Value) + 1),
            Bytes = group.Bytes / 2,
            Leader = group.Leader,
            RangeVersion = group.RangeVersion + 1,
        };
        foreach (WorldMember member in group.Members) child.Join(member.Node, member.Role);
        group.Bytes -= child.Bytes;
        group.RangeVersion++;
        Groups[child.Id] = child;
    }

    private bool IsAlive(NodeName node) => Nodes[node].SilentFor < Options.SuspectAfter;

    private void RequireMajority(WorldGroup group)
    {
        WorldMember[] voters = [.. group.Members.Where(m => m.Role == ReplicaRole.Voter)];
        Assert.True(2 * voters.Count(m => IsAlive(m.Node)) > voters.Length, $"{group.Id} has lost its majority");
    }

    private void RequireBounds()
    {
        int moving = Groups.Values.Count(g => g.Members.Any(m => m.IsLearning));
        Assert.True(moving <= Options.MaxMoves, $"{moving} moves at a time");
        foreach (NodeName node in Nodes.Keys)
        {
            int coming = Groups.Values.Count(g => g.Members.Any(m => m.IsLearning && m.Node == node));
            Assert.True(coming <= Options.MaxMovesPerNode, $"{coming} moves to {node} at a time");
        }
    }

    private void Elect(WorldGroup group)
    {
        WorldMember[] voters = [.. group.Members.Where(m => m.Role == ReplicaRole.Voter)];
        WorldMember[] alive = [.. voters.Where(m => IsAlive(m.Node))];
        if (2 * alive.Length <= voters.Length) group.Leader = null;
        else if (!alive.Any(m => m.Node == group.Leader)) group.Leader = alive[0].Node;
    }
}

internal sealed class WorldMember
{
    public required ReplicaId Id { get; init; }

    public required NodeName Node { get; init; }

    public required ReplicaRole Role { get; set; }

    public int RoundsToGo { get; set; }

    public bool IsCaughtUp => RoundsToGo == 0;

    public bool IsLearning => Role == ReplicaRole.Learner;
}

internal sealed class WorldGroup
{
    public required GroupId Id { get; init; }

    public long Bytes { get; set; }

    public double OperationsPerSecond { get; set; }

    public byte[]? LoadSplitKey { get; set; }

    public NodeName? Leader { get; set; }

    public ulong RangeVersion { get; set; } = 1;

    public ulong ConfigVersion { get; set; } = 1;

    public ulong LastId { get; private set; }

    public List<WorldMember> Members { get; } = [];

    public PlannedMove? Move { get; set; }

    public TimeSpan LearnsFor { get; set; }

    public NodeName? GaveUpOn { get; set; }

    public WorldMember Join(NodeName node, ReplicaRole role)
    {
        Assert.DoesNotContain(Members, m => m.Node == node);
        var member = new WorldMember { Id = new ReplicaId(++LastId), Node = node, Role = role };
        Members.Add(member);
        if (role == ReplicaRole.Learner) ConfigVersion++;
        return member;
    }

    public void Leave(ReplicaId replica)
    {
        Assert.Equal(1, Members.RemoveAll(m => m.Id == replica));
        ConfigVersion++;
    }

    public void CatchUp()
    {
        foreach (WorldMember member in Members) member.RoundsToGo = Math.Max(0, member.RoundsToGo - 1);
    }

    public ModelGroup ToModel(PlacementWorld world) => new(
        new GroupDescriptor(Id, [], [], RangeVersion, ConfigVersion,
            [.. Members.Select(m => new ReplicaPlacement(m.Id, m.Node, m.Role))]), Leader)
    {
        Bytes = Bytes,
        OperationsPerSecond = OperationsPerSecond,
        LoadSplitKey = LoadSplitKey,
        Members = [.. Members.Where(m => m.Node != Leader)
            .Select(m => new ModelMember(m.Id, m.IsCaughtUp, world.Nodes[m.Node].SilentFor))],
        Move = Move,
        LearnsFor = LearnsFor,
        GaveUpOn = GaveUpOn,
    };
}
