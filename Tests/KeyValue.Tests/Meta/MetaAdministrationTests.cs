using Orleans.Raft.Core;
using static Orleans.Raft.KeyValue.AdministrationStatus;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Meta;

/// <summary>What administrators are answered, and why they are refused.</summary>
public sealed class MetaAdministrationTests
{
    private static readonly PlacementOptions Options = new();
    private static readonly GroupId First = new(1);
    private static readonly GroupId Second = new(2);

    private readonly Dictionary<GroupId, byte[]?> _splits = [];
    private readonly Dictionary<GroupId, NodeName> _transfers = [];
    private MetaRegistry _registry = null!;
    private TimeSpan _now;
    private ulong _number;

    [Fact]
    public void Groups_and_nodes_are_listed_as_they_were_reported()
    {
        Begin(nodes: 4);
        IReadOnlyList<GroupOverview> groups = Serve(new ListGroupsRequest()).Groups;
        Assert.Equal([First, Second], groups.Select(g => g.Descriptor.Group));
        Assert.Equal((1000, Node(1), null), (groups[0].Bytes, groups[0].Leader, groups[0].Operation));
        IReadOnlyList<NodeOverview> nodes = Serve(new ListNodesRequest()).Nodes;
        Assert.Equal([(2, 2, 2000L), (2, 0, 2000L), (2, 0, 2000L), (0, 0, 0L)],
            nodes.Select(n => (n.Replicas, n.Leaders, n.Bytes)));
    }

    [Fact]
    public void A_split_is_ordered_and_one_at_a_boundary_refused_unless_it_is_a_repetition()
    {
        Begin(nodes: 3);
        var split = new SplitRequest(Bytes.Of("c"));
        Assert.Equal(UnderWay, Serve(split).Status);
        Assert.Equal("c", Bytes.Text(Assert.Single(_splits).Value!));
        AdministrationAnswer refused = Serve(new SplitRequest(Bytes.Of("m")));
        Assert.Equal((Refused, "The key is a boundary already: g2 begins there."), (refused.Status, refused.Text));
        Assert.Equal(Done, Serve(new SplitRequest(Bytes.Of("m")) { IsRepeat = true }).Status);
        Assert.Equal(Refused, Serve(new SplitRequest(default)).Status);
    }

    [Fact]
    public void A_group_without_leader_or_on_the_move_is_waited_for()
    {
        Begin(nodes: 4);
        Serve(new MoveReplicaRequest(First, Node(3), Node(4)));
        AdministrationAnswer answer = Serve(new SplitRequest(Bytes.Of("c")));
        Assert.Equal(UnderWay, answer.Status);
        Assert.Contains("moves from node-3 to node-4", answer.Text);
        _now += Options.SuspectAfter;
        Assert.Contains("no leader", Serve(new SplitRequest(Bytes.Of("x"))).Text);
        Assert.Empty(_splits);
    }

    [Fact]
    public void Groups_are_added_by_dividing_the_largest_and_those_without_data_in_the_middle_of_their_range()
    {
        Begin(nodes: 3);
        Report(2, "m", "", 1, bytes: 5000, keys: 50);
        Assert.Equal(UnderWay, Serve(new GrowGroupsRequest(3)).Status);
        Assert.Equal((Second, null), (_splits.Single().Key, _splits.Single().Value));
        _splits.Clear();
        Report(2, "m", "", 1, bytes: 0, keys: 0);
        Report(1, "", "m", 1, bytes: 0, keys: 0);
        Assert.Equal(UnderWay, Serve(new GrowGroupsRequest(4)).Status);
        Assert.Equal([(First, "F"), (Second, "v")], _splits.Select(s => (s.Key, Bytes.Text(s.Value!))));
        // What is ordered counts, until it is given up.
        _splits.Clear();
        _registry.NoteSplit(First, new GroupId(8), _now);
        Assert.Equal(UnderWay, Serve(new GrowGroupsRequest(4)).Status);
        Assert.Equal([Second], _splits.Keys);
        _splits.Clear();
        Assert.Contains("is being split", Serve(new SplitRequest(Bytes.Of("c"))).Text);
        _now += Seconds(4.9);
        Heard(1);
        Assert.Contains("is being split", Serve(new SplitRequest(Bytes.Of("c"))).Text);
        _now += Seconds(0.1);
        Serve(new SplitRequest(Bytes.Of("c")));
        Assert.Equal([First], _splits.Keys);
        Assert.Equal(Done, Serve(new GrowGroupsRequest(2)).Status);
        Assert.Equal(Refused, Serve(new GrowGroupsRequest(StoreNodeOptions.MaxGroups + 1)).Status);
    }

