using Orleans.Raft.Core;
using static Orleans.Raft.KeyValue.Tests.Placement.PlacementWorld;

namespace Orleans.Raft.KeyValue.Tests.Placement;

/// <summary>Evening out: TinyKV's scheduler cases (3C), MIT's minimal movement (lab 4), zones, bytes,
/// leaders.</summary>
public sealed class BalanceTests
{
    private static readonly PlacementOptions Options = new() { MaxMoves = 100, MaxMovesPerNode = 100 };

    /// <summary>TinyKV TestReplicas13C, 33C, 53C: a region of the fullest store goes to the emptiest that does not hold
    /// it.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(5)]
    public void A_replica_moves_from_the_fullest_node_to_the_emptiest(int replicas)
    {
        PlacementWorld world =
            new PlacementWorld(Options with { ReplicaCount = replicas }).WithNodes(replicas + 2);
        int[] first = [.. Enumerable.Range(1, replicas)];
        world.Add(1, 10, first);
        world.Add(2, 10, first);
        world.Add(3, 10, first);
        AddLearnerDecision[] moves = [.. world.Decide().OfType<AddLearnerDecision>()];
        Assert.NotEmpty(moves);
        Assert.Equal(Name(replicas + 1), moves[0].Node);
        Assert.Equal(Name(1), moves[0].InsteadOf);
        world.Run(100);
        Assert.InRange(Spread(world, world.ReplicasOn), 0, 1);
    }

