using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue.Tests.Meta;

/// <summary>What the controller believes of what it is told; TinyKV 3C's heartbeat cases.</summary>
public sealed class MetaRegistryTests
{
    private static readonly PlacementOptions Options = new();
    private static readonly NodeName[] Nodes = [new("node-1"), new("node-2"), new("node-3"), new("node-4")];
    private static readonly GroupId First = new(1);

    private readonly MetaRegistry _registry = new(new Term(1), new MetaState(), Options, default);
    private readonly Dictionary<NodeName, ulong> _numbers = [];

    public MetaRegistryTests()
    {
        FormationPlan plan = FormationPlan.Create(Nodes, [], new StoreLimits());
        _registry.Found(new FormationRecord(default, [.. Nodes.Select((n, i) => new FormationNode(n, Store(i)))],
            plan.Groups, plan.Limits), isBalanceOn: true, default);
    }

    [Fact]
    public void A_cluster_is_founded_with_its_nodes_its_groups_and_the_meta_group()
    {
        Assert.Equal(Nodes, _registry.Nodes.Keys);
        Assert.Equal([GroupId.Meta, First], _registry.Groups.Keys);
        Assert.Equal(new GroupId(2), _registry.TakeGroupId());
        Assert.Equal(new GroupId(3), _registry.TakeGroupId());
        MetaRegistry read = Reread(_registry);
        Assert.Equal(4u, read.NextGroup);
        Assert.Equal(Nodes, read.Nodes.Keys);
        Assert.Equal(_registry.Groups[First].Descriptor, read.Groups[First].Descriptor);
    }

    [Fact]
    public void A_merge_that_failed_lets_its_target_go_first_and_is_not_decided_again_at_once()
    {
        Tell(0, Group(1, "", "m", 2, 1));
        Tell(0, Group(2, "m", "", 2, 1));
        MergeEntry merge = _registry.BeginMerge(new GroupId(2), First, isAsked: false, "a test");
        Assert.Same(merge, _registry.MergeOf(First));
        _registry.SetPhase(merge, MergePhase.Abandoning, "too slow");
        Assert.Same(merge, _registry.MergeOf(First));
        _registry.SetPhase(merge, MergePhase.Abandoned, "too slow");
        Assert.Null(_registry.MergeOf(First));
        Assert.Same(merge, _registry.MergeOf(new GroupId(2)));
        TimeSpan later = TimeSpan.FromHours(1);
        Assert.All(_registry.Model(later).Groups, group => Assert.Equal(later, group.UnchangedFor));
        _registry.EndMerge(merge, later);
        Assert.Null(_registry.MergeOf(new GroupId(2)));
        Assert.All(_registry.Model(later).Groups.Where(group => !group.IsMeta),
            group => Assert.Equal(TimeSpan.Zero, group.UnchangedFor));
    }

    /// <summary>TinyKV TestRegionUpdateVersion, TestRegionUpdateConfver, TestRegionWithStaleVersion,
    /// TestRegionWithStaleConfver.</summary>
    [Theory]
    [InlineData(5, 5, true)]
    [InlineData(6, 5, true)]
    [InlineData(5, 6, true)]
    [InlineData(6, 6, true)]
    [InlineData(4, 5, false)]
    [InlineData(5, 4, false)]
    [InlineData(6, 4, false)]
    [InlineData(4, 6, false)]
    public void A_report_with_an_older_version_is_refused(ulong range, ulong config, bool isTaken)
    {
        Tell(0, Group(1, "", "", 5, 5));
        Tell(1, Group(1, "", "", range, config));
        Assert.Equal(isTaken ? Nodes[1] : Nodes[0], _registry.Groups[First].Leader);
        Assert.Equal(isTaken ? (range, config) : (5UL, 5UL), (_registry.Groups[First].Descriptor.RangeVersion,
            _registry.Groups[First].Descriptor.ConfigVersion));
        Assert.Equal(isTaken ? 0 : 1, _registry.StaleReports);
    }