    [Fact]
    public void Asked_again_before_the_next_decision_no_more_groups_are_added_than_were_asked_for()
    {
        Begin(nodes: 3);
        Report(2, "m", "", 1, bytes: 5000, keys: 50);
        Assert.Equal(UnderWay, Serve(new GrowGroupsRequest(3)).Status);
        // The answer is lost, and meanwhile another group becomes the largest.
        Report(1, "", "m", 1, bytes: 9000, keys: 90);
        Require(UnderWay, "2 of 3 groups", new GrowGroupsRequest(3) { IsRepeat = true });
        Assert.Equal([Second], _splits.Keys);
        Serve(new GrowGroupsRequest(4));
        Assert.Equal([First, Second], _splits.Keys.Order());
    }

    [Fact]
    public void A_move_is_planned_once_and_wrong_ones_are_refused()
    {
        Begin(nodes: 5);
        var move = new MoveReplicaRequest(First, Node(3), Node(4));
        Assert.Equal(UnderWay, Serve(move).Status);
        Assert.Equal(UnderWay, Serve(move).Status);
        Assert.Equal(new PlannedMove(Node(3), Node(4), true, "an administrator asked for it"),
            _registry.Groups[First].Move);
        Require(Refused, "There is no group g9", new MoveReplicaRequest(new GroupId(9), Node(3), Node(4)));
        Require(Refused, "There is no node nobody", new MoveReplicaRequest(Second, Node(3), new("nobody")));
        Require(Refused, "g2 has no replica on node-4", new MoveReplicaRequest(Second, Node(4), Node(5)));
        Require(Refused, "has a replica on node-2 already", new MoveReplicaRequest(Second, Node(3), Node(2)));
        Require(UnderWay, "moves from node-3 to node-4", new MoveReplicaRequest(First, Node(2), Node(5)));
        _now += Options.SuspectAfter;
        Heard(1, 2, 3);
        Require(Refused, "node-5 is suspected", new MoveReplicaRequest(Second, Node(3), Node(5)));
    }

    [Fact]
    public void A_move_is_done_when_the_replica_is_there()
    {
        Begin(nodes: 4);
        Serve(new MoveReplicaRequest(First, Node(3), Node(4)));
        Report(1, "", "m", 4, nodes: [1, 2, 4]);
        _registry.SetMove(First, null);
        Require(Done, "g1 has a replica on node-4", new MoveReplicaRequest(First, Node(3), Node(4)));
    }

    [Fact]
    public void The_smaller_of_two_neighbours_is_merged_into_the_other()
    {
        Begin(nodes: 3);
        Report(2, "m", "", 1, bytes: 2000);
        Require(UnderWay, "g1 is merged into g2", new MergeGroupsRequest(First, Second));
        PlannedMerge merge = _registry.Merges[new MergeId(1)].Row;
        Assert.Equal((First, Second, 1ul, true), (merge.Source, merge.Target, merge.RangeVersion, merge.IsAsked));
        Require(UnderWay, "g1 is merged into g2", new MergeGroupsRequest(First, Second) { IsRepeat = true });
        Assert.Single(_registry.Merges);
        Assert.All(Serve(new ListGroupsRequest()).Groups, g => Assert.Contains("g1 is merged into g2", g.Operation));
        Assert.Contains("g1 is merged into g2", Assert.Single(Serve(new BalanceStatusRequest()).Balance!.UnderWay));
        // Nothing else is begun with either of them.
        Require(UnderWay, "is merged", new SplitRequest(Bytes.Of("c")));
        Require(UnderWay, "is merged", new SplitRequest(Bytes.Of("x")));
        Assert.Empty(_splits);
    }

