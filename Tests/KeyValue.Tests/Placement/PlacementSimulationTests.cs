using Orleans.Raft.Core;
using static Orleans.Raft.KeyValue.Tests.Placement.PlacementWorld;

namespace Orleans.Raft.KeyValue.Tests.Placement;

/// <summary>Random clusters, in which the controller's decisions are carried out until there are none left.</summary>
public sealed class PlacementSimulationTests
{
    public static TheoryData<int> Seeds() => [.. Enumerable.Range(1, 200)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Any_cluster_comes_to_rest_and_is_even_then(int seed)
    {
        var random = new Random(seed);
        PlacementWorld world = AnyWorld(random);
        int replicas = world.Groups.Values.Sum(g => g.Members.Count);
        world.Run(100 + 40 * replicas);
        Require(world);
        // Then things happen to it, and it comes to rest again.
        int joining = world.Nodes.Count + 1;
        world.Nodes[Name(joining)] = new ModelNode(Name(joining), world.Nodes[Name(1)].Zone);
        if (random.Next(2) == 0) world.Intend(1 + random.Next(world.Nodes.Count), NodeIntent.Draining);
        if (random.Next(2) == 0) world.Silence(1 + random.Next(world.Nodes.Count), Gone);
        if (random.Next(2) == 0) world.Groups.Values.First().Bytes *= 5;
        world.Run(100 + 60 * (replicas + 10 * world.Options.ReplicaCount));
        Require(world);
        Assert.Empty(world.Decide());
    }

    [Fact]
    public void The_same_model_gives_the_same_decisions_in_whatever_order_it_is_told()
    {
        for (int seed = 1; seed <= 50; seed++)
        {
            ClusterModel model = AnyWorld(new Random(seed)).Model();
            var mixed = new ClusterModel([.. model.Nodes.Reverse()], [.. model.Groups.Reverse()]);
            Assert.Equal(PlacementController.Decide(model, new PlacementOptions()).Select(d => d.ToString()),
                PlacementController.Decide(mixed, new PlacementOptions()).Select(d => d.ToString()));
        }
    }

    [Fact]
    public void Four_thousand_groups_are_decided_upon_within_the_allocation_of_a_round()
    {
        PlacementWorld world = new PlacementWorld(new PlacementOptions()).WithNodes(9);
        for (int id = 1; id <= 4000; id++)
            world.Add((uint)id, 1000 + id, 1 + id % 9, 1 + (id + 1) % 9, 1 + (id + 2) % 9);
        world.Nodes[Name(10)] = new ModelNode(Name(10));
        ClusterModel model = world.Model();
        PlacementController.Decide(model, world.Options);
        long before = GC.GetAllocatedBytesForCurrentThread();
        IReadOnlyList<Decision> decisions = PlacementController.Decide(model, world.Options);
        Assert.Equal(2, decisions.OfType<AddLearnerDecision>().Count());
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 30_000_000);
    }

    private static PlacementWorld AnyWorld(Random random)
    {
        int copies = new[] { 1, 3, 3, 5 }[random.Next(4)];
        int nodes = 1 + random.Next(9), zones = 1 + random.Next(4);
        var world = new PlacementWorld(new PlacementOptions
        {
            ReplicaCount = copies,
            MaxMoves = 1 + random.Next(6),
            MaxMovesPerNode = 1 + random.Next(3),
            MaxTransfers = 1 + random.Next(8),
            SplitBytes = 64 << 20,
        })
        {
            CatchUpRounds = () => random.Next(4),
        }.WithNodes(nodes, _ => $"zone-{random.Next(zones)}");
        int groups = 1 + random.Next(30);
        for (uint id = 1; id <= groups; id++)
        {
            int[] placed =
                [.. Enumerable.Range(1, nodes).OrderBy(_ => random.Next()).Take(1 + random.Next(copies + 1))];
            world.Add(id, random.Next(100 << 20), placed);
        }
        for (int node = 1; node <= nodes; node++)
        {
            if (random.Next(8) == 0) world.Silence(node, random.Next(2) == 0 ? Gone : world.Options.SuspectAfter);
            else if (random.Next(8) == 0) world.Intend(node, NodeIntent.Draining);
            else if (random.Next(12) == 0) world.Intend(node, NodeIntent.Removed);
        }
        return world;
    }

    private static void Require(PlacementWorld world)
    {
        Assert.Empty(world.Decide());
        NodeName[] up = [.. world.UpNodes];
        int suspects = world.Nodes.Values.Count(n => n.StateBy(world.Options) == NodeState.Suspect);
        foreach (WorldGroup group in world.Groups.Values.Where(g => g.Leader is not null))
        {
            Assert.All(group.Members, m => Assert.Equal(ReplicaRole.Voter, m.Role));
            int possible = Math.Min(world.Options.ReplicaCount, up.Length);
            Assert.InRange(group.Members.Count, possible, Math.Max(possible, world.Options.ReplicaCount));
            // One on a node that should be empty is left only if there is no place for it.
            bool misplaced = group.Members.Any(m => world.Nodes[m.Node].StateBy(world.Options)
                is NodeState.Gone or NodeState.Removed or NodeState.Draining);
            if (misplaced) Assert.All(up, node => Assert.Contains(group.Members, m => m.Node == node));
            int zones = up.Select(n => world.Nodes[n].Zone).Distinct().Count();
            bool isWhole = group.Members.All(m => up.Contains(m.Node));
            if (isWhole) Assert.Equal(Math.Min(zones, group.Members.Count), world.ZonesOf(group));
        }
        // Without zones, and if all groups can be moved, numbers are even.
        bool isFree = world.Groups.Values.All(g => g.Leader is not null && g.Members.All(m => up.Contains(m.Node)));
        if (up.Length == 0 || suspects > 0 || !isFree) return;
        if (world.Nodes.Values.Select(n => n.Zone).Distinct().Count() == 1)
            Assert.InRange(up.Max(world.ReplicasOn) - up.Min(world.ReplicasOn), 0, 1);
        Assert.Equal(FewestLeaders(world, up), up.Max(world.LeadersOn));
    }

    /// <summary>The least that the node which leads most must lead, found by trying to place all leaders.</summary>
    private static int FewestLeaders(PlacementWorld world, NodeName[] up)
    {
        WorldGroup[] groups = [.. world.Groups.Values];
        for (int most = 0; ; most++)
        {
            var led = up.ToDictionary(node => node, _ => new List<WorldGroup>());
            if (groups.All(group => TryPlace(group, most, led, []))) return most;
        }
    }

    private static bool TryPlace(
        WorldGroup group, int most, Dictionary<NodeName, List<WorldGroup>> led, HashSet<NodeName> tried)
    {
        foreach (WorldMember member in group.Members)
        {
            if (!tried.Add(member.Node)) continue;
            List<WorldGroup> there = led[member.Node];
            if (there.Count < most)
            {
                there.Add(group);
                return true;
            }
            foreach (WorldGroup other in there.ToArray())
            {
                if (!TryPlace(other, most, led, tried)) continue;
                there.Remove(other);
                there.Add(group);
                return true;
            }
        }
        return false;
    }
}