    [Fact]
    public void A_leader_of_an_earlier_term_is_not_believed_as_long_as_the_later_reports()
    {
        Tell(0, Group(1, "", "", 1, 1), term: 7);
        Tell(1, Group(1, "", "", 1, 1), term: 6);
        Assert.Equal(Nodes[0], _registry.Groups[First].Leader);
        Tell(1, Group(1, "", "", 1, 1), term: 8);
        Assert.Equal(Nodes[1], _registry.Groups[First].Leader);
        // The older notices that it leads no more.
        Assert.True(_registry.Take(Nodes[0], Report(0, [], left: [First]), default));
        Assert.Equal(Nodes[1], _registry.Groups[First].Leader);
    }

    /// <summary>TinyKV TestRegionHeartbeatOverlapping, TestRegionUpdateStaleRegion: of overlapping ranges the newer
    /// counts.</summary>
    [Fact]
    public void Of_overlapping_reports_the_newer_range_counts()
    {
        Tell(0, Group(1, "", "", 1, 1));
        Tell(1, Group(2, "m", "", 2, 1));
        // The parent as it was before the split, from one that has not applied it.
        Tell(0, Group(1, "", "", 1, 1));
        Assert.Equal(1, _registry.StaleReports);
        Assert.Equal(new GroupId(2), _registry.Find("x"u8)!.Descriptor.Group);
        Tell(0, Group(1, "", "m", 2, 1));
        Assert.Equal(1, _registry.StaleReports);
        Assert.Equal(First, _registry.Find("a"u8)!.Descriptor.Group);
        Assert.Equal(new GroupId(2), _registry.Find("m"u8)!.Descriptor.Group);
        Assert.Equal(new GroupId(3), _registry.TakeGroupId());
    }

    [Fact]
    public void A_full_report_tells_what_a_node_leads_no_more_and_a_partial_one_what_has_changed()
    {
        Tell(0, Group(1, "", "m", 2, 1));
        _registry.Take(Nodes[0], Report(0, [Of(Group(2, "m", "", 2, 1), 1)], isFull: false), default);
        Assert.Equal([Nodes[0], Nodes[0]],
            new[] { 1u, 2u }.Select(g => _registry.Groups[new GroupId(g)].Leader!.Value));
        _registry.Take(Nodes[0], Report(0, [], isFull: false, left: [First]), default);
        Assert.Null(_registry.Groups[First].Leader);
        _registry.Take(Nodes[0], Report(0, [], isFull: true), default);
        Assert.Null(_registry.Groups[new GroupId(2)].Leader);
    }

    [Fact]
    public void A_report_that_overtook_another_is_not_undone_by_it_and_one_that_got_lost_is_noticed()
    {
        NodeReport first = Report(0, [Of(Group(1, "", "", 1, 1), 1)], isFull: true);
        NodeReport second = Report(0, [], isFull: false, left: [First]);
        NodeReport third = Report(0, [], isFull: false);
        _registry.Take(Nodes[0], second, default);
        Assert.False(_registry.Nodes[Nodes[0]].IsComplete);
        _registry.Take(Nodes[0], first, default);
        Assert.Null(_registry.Groups[First].Leader);
        NodeReport again = Report(0, [], isFull: true);
        _registry.Take(Nodes[0], again, default);
        Assert.True(_registry.Nodes[Nodes[0]].IsComplete);
        Report(0, [], isFull: false);
        _registry.Take(Nodes[0], Report(0, [], isFull: false), default);
        Assert.False(_registry.Nodes[Nodes[0]].IsComplete);
        Assert.Equal(3ul, third.Number);
    }

    [Fact]
    public void A_node_that_falls_silent_leads_nothing_is_suspected_and_then_gone()
    {
        Tell(0, Group(1, "", "", 1, 1));
        _registry.Take(Nodes[1], Report(1, [], isFull: true), Options.SuspectAfter);
        ClusterModel model = _registry.Model(Options.SuspectAfter);
        Assert.Null(model.Groups.Single(g => g.Group == First).Leader);
        Assert.Equal([NodeState.Suspect, NodeState.Up], model.Nodes.Take(2).Select(n => n.StateBy(Options)));
        model = _registry.Model(Options.GoneAfter);
        Assert.Equal([NodeState.Gone, NodeState.Suspect], model.Nodes.Take(2).Select(n => n.StateBy(Options)));
    }