    [Fact]
    public void A_merge_that_was_done_is_done_and_takes_in_no_third_group()
    {
        Begin(nodes: 3);
        Report(2, "m", "t", 2);
        Report(3, "t", "", 1);
        Serve(new MergeGroupsRequest(First, Second));
        MergeEntry merge = _registry.Merges[new MergeId(1)];
        (GroupId source, GroupId target) = (merge.Row.Source, merge.Row.Target);
        _registry.FinishMerge(merge);
        Require(Done, $"{source} is part of {target}", new MergeGroupsRequest(First, Second));
        Require(Done, $"{source} is part of {target}", new MergeGroupsRequest(First, Second) { IsRepeat = true });
        Assert.Empty(_registry.Merges);
        Require(Refused, $"{source} any more: it was merged into {target}",
            new MoveReplicaRequest(source, Node(1), Node(2)));
    }

    [Fact]
    public void A_merge_that_failed_is_not_begun_again_by_who_asked_for_it_first()
    {
        Begin(nodes: 3);
        Serve(new MergeGroupsRequest(First, Second));
        MergeEntry merge = _registry.Merges[new MergeId(1)];
        _registry.SetPhase(merge, MergePhase.Abandoned, "it is too large");
        Require(UnderWay, "not merged into g1 after all, because it is too large", new MergeGroupsRequest(First, Second));
        _registry.EndMerge(merge, _now);
        Require(Refused, "go on as they were: it is too large",
            new MergeGroupsRequest(First, Second) { IsRepeat = true });
        Require(UnderWay, "g2 is merged into g1", new MergeGroupsRequest(First, Second));
        Assert.Equal(new MergeId(2), Assert.Single(_registry.Merges).Key);
    }

    [Fact]
    public void Groups_that_cannot_be_merged_are_refused_with_the_reason()
    {
        Begin(nodes: 4);
        Require(Refused, "g0 holds what the cluster knows", new MergeGroupsRequest(GroupId.Meta, First));
        Require(Refused, "There is no group g9", new MergeGroupsRequest(First, new GroupId(9)));
        Require(Refused, "g1 is on the left of g2; name it first", new MergeGroupsRequest(Second, First));
        Require(Refused, "cannot be merged with itself", new MergeGroupsRequest(Second, Second));
        Report(2, "m", "t", 2, bytes: 9 << 20);
        Report(3, "t", "", 1, bytes: 10 << 20);
        Require(Refused, "g3 is not the right neighbour of g1", new MergeGroupsRequest(First, new GroupId(3)));
        Require(Refused, "g2 is the smaller one and has 9437184 bytes", new MergeGroupsRequest(Second, new GroupId(3)));
        Report(2, "m", "t", 2, bytes: 60 << 20);
        Report(1, "", "m", 1, bytes: 5 << 20);
        Require(Refused, "would be split again", new MergeGroupsRequest(First, Second));
        Report(2, "m", "t", 2);
        Serve(new MoveReplicaRequest(First, Node(3), Node(4)));
        Require(UnderWay, "moves from node-3 to node-4", new MergeGroupsRequest(First, Second));
        Assert.Empty(_registry.Merges);
    }