    /// <summary>TinyKV TestBalance3C: a difference of one is left alone.</summary>
    [Fact]
    public void Nothing_moves_unless_it_improves()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(4);
        world.Add(1, 10, 1, 2, 3);
        Assert.Empty(world.Decide());
        world.Add(2, 10, 2, 3, 4);
        Assert.Empty(world.Decide());
    }

    /// <summary>TinyKV's pending regions: one with a peer that is down or on the move is not scheduled again.</summary>
    [Fact]
    public void A_group_that_is_changing_or_misses_a_replica_is_not_moved()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(5);
        WorldGroup moving = world.Add(1, 10, 1, 2, 3);
        moving.Move = new PlannedMove(Name(3), Name(4), IsAsked: true, "asked");
        WorldGroup broken = world.Add(2, 10, 1, 2, 3);
        WorldGroup whole = world.Add(3, 10, 1, 2, 3);
        ClusterModel model = world.Model();
        model = model with
        {
            Groups = [.. model.Groups.Select(g => g.Group == broken.Id
                ? g with { Members = [.. g.Members.Select(m => m with { SilentFor = Gone })] } : g)],
        };
        Decision[] decisions = [.. PlacementController.Decide(model, Options)];
        Assert.DoesNotContain(decisions, d => d.Group == broken.Id);
        Assert.Equal(Name(4), Assert.IsType<AddLearnerDecision>(decisions.Single(d => d.Group == moving.Id)).Node);
        Assert.Equal(Name(5), Assert.IsType<AddLearnerDecision>(decisions.Single(d => d.Group == whole.Id)).Node);
    }

    /// <summary>TinyKV: stores that are down are neither source nor target.</summary>
    [Fact]
    public void Suspected_and_drained_nodes_get_nothing()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(6);
        for (uint id = 1; id <= 6; id++) world.Add(id, 10, 1, 2, 3);
        world.Silence(4, Options.SuspectAfter);
        world.Intend(5, NodeIntent.Draining);
        world.Run(100);
        Assert.Equal(0, world.ReplicasOn(Name(4)) + world.ReplicasOn(Name(5)));
        Assert.InRange(world.ReplicasOn(Name(6)), 4, 5);
    }

    [Fact]
    public void Balance_that_is_switched_off_moves_nothing_but_repairs_go_on()
    {
        PlacementWorld world = new PlacementWorld(Options) { IsBalanceOn = false }.WithNodes(5);
        for (uint id = 1; id <= 4; id++) world.Add(id, 10, 1, 2, 3);
        Assert.Empty(world.Decide());
        world.Silence(3, Gone);
        Assert.Equal(4, world.Decide().OfType<AddLearnerDecision>().Count());
    }

    /// <summary>MIT lab 4, minimal transfers: exactly what the new nodes must hold moves, and only to them.</summary>
    [Theory]
    [InlineData(3, 1, 12, 100, 100)]
    [InlineData(4, 1, 37, 4, 2)]
    [InlineData(5, 2, 64, 4, 1)]
    [InlineData(7, 3, 40, 100, 100)]
    public void A_node_that_joins_gets_exactly_its_share_and_nothing_else_moves(
        int nodes, int joining, int groups, int maxMoves, int maxPerNode)
    {
        PlacementWorld world = new PlacementWorld(new PlacementOptions
        {
            MaxMoves = maxMoves,
            MaxMovesPerNode = maxPerNode,
        }).WithNodes(nodes);
        for (int id = 1; id <= groups; id++)
            world.Add((uint)id, 10, 1 + id % nodes, 1 + (id + 1) % nodes, 1 + (id + 2) % nodes);
        world.Run(1000);
        int before = world.Moves;
        world.WithNodes(nodes + joining);
        world.Run(5000);
        Assert.InRange(Spread(world, world.ReplicasOn), 0, 1);
        int share = groups * 3 / (nodes + joining);
        int held = Enumerable.Range(nodes + 1, joining).Sum(i => world.ReplicasOn(Name(i)));
        Assert.Equal(share * joining, held);
        Assert.Equal(held, world.Moves - before);
    }

    /// <summary>MIT lab 4, minimal transfers: what leaves goes. Places are chosen group by group, so that the last ones
    /// may cost one move more to be even.</summary>
    [Fact]
    public void A_node_that_is_drained_gives_up_its_replicas_and_hardly_anything_else_moves()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(6);
        for (int id = 1; id <= 40; id++) world.Add((uint)id, 10, 1 + id % 6, 1 + (id + 1) % 6, 1 + (id + 2) % 6);
        world.Run(1000);
        int before = world.Moves;
        int held = world.ReplicasOn(Name(6));
        world.Intend(6, NodeIntent.Draining);
        world.Run(1000);
        Assert.InRange(world.Moves - before, held, held + 1);
        Assert.InRange(Spread(world, world.ReplicasOn), 0, 1);
    }

    [Fact]
    public void Replicas_spread_over_zones_before_numbers_are_looked_at()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(6, i => i <= 4 ? "a" : i == 5 ? "b" : "c");
        for (uint id = 1; id <= 8; id++) world.Add(id, 10, 1, 2, 3);
        world.Run(500);
        Assert.All(world.Groups.Values, group => Assert.Equal(3, world.ZonesOf(group)));
        Assert.Equal([2, 2, 2, 2, 8, 8], world.UpNodes.Select(world.ReplicasOn));
    }

    [Fact]
    public void A_repair_keeps_the_zones_apart()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(6, i => $"zone-{(i - 1) % 3}");
        for (int id = 1; id <= 6; id++) world.Add((uint)id, 10, 1 + 3 * (id % 2), 2 + 3 * (id / 2 % 2), 3);
        world.Run(500);
        world.Silence(3, Gone);
        world.Run(500);
        Assert.All(world.Groups.Values, group => Assert.Equal(3, world.ZonesOf(group)));
        Assert.Equal(6, world.ReplicasOn(Name(6)));
    }

    [Fact]
    public void Bytes_even_out_without_making_numbers_uneven()
    {
        PlacementWorld world = new PlacementWorld(Options with { ReplicaCount = 1, SplitBytes = long.MaxValue })
            .WithNodes(2);
        const long Megabyte = 1 << 20;
        for (uint id = 1; id <= 4; id++) world.Add(id, 20 * Megabyte, 1);
        for (uint id = 5; id <= 8; id++) world.Add(id, 4 * Megabyte, 2);
        world.Run(100);
        Assert.Equal([4, 4], world.UpNodes.Select(world.ReplicasOn));
        long[] bytes = [.. world.UpNodes.Select(world.BytesOn)];
        Assert.True(bytes.Max() <= 1.2 * bytes.Min(), string.Join(' ', bytes));
        Assert.Equal(4, world.Moves);
    }

    [Fact]
    public void Small_differences_in_bytes_move_nothing()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(4);
        for (int id = 1; id <= 8; id++)
            world.Add((uint)id, 100 + 50 * id, 1 + id % 4, 1 + (id + 1) % 4, 1 + (id + 2) % 4);
        Assert.DoesNotContain(world.Decide(), d => d is AddLearnerDecision);
    }

    [Fact]
    public void Leaders_even_out_also_over_nodes_between()
    {
        PlacementWorld world = new PlacementWorld(Options with { ReplicaCount = 2 }).WithNodes(3);
        // node-1 leads three, node-2 two, node-3 one, and node-1 and node-3 share no group: the way is over node-2.
        world.Add(1, 10, 1, 2);
        world.Add(2, 10, 1, 2);
        world.Add(3, 10, 1, 2);
        world.Add(4, 10, 2, 3);
        world.Add(5, 10, 2, 3);
        world.Add(6, 10, 3, 2);
        world.IsBalanceOn = true;
        IReadOnlyList<Decision> decisions = world.Decide();
        Assert.Equal([Name(3), Name(2)], decisions.OfType<TransferDecision>().Select(d => d.To));
        foreach (TransferDecision transfer in decisions.OfType<TransferDecision>()) world.Apply(transfer);
        Assert.Equal([2, 2, 2], world.UpNodes.Select(world.LeadersOn));
        Assert.DoesNotContain(world.Decide(), d => d is TransferDecision);
    }

    [Fact]
    public void Leadership_is_not_handed_to_one_that_lags_or_is_silent()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(3);
        for (uint id = 1; id <= 4; id++)
        {
            WorldGroup group = world.Add(id, 10, 1, 2, 3);
            group.Members[1].RoundsToGo = 1;
        }
        world.Silence(3, Options.SuspectAfter);
        Assert.Empty(world.Decide());
        foreach (WorldGroup group in world.Groups.Values) group.CatchUp();
        Assert.All(world.Decide(), d => Assert.Equal(Name(2), Assert.IsType<TransferDecision>(d).To));
        Assert.Equal(2, world.Decide().Count);
    }

    private static int Spread(PlacementWorld world, Func<NodeName, int> of) =>
        world.UpNodes.Max(of) - world.UpNodes.Min(of);
}