    [Fact]
    public void A_replica_that_its_group_left_out_is_told_to_go_and_none_else()
    {
        Tell(0, Group(1, "", "", 1, 9) with { HighestReplica = new ReplicaId(7) });
        var lost = new ReplicaSighting(First, new ReplicaId(7), 5);
        ReplicaSighting[] others =
        [
            lost with { Replica = new ReplicaId(1) }, // A member.
            lost with { ConfigVersion = 9 },          // It knows as much.
            lost with { Replica = new ReplicaId(8) }, // It may have come after what is known here.
            lost with { Group = new GroupId(55) },    // Nobody knows.
        ];
        Assert.Empty(_registry.Retirements(Nodes[0], others));
        Assert.Equal([new RetireOrder(First, new ReplicaId(7), 9)], _registry.Retirements(Nodes[0], [lost, .. others]));
    }

    [Fact]
    public void A_replica_whose_id_went_to_another_node_is_told_to_go_although_it_knows_no_configuration()
    {
        Tell(0, Group(1, "", "", 1, 9));
        var undone = new ReplicaSighting(First, new ReplicaId(2), 0);
        Assert.Equal([new RetireOrder(First, new ReplicaId(2), 9)], _registry.Retirements(Nodes[3], [undone]));
        Assert.Empty(_registry.Retirements(Nodes[1], [undone]));
    }

    [Fact]
    public void Nodes_are_told_of_nothing_that_is_not_durable()
    {
        Assert.Equal(0ul, _registry.DurableRevision);
        Assert.Empty(_registry.NodesSince(0));
        Assert.Empty(_registry.GroupsSince(0));
        ulong founded = _registry.Revision;
        _registry.SetNode(new NodeRow(new("node-5"), Store(5), "", NodeIntent.Member), default);
        _registry.SetNode(_registry.Nodes[Nodes[0]].Row with { Intent = NodeIntent.Draining }, default);
        _registry.MakeDurable(founded);
        Assert.Equal(founded, _registry.DurableRevision);
        Assert.Equal(Nodes, _registry.NodesSince(0).Select(n => n.Name));
        // As it was, and not left out, as long as what it has become is not sure.
        Assert.Equal(NodeIntent.Member, _registry.NodesSince(0)[0].Intent);
        Assert.Equal([GroupId.Meta, First], _registry.GroupsSince(0).Select(g => g.Group));
        _registry.MakeDurable(_registry.Revision);
        Assert.Equal(["node-1", "node-5"], _registry.NodesSince(founded).Select(n => n.Name.Value));
        Assert.Empty(_registry.GroupsSince(founded));
    }

    [Fact]
    public void A_group_that_was_merged_is_gone_for_good()
    {
        Tell(0, Group(1, "", "m", 2, 1));
        Tell(1, Group(2, "m", "", 2, 1));
        MergeEntry merge = _registry.BeginMerge(new GroupId(2), First, isAsked: true, "asked");
        Tell(0, Group(1, "", "", 3, 1));
        ulong before = _registry.Revision;
        _registry.FinishMerge(merge);
        ReplicaSighting[] seen = [new(new GroupId(2), new ReplicaId(9), 0), new(First, new ReplicaId(1), 1)];
        // Nobody is told before it is durable.
        Assert.Empty(_registry.MergedSince(before));
        Assert.Empty(_registry.Retirements(Nodes[0], seen));
        _registry.MakeDurable(_registry.Revision);
        Assert.Equal([new MergedGroup(new GroupId(2), First)], _registry.MergedSince(before));
        Assert.Empty(_registry.MergedSince(_registry.Revision));
        // One that has not heard of it reports, even of something newer.
        Tell(1, Group(2, "m", "", 9, 9), term: 9);
        Assert.Equal(1, _registry.StaleReports);
        Assert.Equal([GroupId.Meta, First], _registry.Groups.Keys);
        Assert.Equal(new GroupId(3), _registry.TakeGroupId());
        Assert.Equal([new RetireOrder(new GroupId(2), new ReplicaId(9), 0)], _registry.Retirements(Nodes[0], seen));
        Assert.DoesNotContain(_registry.GroupsSince(0), group => group.Group == new GroupId(2));

        MetaRegistry read = Reread(_registry);
        Assert.Equal([GroupId.Meta, First], read.Groups.Keys);
        Assert.Equal((First, 2ul), (read.MergedInto(new GroupId(2)), read.NextMerge));
        Assert.Equal(4u, read.NextGroup);
        Assert.Equal([new MergedGroup(new GroupId(2), First)], read.MergedSince(0));
        Assert.Empty(read.Merges);
    }

