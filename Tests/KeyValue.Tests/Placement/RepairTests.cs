using Orleans.Raft.Core;
using static Orleans.Raft.KeyValue.Tests.Placement.PlacementWorld;

namespace Orleans.Raft.KeyValue.Tests.Placement;

/// <summary>Rules of the placement controller, one situation each: what is under way, repairs, splits.</summary>
public sealed class RepairTests
{
    private static readonly PlacementOptions Options = new() { MaxMoves = 100, MaxMovesPerNode = 100 };

    [Fact]
    public void Nothing_is_decided_where_nothing_is_wrong()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(3);
        world.Add(1, 10, 1, 2, 3);
        world.Add(2, 10, 2, 3, 1);
        world.Add(3, 10, 3, 1, 2);
        Assert.Empty(world.Decide());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(5)]
    public void A_group_gets_as_many_replicas_as_are_wanted(int replicas)
    {
        PlacementWorld world = new PlacementWorld(Options with { ReplicaCount = replicas }).WithNodes(6);
        world.Add(1, 10, 1);
        world.Run(40);
        Assert.Equal(replicas, world.Groups[new GroupId(1)].Members.Count);
    }

    [Fact]
    public void A_group_gets_as_many_replicas_as_there_are_nodes()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(2);
        world.Add(1, 10, 1);
        world.Run(20);
        Assert.Equal(2, world.Groups[new GroupId(1)].Members.Count);
    }

    [Fact]
    public void A_surplus_replica_goes_first_that_of_a_gone_node()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(4);
        world.Add(1, 10, 1, 2, 3, 4);
        world.Silence(3, Gone);
        var remove = Assert.IsType<RemoveReplicaDecision>(Assert.Single(world.Decide()));
        Assert.Equal(new ReplicaId(3), remove.Replica);
    }

    [Fact]
    public void A_surplus_leader_hands_over_before_it_goes()
    {
        PlacementWorld world = new PlacementWorld(Options with { ReplicaCount = 1 }).WithNodes(2);
        world.Add(1, 10, 1, 2);
        world.Intend(1, NodeIntent.Draining);
        var transfer = Assert.IsType<TransferDecision>(Assert.Single(world.Decide()));
        Assert.Equal(Name(2), transfer.To);
        world.Apply(transfer);
        Assert.Equal(new ReplicaId(1), Assert.IsType<RemoveReplicaDecision>(Assert.Single(world.Decide())).Replica);
    }

    [Fact]
    public void A_learner_that_never_catches_up_is_given_up_and_tried_elsewhere()
    {
        var world = new PlacementWorld(Options) { CatchUpRounds = () => int.MaxValue };
        world.WithNodes(5);
        WorldGroup group = world.Add(1, 10, 1, 2, 3);
        world.Intend(3, NodeIntent.Draining);
        world.Apply(Assert.Single(world.Decide()));
        Assert.Equal(Name(4), group.Members[^1].Node);
        group.LearnsFor = Options.CatchUpWithin - TimeSpan.FromSeconds(1);
        Assert.Empty(world.Decide());
        group.LearnsFor = Options.CatchUpWithin;
        var given = Assert.IsType<RemoveReplicaDecision>(Assert.Single(world.Decide()));
        Assert.Equal((new ReplicaId(4), Name(4)), (given.Replica, given.GaveUpOn));
        Assert.Contains("node-4 has not caught up within 00:10:00", given.ToString(), StringComparison.Ordinal);
        world.Apply(given);
        Assert.Equal(Name(5), Assert.IsType<AddLearnerDecision>(Assert.Single(world.Decide())).Node);
        // Better there again than nowhere.
        world.Silence(5, Gone);
        Assert.Equal(Name(4), Assert.IsType<AddLearnerDecision>(Assert.Single(world.Decide())).Node);
    }

    [Fact]
    public void A_learner_that_has_caught_up_is_not_given_up_however_long_it_took()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(4);
        WorldGroup group = world.Add(1, 10, 1, 2, 3);
        world.Intend(3, NodeIntent.Draining);
        world.Apply(Assert.Single(world.Decide()));
        group.CatchUp();
        group.LearnsFor = Gone;
        Assert.IsType<PromoteDecision>(Assert.Single(world.Decide()));
    }

    [Fact]
    public void No_removal_leaves_a_group_without_majority()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(4);
        world.Add(1, 10, 1, 2, 3, 4);
        // Of four, three live: with one of these three gone, two of three would.
        world.Silence(4, Options.SuspectAfter);
        RemoveReplicaDecision first = Assert.IsType<RemoveReplicaDecision>(Assert.Single(world.Decide()));
        Assert.NotEqual(new ReplicaId(4), first.Replica);
        // The leader reports that it does not hear the third either: nothing may go but what is silent.
        ClusterModel model = world.Model();
        ModelGroup group = model.Groups[0];
        model = model with
        {
            Groups = [group with
            {
                Members = [.. group.Members.Select(m => m.Id == new ReplicaId(3) ? m with { SilentFor = Gone } : m)],
            }],
        };
        Decision? only = PlacementController.Decide(model, Options).SingleOrDefault();
        Assert.Contains(Assert.IsType<RemoveReplicaDecision>(only).Replica, new[] { new ReplicaId(3), new ReplicaId(4) });
    }

    [Fact]
    public void A_silent_node_keeps_its_replicas_until_it_counts_as_gone()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(4);
        world.Add(1, 10, 1, 2, 3);
        world.Silence(3, Options.GoneAfter - TimeSpan.FromSeconds(1));
        Assert.Empty(world.Decide());
        world.Silence(3, Options.GoneAfter);
        var add = Assert.IsType<AddLearnerDecision>(Assert.Single(world.Decide()));
        Assert.Equal((Name(4), (NodeName?)Name(3)), (add.Node, add.InsteadOf));
        Assert.Contains("node-3 is gone", add.Reason);
    }

    [Fact]
    public void A_replica_is_replaced_in_one_change_and_only_when_the_new_one_has_caught_up()
    {
        PlacementWorld world = new PlacementWorld(Options) { CatchUpRounds = () => 3 }.WithNodes(4);
        WorldGroup group = world.Add(1, 10, 1, 2, 3);
        world.Silence(3, Gone);
        world.Apply(Assert.Single(world.Decide()));
        for (int round = 0; round < 3; round++)
        {
            Assert.Empty(world.Decide());
            group.CatchUp();
        }
        var promote = Assert.IsType<PromoteDecision>(Assert.Single(world.Decide()));
        Assert.Equal((new ReplicaId(4), new ReplicaId(3)), (promote.Learner, promote.Removed));
        world.Apply(promote);
        Assert.True(Assert.IsType<EndMoveDecision>(Assert.Single(world.Decide())).HasArrived);
    }

    [Fact]
    public void Nothing_is_ordered_of_a_group_without_leader_or_in_a_joint_configuration()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(5);
        WorldGroup leaderless = world.Add(1, 10, 1, 2, 3);
        WorldGroup joint = world.Add(2, 1L << 40, 1, 2, 3);
        joint.Join(Name(4), ReplicaRole.Incoming);
        joint.Members[0].Role = ReplicaRole.Outgoing;
        world.Intend(2, NodeIntent.Draining);
        leaderless.Leader = null;
        Assert.Empty(world.Decide());
    }

    [Fact]
    public void An_order_that_was_lost_is_given_again_for_the_same_configuration_only()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(4);
        WorldGroup group = world.Add(1, 10, 1, 2, 3);
        group.Move = new PlannedMove(Name(3), Name(4), IsAsked: true, "an administrator asked for it");
        var first = Assert.IsType<AddLearnerDecision>(Assert.Single(world.Decide()));
        Assert.Equal(first, Assert.Single(world.Decide()));
        world.Apply(first);
        Assert.DoesNotContain(world.Decide(), d => d is AddLearnerDecision);
    }

    [Fact]
    public void A_learner_whose_node_is_gone_goes_and_its_move_is_given_up()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(4);
        WorldGroup group = world.Add(1, 10, 1, 2, 3);
        group.Move = new PlannedMove(Name(3), Name(4), IsAsked: true, "an administrator asked for it");
        group.Join(Name(4), ReplicaRole.Learner);
        world.Silence(4, Gone);
        world.Apply(Assert.IsType<RemoveReplicaDecision>(Assert.Single(world.Decide())));
        EndMoveDecision end = Assert.IsType<EndMoveDecision>(Assert.Single(world.Decide()));
        Assert.False(end.HasArrived);
        Assert.Contains("node-4 is gone", end.Reason);
        world.Apply(end);
        Assert.Empty(world.Decide());
    }

    [Fact]
    public void A_learner_without_a_plan_takes_the_place_of_a_replica_that_must_go_or_goes_itself()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(4);
        WorldGroup group = world.Add(1, 10, 1, 2, 3);
        group.Join(Name(4), ReplicaRole.Learner);
        var undo = Assert.IsType<RemoveReplicaDecision>(Assert.Single(world.Decide()));
        Assert.Equal(new ReplicaId(4), undo.Replica);
        world.Intend(2, NodeIntent.Draining);
        var promote = Assert.IsType<PromoteDecision>(Assert.Single(world.Decide()));
        Assert.Equal(new ReplicaId(2), promote.Removed);
    }

    [Fact]
    public void A_leader_hands_over_before_its_replica_is_replaced()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(4);
        world.Add(1, 10, 1, 2, 3);
        world.Intend(1, NodeIntent.Draining);
        world.Run(20);
        WorldGroup group = world.Groups[new GroupId(1)];
        Assert.Equal([Name(2), Name(3), Name(4)], group.Members.Select(m => m.Node).Order());
        Assert.Equal(1, world.Transfers);
    }

    [Fact]
    public void A_drained_node_gives_up_its_replicas_as_far_as_there_is_a_place_for_them()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(3);
        world.Add(1, 10, 1, 2, 3);
        world.Intend(1, NodeIntent.Draining);
        Assert.Empty(world.Decide());
        Assert.Null(PlacementController.FindPlace(world.Model(), Options, new GroupId(1), Name(1)));
        world.Nodes[Name(4)] = new ModelNode(Name(4));
        Assert.Equal(Name(4), PlacementController.FindPlace(world.Model(), Options, new GroupId(1), Name(1)));
        world.Run(20);
        Assert.Equal(0, world.ReplicasOn(Name(1)));
    }

    [Fact]
    public void Repairs_spread_over_the_nodes_that_are_left()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(5);
        for (uint id = 1; id <= 10; id++) world.Add(id, 10, 1 + (int)(id % 2), 3, 5);
        world.Silence(5, Gone);
        world.Run(100);
        Assert.Equal(0, world.ReplicasOn(Name(5)));
        Assert.All(world.UpNodes, node => Assert.InRange(world.ReplicasOn(node), 7, 8));
    }

    [Fact]
    public void Only_so_many_replicas_move_at_a_time_in_all_and_per_node()
    {
        PlacementWorld world = new PlacementWorld(new PlacementOptions { MaxMoves = 3, MaxMovesPerNode = 1 })
        {
            CatchUpRounds = () => 5,
        }.WithNodes(9);
        for (uint id = 1; id <= 20; id++)
            world.Add(id, 10, 1 + (int)(id % 6), 1 + (int)((id + 1) % 6), 1 + (int)((id + 2) % 6));
        world.Intend(1, NodeIntent.Draining);
        int moves = world.Decide().OfType<AddLearnerDecision>().Count();
        Assert.Equal(3, moves);
        Assert.Equal(3, world.Decide().OfType<AddLearnerDecision>().Select(d => d.Node).Distinct().Count());
        world.Run(2000);
        Assert.Equal(0, world.ReplicasOn(Name(1)));
    }

    [Fact]
    public void The_meta_group_is_repaired_and_neither_split_nor_counted()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(4);
        world.Add(0, 1L << 40, 1, 2, 3);
        world.Add(1, 10, 1, 2, 3);
        world.Add(2, 10, 2, 3, 4);
        world.Add(3, 10, 3, 4, 1);
        world.Add(4, 10, 4, 1, 2);
        Assert.Empty(world.Decide());
        world.Silence(2, Gone);
        Assert.Contains(world.Decide(), d => d is AddLearnerDecision { InsteadOf: { } from } && from == Name(2)
            && d.Group == GroupId.Meta);
    }

    [Fact]
    public void A_group_is_split_by_size_and_by_load_but_not_while_it_changes()
    {
        PlacementWorld world = new PlacementWorld(Options).WithNodes(3);
        WorldGroup large = world.Add(1, Options.SplitBytes + 1, 1, 2, 3);
        WorldGroup hot = world.Add(2, 10, 2, 3, 1);
        hot.OperationsPerSecond = Options.SplitOperationsPerSecond + 1;
        hot.LoadSplitKey = [7];
        world.Add(3, Options.SplitBytes, 3, 1, 2);
        SplitDecision[] splits = [.. world.Decide().Cast<SplitDecision>()];
        Assert.Equal([(1u, null), (2u, "07")],
            splits.Select(s => (s.Group.Value, s.Key is null ? null : Convert.ToHexString(s.Key))));
        large.Move = new PlannedMove(Name(3), Name(4), IsAsked: true, "asked");
        hot.LoadSplitKey = null;
        Assert.DoesNotContain(world.Decide(), d => d is SplitDecision);
    }
}