    [Fact]
    public void Leadership_goes_only_to_a_voter_that_answers()
    {
        Begin(nodes: 4);
        Assert.Equal(UnderWay, Serve(new TransferLeaderRequest(First, Node(2))).Status);
        Assert.Equal(Node(2), _transfers[First]);
        Require(Done, "node-1 leads g1", new TransferLeaderRequest(First, Node(1)));
        Require(Refused, "g1 has no replica on node-4", new TransferLeaderRequest(First, Node(4)));
        _now += Options.SuspectAfter;
        Heard(1);
        Require(Refused, "node-3 does not answer", new TransferLeaderRequest(First, Node(3)));
    }

    [Fact]
    public void A_node_is_drained_until_nothing_is_left_and_may_be_used_again()
    {
        Begin(nodes: 4);
        Require(UnderWay, "3 replicas left on node-3", new DrainNodeRequest(Node(3)));
        Assert.Equal(NodeState.Draining, _registry.StateOf(Node(3), _now));
        Report(1, "", "m", 2, nodes: [1, 2, 4]);
        Report(2, "m", "", 2, nodes: [1, 2, 4]);
        Report(0, "", "", 2, nodes: [1, 2, 4]);
        Require(Done, "node-3 is drained", new DrainNodeRequest(Node(3)));
        Require(Done, "may get replicas", new DrainNodeRequest(Node(3), Undo: true));
        Assert.Equal(NodeState.Up, _registry.StateOf(Node(3), _now));
    }

    [Fact]
    public void Draining_and_removing_are_refused_where_nowhere_is_left()
    {
        Begin(nodes: 3);
        Require(Refused, "g0 has nowhere to go from node-3", new DrainNodeRequest(Node(3)));
        Require(Refused, "nowhere to go", new RemoveNodeRequest(Node(3)));
        Require(Refused, "There is no node nobody; the nodes are node-1, node-2, node-3",
            new DrainNodeRequest(new("nobody")));
        Assert.All(_registry.Nodes.Values, node => Assert.Equal(NodeIntent.Member, node.Row.Intent));
    }

    [Fact]
    public void A_place_that_another_node_leaves_for_is_nobody_elses()
    {
        Begin(nodes: 4);
        Assert.Equal(UnderWay, Serve(new DrainNodeRequest(Node(3))).Status);
        Require(Refused, "g0 has nowhere to go from node-2: of 3 replicas 2 would have a place",
            new DrainNodeRequest(Node(2)));
        Require(Refused, "nowhere to go", new RemoveNodeRequest(Node(2)));
        Serve(new DrainNodeRequest(Node(3), Undo: true));
        Assert.Equal(UnderWay, Serve(new RemoveNodeRequest(Node(2))).Status);
        Require(Refused, "nowhere to go", new DrainNodeRequest(Node(3)));
    }

    [Fact]
    public void The_last_node_of_a_majority_is_not_let_go()
    {
        Begin(nodes: 5);
        _now += Options.SuspectAfter;
        Heard(1, 4, 5);
        // Of the groups' nodes 1, 2 and 3 only the first answers.
        Require(Refused, "g0 has no majority: of node-1, node-2, node-3 only node-1 answers",
            new RemoveNodeRequest(Node(2)));
        Require(Refused, "no majority", new ReplaceNodeRequest(Node(2)));
    }

    [Fact]
    public void A_node_that_lost_its_disk_is_replaced_and_one_that_works_is_not()
    {
        Begin(nodes: 3);
        Require(Refused, "node-3 is up with its disk", new ReplaceNodeRequest(Node(3)));
        _now += Options.SuspectAfter;
        Heard(1, 2);
        Require(UnderWay, "3 replicas left", new ReplaceNodeRequest(Node(3)));
        Assert.Equal(NodeIntent.Removed, _registry.Nodes[Node(3)].Row.Intent);
        // Nowhere else is a place: what is lost makes way first.
        RemoveReplicaDecision[] decisions =
            [.. PlacementController.Decide(_registry.Model(_now), Options).OfType<RemoveReplicaDecision>()];
        Assert.Contains(decisions, d => d.Group == First && d.Replica == new ReplicaId(3));
    }