    [Fact]
    public void A_merge_is_taken_over_by_the_next_controller_where_it_is()
    {
        Tell(0, Group(1, "", "m", 2, 1));
        Tell(1, Group(2, "m", "", 2, 1));
        MergeEntry merge = _registry.BeginMerge(First, new GroupId(2), isAsked: false, "small");
        _registry.SetPhase(merge, MergePhase.Abandoning, "late");
        MetaRegistry read = Reread(_registry);
        Assert.Equal(merge.Row, read.MergeOf(First)!.Row);
        Assert.Equal(merge.Row, read.MergeOf(new GroupId(2))!.Row);
        Assert.Throws<InvariantViolationException>(
            () => read.BeginMerge(First, new GroupId(2), isAsked: false, "again"));
        read.EndMerge(read.Merges[new MergeId(1)], default);
        Assert.Equal(new MergeId(2), read.BeginMerge(First, new GroupId(2), isAsked: false, "again").Row.Id);
    }

    [Fact]
    public void A_new_controller_counts_on_nobody_who_has_not_reported_to_it()
    {
        Assert.True(_registry.IsListening(default));
        Assert.False(_registry.Reports(Nodes[0], default));
        Assert.All(_registry.Model(default).Nodes, node => Assert.Equal(NodeState.Suspect, node.StateBy(Options)));
        for (int node = 0; node < 3; node++) _registry.Take(Nodes[node], Report(node, []), default);
        Assert.True(_registry.IsListening(default));
        Assert.Equal([NodeState.Up, NodeState.Up, NodeState.Up, NodeState.Suspect],
            _registry.Model(default).Nodes.Select(n => n.StateBy(Options)));
        // Whoever had time enough is as silent as it looks.
        Assert.False(_registry.IsListening(Options.SuspectAfter));
        _registry.Take(Nodes[3], Report(3, []), default);
        Assert.False(_registry.IsListening(default));
        Assert.True(_registry.Reports(Nodes[3], default));
    }

    [Fact]
    public void It_is_not_known_who_is_there_until_a_node_that_just_joined_has_reported_or_had_time_to()
    {
        for (int node = 0; node < Nodes.Length; node++) _registry.Take(Nodes[node], Report(node, []), default);
        Assert.False(_registry.IsListening(default));
        TimeSpan joined = TimeSpan.FromMinutes(1);
        var joining = new NodeName("node-9");
        var store = new StoreId(new Guid(9, 1, 1, new byte[8]));
        _registry.SetNode(new NodeRow(joining, store, "", NodeIntent.Member), joined);
        Assert.True(_registry.IsListening(joined));
        Assert.False(_registry.IsListening(joined + Options.SuspectAfter));
        _registry.Take(joining, Report(0, []), joined);
        Assert.False(_registry.IsListening(joined));
    }

    [Fact]
    public void The_next_controller_knows_which_splits_are_under_way()
    {
        var child = new GroupId(5);
        _registry.NoteSplit(First, child, default);
        MetaRegistry next = Reread(_registry);
        Assert.Equal([First], next.Splitting(default));
        // Given up, it is forgotten for good.
        next.TakeUnwritten();
        Assert.Empty(next.Splitting(TimeSpan.FromSeconds(5)));
        Assert.Null(Assert.Single(next.TakeUnwritten()).Value);
        _registry.NoteSplit(First, child, default);
        Tell(0, Group(5, "m", "", 2, 1));
        _registry.TakeUnwritten();
        Assert.Empty(_registry.Splitting(default));
        Assert.Null(Assert.Single(_registry.TakeUnwritten()).Value);
    }

    [Fact]
    public void How_long_a_replica_learns_counts_from_its_first_report_and_a_move_that_is_given_up_is_forgotten()
    {
        GroupDescriptor group = Group(1, "", "", 1, 2);
        group = group with
        {
            Replicas = [.. group.Replicas, new ReplicaPlacement(new ReplicaId(4), Nodes[3], ReplicaRole.Learner)],
        };
        _registry.SetMove(First, new PlannedMove(Nodes[2], Nodes[3], IsAsked: false, "a reason"));
        _registry.Take(Nodes[0], Report(0, [Of(group, 1)]), TimeSpan.FromSeconds(3));
        _registry.Take(Nodes[0], Report(0, [Of(group, 1)]), TimeSpan.FromSeconds(8));
        Assert.Equal(TimeSpan.FromSeconds(7), Model().LearnsFor);
        _registry.GiveUp(First, Nodes[3]);
        Assert.Equal((Nodes[3], null), (Model().GaveUpOn, Model().Move));
        Tell(0, Group(1, "", "", 1, 3));
        Assert.Equal(TimeSpan.Zero, Model().LearnsFor);

        ModelGroup Model() => _registry.Model(TimeSpan.FromSeconds(10)).Groups.Single(g => g.Group == First);
    }

    [Fact]
    public void A_report_of_a_stranger_changes_nothing()
    {
        ulong before = _registry.Revision;
        Assert.False(_registry.Take(new NodeName("stranger"), Report(0, [Of(Group(1, "", "", 9, 9), 1)]), default));
        Assert.Equal(before, _registry.Revision);
    }

    private void Tell(int node, GroupDescriptor group, ulong term = 1) =>
        Assert.True(_registry.Take(Nodes[node], Report(node, [Of(group, term)], isFull: false), default));

    private NodeReport Report(
        int node, IReadOnlyList<GroupReport> groups, bool isFull = false, IReadOnlyList<GroupId>? left = null)
    {
        ulong number = _numbers[Nodes[node]] = _numbers.GetValueOrDefault(Nodes[node]) + 1;
        return new NodeReport((ulong)node + 1, number, default, "", isFull, groups, left ?? [], [], []);
    }

    private static GroupReport Of(GroupDescriptor group, ulong term) => new(group, new Term(term), 1, 1, 0, null, []);

    private static GroupDescriptor Group(uint id, string start, string end, ulong range, ulong config) => new(
        new GroupId(id), Bytes.Of(start), Bytes.Of(end), range, config,
        [.. Nodes.Take(3).Select((node, i) => new ReplicaPlacement(new ReplicaId((ulong)i + 1), node))]);

    private static StoreId Store(int number) => new(new Guid(number, 1, 1, new byte[8]));

    private static MetaRegistry Reread(MetaRegistry registry)
    {
        var state = new MetaState();
        var rows = new SortedDictionary<string, ReadOnlyMemory<byte>>(StringComparer.Ordinal);
        foreach (WriteOperation row in registry.TakeUnwritten())
        {
            if (row.Value is { } value) rows[Bytes.Text(row.Key.Span)] = value;
            else rows.Remove(Bytes.Text(row.Key.Span));
        }
        foreach ((string key, ReadOnlyMemory<byte> value) in rows) MetaRows.Load(state, Bytes.Of(key), value.Span);
        return new MetaRegistry(new Term(2), state, Options, default);
    }
}