    [Fact]
    public void Balance_is_switched_and_says_what_it_does()
    {
        Begin(nodes: 4);
        Require(Done, "off", new SwitchBalanceRequest(On: false));
        Assert.False(_registry.IsBalanceOn);
        Serve(new MoveReplicaRequest(First, Node(3), Node(4)));
        BalanceOverview balance = Serve(new BalanceStatusRequest()).Balance!;
        Assert.False(balance.IsOn);
        Assert.Equal(["g1 moves from node-3 to node-4, because an administrator asked for it"], balance.UnderWay);
        Assert.Equal(["decided before"], balance.Recent);
    }

    [Theory]
    [InlineData("", "", "O")]
    [InlineData("", "m", "F")]
    [InlineData("m", "", "v")]
    [InlineData("a", "b", "a\u007f")]
    [InlineData("abc", "abd", "abc\u007f")]
    public void The_middle_of_a_range_is_inside_it_and_short(string start, string end, string middle)
    {
        byte[] key = KeySpace.Middle(Bytes.Of(start), Bytes.Of(end))!;
        Assert.True(key.AsSpan().SequenceCompareTo(Bytes.Of(start)) > 0);
        Assert.True(end.Length == 0 || key.AsSpan().SequenceCompareTo(Bytes.Of(end)) < 0);
        Assert.Equal(middle.Length, key.Length);
    }

    [Fact]
    public void A_range_without_room_has_no_middle()
    {
        Assert.Null(KeySpace.Middle("12345678a"u8, "12345678b"u8));
        Assert.NotNull(KeySpace.Middle([0xff], []));
    }

    private void Begin(int nodes)
    {
        _registry = new MetaRegistry(new Term(1), new MetaState(), Options, default);
        NodeName[] names = [.. Enumerable.Range(1, nodes).Select(Node)];
        FormationPlan plan = FormationPlan.Create(names.Take(3).ToArray(), [Bytes.Of("m")], new StoreLimits());
        _registry.Found(new FormationRecord(default,
            [.. names.Select((n, i) => new FormationNode(n, new StoreId(new Guid(i, 1, 1, new byte[8]))))],
            plan.Groups, plan.Limits), isBalanceOn: true, default);
        Report(0, "", "", 1);
        Report(1, "", "m", 1);
        Report(2, "m", "", 1);
        Heard([.. Enumerable.Range(1, nodes)]);
    }

    private void Heard(params int[] nodes)
    {
        foreach (int node in nodes)
            _registry.Take(Node(node), new NodeReport(1, ++_number, default, "", false, [], [], [], []), _now);
    }

    /// <summary>node-1 reports that it leads a group.</summary>
    private void Report(uint id, string start, string end, ulong config, long bytes = 1000, long keys = 100,
        params int[] nodes)
    {
        int[] places = nodes.Length > 0 ? nodes : [1, 2, 3];
        var group = new GroupDescriptor(new GroupId(id), Bytes.Of(start), Bytes.Of(end), 1, config,
            [.. places.Select(n => new ReplicaPlacement(new ReplicaId((ulong)n), Node(n)))]);
        _registry.Take(Node(1), new NodeReport(1, ++_number, default, "", false,
            [new GroupReport(group, new Term(1), bytes, keys, 0, null, [])], [], [], []), _now);
    }

    private static NodeName Node(int number) => new($"node-{number}");

    private AdministrationAnswer Serve(AdministrationRequest request) =>
        new MetaAdministration(_registry, Options, _now, _splits, _transfers, ["decided before"]).Serve(request);

    private void Require(AdministrationStatus status, string text, AdministrationRequest request)
    {
        AdministrationAnswer answer = Serve(request);
        Assert.Equal(status, answer.Status);
        Assert.Contains(text, answer.Text);
    }
}
