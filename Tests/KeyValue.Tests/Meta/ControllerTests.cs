using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Meta;

/// <summary>The real store with a meta group, on one thread: the controller moves replicas and leaders.</summary>
public sealed class ControllerTests
{
    private static readonly ControllerOptions Options = new()
    {
        Placement = new PlacementOptions { GoneAfter = Seconds(30) },
    };

    [Fact]
    public void A_cluster_is_formed_with_a_meta_group_whose_leader_knows_every_node_and_group()
    {
        StoreCluster cluster = Start(nodes: 5, groups: 4);
        IReadOnlyList<NodeOverview> nodes = cluster.Administer(new ListNodesRequest()).Nodes;
        Assert.Equal(cluster.Names, nodes.Select(n => n.Name));
        Assert.All(nodes, n => Assert.Equal(NodeState.Up, n.State));
        cluster.RunUntil(() => cluster.Administer(new ListGroupsRequest()).Groups.All(g => g.Leader is not null),
            Seconds(10), "every group's leader has reported");
        IReadOnlyList<GroupOverview> groups = cluster.Administer(new ListGroupsRequest()).Groups;
        Assert.Equal([1u, 2, 3, 4], groups.Select(g => g.Descriptor.Group.Value));
        Assert.Equal(groups.Select(g => cluster.LeaderOf(g.Descriptor.Group)), groups.Select(g => g.Leader));
        Assert.Equal(3, cluster.Nodes.Values.Count(n => n.Find(GroupId.Meta) is not null));
    }

    [Fact]
    public void A_replica_is_moved_on_request_and_its_old_place_is_empty()
    {
        StoreCluster cluster = Start(nodes: 5, groups: 1, balance: false);
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "v");
        GroupDescriptor group = cluster.DescriptorOf(First);
        NodeName from = group.Replicas[0].Node;
        NodeName to = cluster.Names.First(n => group.Replicas.All(r => r.Node != n));
        AdministrationAnswer answer = cluster.Complete(new MoveReplicaRequest(First, from, to));
        Assert.Equal(AdministrationStatus.Done, answer.Status);
        cluster.RunUntil(() => cluster.Nodes[from].Find(First) is null, Seconds(10), "the old replica is gone");
        Assert.Contains(cluster.DescriptorOf(First).Replicas, r => r.Node == to);
        Assert.Equal("v", cluster.Get(client, "k"));
        // Asked again, it is done.
        Assert.Equal(AdministrationStatus.Done, cluster.Administer(new MoveReplicaRequest(First, from, to)).Status);
    }

    [Fact]
    public void A_replica_of_a_silent_group_is_moved()
    {
        StoreCluster cluster = Start(nodes: 5, groups: 1, balance: false);
        cluster.Put(cluster.CreateClient(), "k", "v");
        GroupDescriptor group = cluster.DescriptorOf(First);
        NodeName to = cluster.Names.First(n => group.Replicas.All(r => r.Node != n));
        cluster.RunUntil(() => cluster.Nodes.Values.All(n => n.Find(First) is not { } replica || replica.IsAsleep),
            Seconds(60), "the group is silent");
        AdministrationAnswer answer =
            cluster.Complete(new MoveReplicaRequest(First, group.Replicas[0].Node, to));
        Assert.Equal(AdministrationStatus.Done, answer.Status);
    }

    [Fact]
    public void A_replica_that_a_late_message_made_is_told_that_its_group_has_removed_it()
    {
        StoreCluster cluster = Start(nodes: 5, groups: 1, balance: false);
        GroupDescriptor group = cluster.DescriptorOf(First);
        NodeName to = cluster.Names.First(n => group.Replicas.All(r => r.Node != n));
        cluster.Isolate(to);
        ReplicaId added = cluster.AddLearner(First, to);
        // Three vote, so the fourth is not needed.
        cluster.RunUntil(() => cluster.DescriptorOf(First).Replicas.Count == 3, Seconds(20), "it is removed");
        // Nobody tries to tell it any more.
        cluster.RunFor(Seconds(10));
        cluster.Network.Heal();
        cluster.Nodes[to].Create(First, added);
        cluster.RunUntil(() => cluster.Nodes[to].Find(First) is not null, Seconds(5), "it is made");
        cluster.RunUntil(() => cluster.Nodes[to].Find(First) is null, Seconds(20), "it is gone");
        Assert.Equal(added, cluster.Nodes[to].Storage.FindReplica(First).Removed);
    }

    private static Orders Told(IReadOnlyList<NodeRow> nodes) => new(new Term(1), 1, 1, 0, 1, nodes, [], []);

    [Fact]
    public void A_node_that_a_whole_map_does_not_name_is_none_of_the_cluster()
    {
        StoreCluster cluster = Start(nodes: 3, groups: 1);
        // What the controller tells it is not to come in between.
        cluster.RunFor(Seconds(5));
        NodeMeta meta = cluster.Nodes[cluster.Names[0]].Meta!;
        NodeRow[] rows =
        [
            .. cluster.Nodes.Values.Select(n => new NodeRow(n.Name, n.Storage.StoreId, "", NodeIntent.Member)),
        ];
        cluster.RunFor(Seconds(3));
        var never = new NodeRow(new("node-9"), new StoreId(new Guid(9, 1, 1, new byte[8])), "", NodeIntent.Member);
        meta.Learn(Told([.. rows, never]), isWhole: false);
        cluster.RunFor(Seconds(0.1));
        Assert.True(cluster.Nodes[cluster.Names[0]].Directory.Contains(never.Name));
        meta.Learn(Told(rows), isWhole: true);
        cluster.RunFor(Seconds(0.1));
        Assert.False(cluster.Nodes[cluster.Names[0]].Directory.Contains(never.Name));
    }

    [Fact]
    public void Of_many_changes_of_the_nodes_the_last_is_the_one_that_stays()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Controller = Options, RandomOrder = true });
        cluster.RunFor(Seconds(5));
        NodeMeta meta = cluster.Nodes[cluster.Names[0]].Meta!;
        NodeRow[] rows =
        [
            .. cluster.Nodes.Values.Select(n => new NodeRow(n.Name, n.Storage.StoreId, "", NodeIntent.Member)),
        ];
        for (int i = 1; i <= 10; i++)
        {
            var store = new StoreId(new Guid(i, 1, 1, new byte[8]));
            var next = new NodeRow(new($"node-{i + 10}"), store, "", NodeIntent.Member);
            meta.Learn(Told([.. rows, next]), isWhole: true);
        }
        cluster.RunFor(Seconds(0.05));
        FormationNode added = cluster.Nodes[cluster.Names[0]].Directory.Nodes.Single(n => n.Name.Value.Length > 6);
        Assert.Equal("node-20", added.Name.Value);
    }

    [Fact]
    public void A_node_that_was_removed_while_it_was_down_learns_that_when_it_is_back_and_empties_itself()
    {
        StoreCluster cluster = Start(nodes: 5, groups: 4, balance: false);
        cluster.RunFor(Seconds(6));
        NodeName removed = cluster.Names.First(n => n != cluster.LeaderOf(GroupId.Meta)
            && cluster.Nodes[n].Find(GroupId.Meta) is not null);
        cluster.CrashNode(removed);
        cluster.RunFor(Seconds(6));
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new RemoveNodeRequest(removed)).Status);
        cluster.RunFor(Seconds(5));
        Assert.All(cluster.Nodes.Values, node => Assert.False(node.Directory.Contains(removed)));
        cluster.StartNode(removed);
        cluster.RunUntil(() => cluster.Nodes.TryGetValue(removed, out StoreNode? node) && node.Replicas.Count > 0,
            Seconds(10), "it is back");
        Replica stale = cluster.Nodes[removed].Replicas[^1];
        cluster.RunUntil(() => cluster.Nodes[removed].IsDismissed, Seconds(10), "it is told");
        Assert.Contains("removed", cluster.Nodes[removed].GetStatus().Problem, StringComparison.Ordinal);
        Assert.Equal(GroupReplyStatus.Unavailable,
            cluster.Execute(stale, ReadOf("k", RequestKind.StaleRead)).Status);
        cluster.RunUntil(() => cluster.Nodes[removed].OwnGroups.Count == 0, Seconds(20), "it is empty");
    }

    [Fact]
    public void A_node_that_was_removed_while_it_was_down_drops_replicas_of_groups_that_were_merged_since()
    {
        StoreCluster cluster = Start(nodes: 5, groups: 4, balance: false);
        KvClient client = cluster.CreateClient();
        cluster.RunFor(Seconds(6));
        NodeName removed = cluster.Names.First(n => n != cluster.LeaderOf(GroupId.Meta)
            && cluster.Nodes[n].Find(GroupId.Meta) is not null);
        GroupId source = cluster.Nodes[removed].OwnGroups.First(group => group != GroupId.Meta);
        GroupDescriptor range = cluster.DescriptorOf(source);
        GroupDescriptor target = cluster.GroupIds().Where(group => group != GroupId.Meta && group != source)
            .Select(cluster.DescriptorOf)
            .First(other => range.End.Length > 0
                ? other.Start.SequenceEqual(range.End)
                : other.End.SequenceEqual(range.Start));
        // The smaller one goes.
        cluster.Put(client, target.Start.Length == 0 ? "!" : Bytes.Text(target.Start), new string('v', 1000));
        cluster.CrashNode(removed);
        cluster.RunFor(Seconds(6));
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new RemoveNodeRequest(removed)).Status);
        (GroupId left, GroupId right) = range.End.Length > 0 ? (source, target.Group) : (target.Group, source);
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new MergeGroupsRequest(left, right)).Status);
        cluster.RunUntil(() => !cluster.GroupIds().Contains(source), Seconds(20), "the source is gone");
        cluster.StartNode(removed);
        cluster.RunUntil(
            () => cluster.Nodes.TryGetValue(removed, out StoreNode? node) && node.OwnGroups.Contains(source),
            Seconds(10), "it is back with its replica");
        cluster.RunUntil(() => cluster.Nodes[removed].IsDismissed, Seconds(10), "it is told");
        cluster.RunUntil(() => cluster.Nodes[removed].OwnGroups.Count == 0, Seconds(20), "it is empty");
    }

    [Fact]
    public void A_controller_that_is_about_to_begin_does_not_say_that_it_may_have_done_what_was_asked()
    {
        StoreCluster cluster = Start(nodes: 3, groups: 1);
        NodeName first = cluster.LeaderOf(GroupId.Meta)!.Value;
        cluster.CrashNode(first);
        cluster.RunUntil(() => cluster.LeaderOf(GroupId.Meta) is { } next && next != first, Seconds(20),
            "another leads");
        NodeName leader = cluster.LeaderOf(GroupId.Meta)!.Value;
        Assert.False(cluster.Nodes[leader].Meta!.Controller.IsActive);
        GroupReply reply = cluster.Execute(cluster.ReplicaOn(leader, GroupId.Meta),
            new GroupRequest(RequestKind.Administer, AdministrationCodec.Encode(new ListNodesRequest())));
        Assert.Equal(GroupReplyStatus.Busy, reply.Status);
    }

    [Fact]
    public void The_meta_group_is_found_where_it_moved_after_a_restart()
    {
        StoreCluster cluster = Start(nodes: 6, groups: 1, balance: false);
        cluster.RunFor(Seconds(3));
        NodeName[] names = [.. cluster.Names];
        for (int i = 0; i < 3; i++)
        {
            var move = new MoveReplicaRequest(GroupId.Meta, names[i], names[i + 3]);
            Assert.Equal(AdministrationStatus.Done, cluster.Complete(move).Status);
        }
        cluster.RunFor(Seconds(5));
        foreach (NodeName node in names[..3]) cluster.CrashNode(node);
        cluster.StartNode(names[0]);
        cluster.RunUntil(() => cluster.Nodes.TryGetValue(names[0], out StoreNode? node)
            && node.KnownMetaGroup is not null, Seconds(5), "it is back");
        Assert.Equal(names[3..], cluster.Nodes[names[0]].KnownMetaGroup!.Replicas.Select(r => r.Node));
    }

    [Fact]
    public void Replicas_and_leaders_even_out_by_themselves()
    {
        StoreCluster cluster = Start(nodes: 3, groups: 6, balance: true);
        cluster.WaitUntilEven();
        NodeOverview[] nodes = [.. cluster.Administer(new ListNodesRequest()).Nodes];
        Assert.Equal([6, 6, 6], nodes.Select(n => n.Replicas));
        Assert.Equal([2, 2, 2], nodes.Select(n => n.Leaders));
    }

    [Fact]
    public void A_node_that_is_gone_is_replaced_and_gets_work_again_when_it_comes_back()
    {
        StoreCluster cluster = Start(nodes: 5, groups: 4, balance: true);
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 50; i++) cluster.Put(client, $"{(char)('!' + i)}", $"v{i}");
        cluster.WaitUntilEven();
        NodeName gone = cluster.Names[1];
        cluster.CrashNode(gone);
        cluster.RunUntil(() => cluster.MembersOn(gone) == 0, Seconds(120), "the node is replaced");
        Assert.All(cluster.GroupIds(), g => Assert.Equal(3, cluster.DescriptorOf(g).Replicas.Count));
        for (int i = 0; i < 50; i++) Assert.Equal($"v{i}", cluster.Get(client, $"{(char)('!' + i)}"));
        cluster.StartNode(gone);
        cluster.WaitUntilEven();
        Assert.InRange(cluster.MembersOn(gone), 2, 4);
        // What it held before is deleted; only what it got since is there.
        cluster.RunUntil(() => cluster.Nodes[gone].Replicas.All(r => cluster.DescriptorOf(r.Group).Replicas
            .Any(m => m.Id == r.Id)), Seconds(30), "no removed replica is left");
    }

    [Fact]
    public void A_node_is_drained_and_stays_empty_until_that_is_undone()
    {
        StoreCluster cluster = Start(nodes: 4, groups: 4, balance: true);
        NodeName drained = cluster.Names[0];
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new DrainNodeRequest(drained)).Status);
        Assert.Equal(0, cluster.MembersOn(drained));
        cluster.RunFor(Seconds(20));
        Assert.Equal(0, cluster.MembersOn(drained));
        Assert.Equal(AdministrationStatus.Refused, cluster.Administer(new DrainNodeRequest(cluster.Names[1])).Status);
        cluster.Administer(new DrainNodeRequest(drained, Undo: true));
        cluster.WaitUntilEven();
        Assert.Equal(3, cluster.Administer(new ListNodesRequest()).Nodes.Min(n => n.Replicas));
    }

    [Fact]
    public void A_move_is_finished_by_the_next_controller_when_the_first_crashes_in_the_middle()
    {
        StoreCluster cluster = Start(nodes: 5, groups: 1, balance: false);
        cluster.Put(cluster.CreateClient(), "k", "v");
        GroupDescriptor group = cluster.DescriptorOf(First);
        NodeName controller = cluster.LeaderOf(GroupId.Meta)!.Value;
        NodeName from = group.Replicas.First(r => r.Node != controller).Node;
        NodeName to = cluster.Names.First(n => group.Replicas.All(r => r.Node != n));
        cluster.RunFor(Seconds(2));
        // The new replica hears nothing: it cannot catch up before the controller is gone.
        cluster.Isolate(to);
        cluster.RunUntil(() => cluster.Administer(new MoveReplicaRequest(First, from, to)).Text.Contains("moves from"),
            Seconds(20), "the move is planned");
        cluster.RunUntil(() => cluster.DescriptorOf(First).Replicas.Any(r => r.Role == ReplicaRole.Learner),
            Seconds(20), "the new replica learns");
        cluster.CrashNode(controller);
        cluster.Network.Heal();
        cluster.RunUntil(() => cluster.LeaderOf(GroupId.Meta) is { } next && next != controller, Seconds(20),
            "another leads the meta group");
        AdministrationAnswer answer = cluster.Complete(new MoveReplicaRequest(First, from, to));
        Assert.Equal(AdministrationStatus.Done, answer.Status);
        Assert.Empty(cluster.Administer(new BalanceStatusRequest()).Balance!.UnderWay);
    }

    [Fact]
    public void A_meta_group_without_majority_stops_nothing_else()
    {
        StoreCluster cluster = Start(nodes: 5, groups: 5, balance: false);
        // The groups that keep a majority without the first two nodes.
        GroupId serving = cluster.GroupIds().First(g =>
            cluster.DescriptorOf(g).Replicas.Count(r => cluster.Names.Take(2).Contains(r.Node)) < 2);
        foreach (NodeName node in cluster.Names.Take(2)) cluster.CrashNode(node);
        cluster.RunUntil(() => cluster.LeaderOf(serving) is { } leader && cluster.Nodes.ContainsKey(leader),
            Seconds(20), "the group has a leader");
        string key = System.Text.Encoding.ASCII.GetString(cluster.DescriptorOf(serving).Start) + "1";
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 20; i++)
        {
            cluster.Put(client, key, $"v{i}");
            cluster.RunFor(Seconds(1));
        }
        Assert.Equal("v19", cluster.Get(client, key));
        Assert.Throws<UnavailableException>(() => cluster.Administer(new ListNodesRequest()));
        foreach (NodeName node in cluster.Names.Take(2)) cluster.StartNode(node);
        cluster.RunUntil(() => cluster.AllGroupsHaveLeaders() && cluster.LeaderOf(GroupId.Meta) is not null,
            Seconds(30), "all are back");
        Assert.Equal(5, cluster.Administer(new ListNodesRequest()).Nodes.Count);
    }

    [Fact]
    public void Everything_is_moved_although_every_fifth_frame_is_lost()
    {
        StoreCluster cluster = Start(nodes: 4, groups: 3, balance: true);
        cluster.Network.Faults = new NetworkFaults { Loss = 0.2, Duplication = 0.1 };
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new DrainNodeRequest(cluster.Names[2])).Status);
        cluster.Network.Faults = new NetworkFaults();
        cluster.WaitUntilEven();
        Assert.Equal(0, cluster.MembersOn(cluster.Names[2]));
    }

    [Fact]
    public void Nobody_but_its_leader_writes_the_meta_group()
    {
        StoreCluster cluster = Start(nodes: 3, groups: 1);
        Replica leader = cluster.ReplicaOn(cluster.LeaderOf(GroupId.Meta)!.Value, GroupId.Meta);
        GroupRequest[] requests =
        [
            Unsessioned(Operation.Batch([MetaRows.PutBalance(isOn: false)])),
            Unsessioned(Operation.OpenSession(1000)),
            PutOf(new SessionId(1), 1, "b", "x"),
        ];
        foreach (GroupRequest request in requests)
            Assert.Equal(GroupReplyStatus.Malformed, cluster.Execute(leader, request).Status);
        Replica other = cluster.ReplicaOn(cluster.Leader());
        GroupRequest batch = Unsessioned(Operation.Batch([new WriteOperation(Bytes.Of("k"), Bytes.Of("v"))]));
        Assert.Equal(GroupReplyStatus.Malformed, cluster.Execute(other, batch).Status);
        Assert.Equal(GroupReplyStatus.Malformed, cluster.Execute(other,
            new GroupRequest(RequestKind.Administer, AdministrationCodec.Encode(new ListNodesRequest()))).Status);
        Assert.True(cluster.Administer(new BalanceStatusRequest()).Balance!.IsOn);
    }

    [Fact]
    public void Groups_are_added_under_load_and_spread_over_five_nodes()
    {
        StoreCluster cluster = Start(nodes: 5, groups: 2, balance: true);
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 60; i++) cluster.Put(client, $"{(char)('!' + i)}", $"v{i}");
        int written = 60;
        bool stop = false;
        Running<bool> load = cluster.Begin(async () =>
        {
            for (; !stop; written++)
                await client.PutAsync(Bytes.Of($"{(char)('!' + written % 90)}"), Bytes.Of($"v{written}"));
        });
        AdministrationAnswer answer = cluster.Complete(new GrowGroupsRequest(12));
        Assert.Equal((AdministrationStatus.Done, "12 groups"), (answer.Status, answer.Text));
        cluster.WaitUntilEven();
        stop = true;
        cluster.RunUntil(() => load.HasEnded, Seconds(20), "the load has ended");
        Assert.True(load.Result);
        Assert.Equal(12, cluster.GroupIds().Length);
        for (int i = written - 90; i < written; i++)
            Assert.Equal($"v{i}", cluster.Get(client, $"{(char)('!' + i % 90)}"));
        IReadOnlyList<GroupOverview> groups = cluster.Administer(new ListGroupsRequest()).Groups;
        Assert.Empty(groups[0].Descriptor.Start);
        Assert.Empty(groups[^1].Descriptor.End);
        for (int i = 1; i < groups.Count; i++)
            Assert.Equal(groups[i - 1].Descriptor.End, groups[i].Descriptor.Start);
    }

    [Fact]
    public void A_key_becomes_a_boundary_once_and_a_large_group_splits_by_itself()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Controller = Options with { Placement = Options.Placement with { SplitBytes = 20_000 } },
        });
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "v");
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new SplitRequest(Bytes.Of("k"))).Status);
        Assert.Equal(AdministrationStatus.Refused, cluster.Administer(new SplitRequest(Bytes.Of("k"))).Status);
        for (int i = 0; i < 30; i++) cluster.Put(client, $"m{i:00}", new string('x', 1000));
        cluster.RunUntil(() => cluster.Administer(new ListGroupsRequest()).Groups is var groups && groups.Count >= 3
            && groups.All(g => g.Bytes <= 20_000), Seconds(30), "no group is too large");
        int count = cluster.GroupIds().Length;
        cluster.RunFor(Seconds(10));
        Assert.Equal(count, cluster.GroupIds().Length);
        Assert.Contains(cluster.Administer(new BalanceStatusRequest()).Balance!.Recent,
            d => d.Contains("more than 20000"));
        for (int i = 0; i < 30; i++) Assert.Equal(1000, cluster.Get(client, $"m{i:00}")!.Length);
    }

    /// <summary>A thousand reads a second are the load of 250 writes.</summary>
    [Theory]
    [InlineData(200, true)]
    [InlineData(400, false)]
    public void A_group_that_is_used_much_is_split_near_the_middle_of_its_requests(int limit, bool isMuch)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Controller = Options with
            {
                IsBalanceOn = false,
                Placement = Options.Placement with { SplitOperationsPerSecond = limit },
            },
        });
        KvClient client = cluster.CreateClient();
        // What is there lies below, what is asked for above.
        for (int i = 0; i < 50; i++) cluster.Put(client, $"a{i:00}", "v");
        for (int i = 0; i < 20; i++) cluster.Put(client, $"x{i:00}", "v");
        cluster.RunFor(Seconds(5));
        Assert.Single(cluster.GroupIds());
        bool stops = false;
        var load = Enumerable.Range(0, 20).Select(number => cluster.Begin(async () =>
        {
            for (int i = number; !stops; i++)
            {
                await client.GetAsync(Bytes.Of($"x{i % 20:00}"));
                await Task.Delay(TimeSpan.FromMilliseconds(20), cluster.Time);
            }
        })).ToList();
        if (isMuch)
        {
            cluster.RunUntil(() => cluster.GroupIds().Length >= 2, Seconds(30), "the group is split");
        }
        else
        {
            cluster.RunFor(Seconds(10));
            Assert.InRange(Assert.Single(cluster.Administer(new ListGroupsRequest()).Groups).OperationsPerSecond, 600, 1000);
        }
        stops = true;
        cluster.RunUntil(() => load.TrueForAll(one => one.HasEnded), Seconds(10), "the load has ended");
        int count = cluster.GroupIds().Length;
        if (isMuch)
        {
            string boundary = Bytes.Text(cluster.DescriptorOf(cluster.GroupIds()[1]).Start);
            Assert.InRange(string.CompareOrdinal(boundary, "x04"), 0, int.MaxValue);
            Assert.InRange(string.CompareOrdinal(boundary, "x16"), int.MinValue, 0);
            Assert.Contains(cluster.Administer(new BalanceStatusRequest()).Balance!.Recent,
                text => text.Contains("operations per second", StringComparison.Ordinal));
        }
        cluster.RunFor(Seconds(20));
        Assert.Equal(count, cluster.GroupIds().Length);
    }

    [Fact]
    public void A_node_that_joins_is_let_in_and_gets_its_share()
    {
        NodeName joining = new("node-4");
        StoreCluster cluster = Start(nodes: 4, groups: 4, balance: true, joining: [joining]);
        Assert.Equal(3, cluster.Administer(new ListNodesRequest()).Nodes.Count);
        cluster.StartNode(joining);
        cluster.RunUntil(() => cluster.Administer(new ListNodesRequest()).Nodes.Count == 4, Seconds(20), "it is in");
        cluster.WaitUntilEven();
        Assert.Equal(3, cluster.GroupIds().Count(g => cluster.DescriptorOf(g).Replicas.Any(r => r.Node == joining)));
        // It is one of them for good.
        cluster.CrashNode(joining);
        cluster.StartNode(joining);
        cluster.WaitUntilEven();
        Assert.Empty(cluster.StartFailure);
    }

    [Fact]
    public void A_node_that_lost_its_disk_is_replaced_and_comes_back_under_its_name()
    {
        StoreCluster cluster = Start(nodes: 3, groups: 2, balance: true);
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "v");
        NodeName lost = cluster.Names[2];
        cluster.RunFor(Seconds(2));
        Assert.Equal(AdministrationStatus.Refused, cluster.Administer(new ReplaceNodeRequest(lost)).Status);
        cluster.CrashNode(lost);
        cluster.LoseDisk(lost);
        cluster.StartNode(lost);
        cluster.RunUntil(() => cluster.StartFailure.ContainsKey(lost), Seconds(10), "it is refused");
        Assert.Contains("'node replace node-3'", cluster.StartFailure[lost].Message);
        cluster.CrashNode(lost);
        cluster.RunUntil(() => cluster.Administer(new ReplaceNodeRequest(lost)).Status != AdministrationStatus.Refused,
            Seconds(20), "it counts as lost");
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new ReplaceNodeRequest(lost)).Status);
        cluster.RunFor(Seconds(3));
        cluster.StartNode(lost);
        cluster.WaitUntilEven();
        Assert.Equal(3, cluster.DescriptorOf(First).Replicas.Count);
        // None of the replicas that it was formed with is there, only new ones.
        Assert.All(cluster.Nodes[lost].Replicas, replica => Assert.Equal(new ReplicaId(4), replica.Id));
        Assert.Equal("v", cluster.Get(client, "k"));
        cluster.CrashNode(lost);
        cluster.StartNode(lost);
        cluster.WaitUntilEven();
        Assert.All(cluster.Nodes[lost].Replicas, replica => Assert.Equal(new ReplicaId(4), replica.Id));
    }

    /// <summary>What is left of a group that was taken over may count on a replica of a disk that was lost, and the log of
    /// the group it was split off from may name it.</summary>
    [Fact]
    public void A_replica_of_a_lost_disk_is_not_made_on_the_next_one_for_a_group_that_was_merged_meanwhile()
    {
        StoreCluster cluster = Start(nodes: 4, groups: 2, balance: false);
        cluster.Put(cluster.CreateClient(), "k", "v");
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new MergeGroupsRequest(First, new GroupId(2))).Status);
        GroupId gone = cluster.Nodes.Values.First().Ranges.Groups.Any(group => group.Group == First)
            ? new GroupId(2)
            : First;
        NodeName lost = cluster.DescriptorOf(gone == First ? new GroupId(2) : First).Replicas[0].Node;
        cluster.CrashNode(lost);
        cluster.LoseDisk(lost);
        cluster.RunUntil(() => cluster.Administer(new ReplaceNodeRequest(lost)).Status
            != AdministrationStatus.Refused, Seconds(20), "it counts as lost");
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new ReplaceNodeRequest(lost)).Status);
        cluster.RunFor(Seconds(3));
        cluster.StartNode(lost);
        cluster.RunUntil(() => cluster.IsFormed(lost), Seconds(20), "it has joined");
        cluster.RunFor(Seconds(3));
        RequireNotMade();
        cluster.CrashNode(lost);
        cluster.StartNode(lost);
        cluster.RunUntil(() => cluster.IsFormed(lost), Seconds(20), "it is up again");
        RequireNotMade();

        void RequireNotMade()
        {
            StoreNode node = cluster.Nodes[lost];
            for (ulong id = 1; id <= 4; id++)
            {
                node.Create(gone, new ReplicaId(id));
                Assert.Null(node.FindOwn(gone));
                var start = new GroupState(new GroupDescriptor(gone, Bytes.Of("m"), [], 2, 1,
                    [new ReplicaPlacement(new ReplicaId(id), lost)]), new StoreLimits());
                node.BearChild(new ReplicaId(id), start.Snapshot(), isBesideLeader: false);
                Assert.Null(node.FindOwn(gone));
            }
        }
    }

    /// <summary>A candidate of a group that the controller has not heard of may ask for the vote of a replica that an
    /// earlier disk had, and on which it voted.</summary>
    [Fact]
    public void A_vote_is_given_from_nothing_only_in_groups_that_came_after_the_nodes_disk()
    {
        StoreCluster cluster = Start(nodes: 4, groups: 1, balance: false);
        NodeName lost = cluster.DescriptorOf(First).Replicas[0].Node;
        cluster.CrashNode(lost);
        cluster.LoseDisk(lost);
        cluster.RunUntil(() => cluster.LeaderOf(First) is { } leader && leader != lost, Seconds(20), "another leads");
        cluster.RunUntil(() => cluster.Administer(new ReplaceNodeRequest(lost)).Status
            != AdministrationStatus.Refused, Seconds(20), "it counts as lost");
        cluster.Complete(new SplitRequest(Bytes.Of("5")));
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new ReplaceNodeRequest(lost)).Status);
        cluster.RunFor(Seconds(3));
        cluster.StartNode(lost);
        cluster.RunUntil(() => cluster.IsFormed(lost), Seconds(20), "it has joined");
        Assert.False(cluster.Nodes[lost].MayVoteFromNothing(new GroupId(3))); // It has not been told yet.
        cluster.RunFor(Seconds(3));

        RequireGuarded();
        cluster.Complete(new SplitRequest(Bytes.Of("6")));
        cluster.CrashNode(lost);
        cluster.StartNode(lost);
        cluster.RunUntil(() => cluster.IsFormed(lost), Seconds(20), "it is up again");
        cluster.RunFor(Seconds(3));
        RequireGuarded();

        void RequireGuarded()
        {
            Assert.Equal([false, false, true, true],
                new uint[] { 1, 2, 3, 4 }.Select(group => cluster.Nodes[lost].MayVoteFromNothing(new GroupId(group))));
            NodeName voter = cluster.Names.First(name => name != lost);
            Assert.True(cluster.Nodes[voter].MayVoteFromNothing(First)); // It has the disk that it formed the cluster with.
            StoreNode from = cluster.Nodes[voter];
            foreach (uint group in new uint[] { 90, 2 })
            {
                from.Send(lost, new MessageAddress(new GroupId(group), new ReplicaId(91), new ReplicaId(92)),
                    new PreVote(new Term(1), default));
            }
            from.FlushLinks();
            cluster.RunFor(Seconds(0.05));
            Assert.Null(cluster.Nodes[lost].FindOwn(new GroupId(2)));
            Assert.Equal(new ReplicaId(92), cluster.Nodes[lost].FindOwn(new GroupId(90))!.Id);
        }
    }

    /// <summary>A leader goes on for a while with a replica that its group has left out. Were it made anew, it would have
    /// forgotten its votes.</summary>
    [Fact]
    public void What_is_sent_to_a_replica_of_a_lost_disk_does_not_make_it_on_the_next_one()
    {
        StoreCluster cluster = Start(nodes: 4, groups: 1, balance: false);
        ReplicaPlacement lost = cluster.DescriptorOf(First).Replicas[0];
        cluster.CrashNode(lost.Node);
        cluster.LoseDisk(lost.Node);
        cluster.RunUntil(() => cluster.LeaderOf(First) is { } leader && leader != lost.Node, Seconds(20), "another leads");
        cluster.RunUntil(() => cluster.Administer(new ReplaceNodeRequest(lost.Node)).Status
            != AdministrationStatus.Refused, Seconds(20), "it counts as lost");
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new ReplaceNodeRequest(lost.Node)).Status);
        cluster.RunFor(Seconds(3));
        cluster.StartNode(lost.Node);
        cluster.RunUntil(() => cluster.IsFormed(lost.Node), Seconds(20), "it has joined");
        Replica speaker = cluster.Nodes[cluster.LeaderOf(First)!.Value].Find(First)!;
        for (int i = 0; i < 100; i++)
        {
            StoreNode from = cluster.Nodes[speaker.Status.Node];
            from.Send(lost.Node, new MessageAddress(First, speaker.Id, lost.Id), new Heartbeat(new Term(1), default, 1));
            from.FlushLinks();
            cluster.RunFor(Seconds(0.02));
            Assert.Null(cluster.Nodes[lost.Node].FindOwn(First));
        }
        // One with an id of its own may come.
        NodeName other = cluster.DescriptorOf(First).Replicas[0].Node;
        Assert.Equal(AdministrationStatus.Done,
            cluster.Complete(new MoveReplicaRequest(First, other, lost.Node)).Status);
    }

    [Fact]
    public void A_node_is_not_empty_while_a_group_that_was_split_off_has_not_reported()
    {
        StoreCluster cluster = Start(nodes: 4, groups: 1, balance: false);
        MetaRegistry registry = cluster.Nodes.Values.First(n => n.Meta!.Controller.IsActive).Meta!.Controller.Registry!;
        Assert.True(registry.CoversAllKeys());
        GroupDescriptor split = cluster.DescriptorOf(First) with { End = Bytes.Of("m"), RangeVersion = 2 };
        NodeName empty = cluster.Names.First(n => cluster.MembersOn(n) == 0);
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new DrainNodeRequest(empty)).Status);
        registry.Groups[First].Descriptor = split;
        Assert.False(registry.CoversAllKeys());
        AdministrationAnswer answer = cluster.Administer(new DrainNodeRequest(empty));
        Assert.Equal(AdministrationStatus.UnderWay, answer.Status);
        Assert.Contains("has not reported yet", answer.Text);
    }

    private static StoreCluster Start(int nodes, int groups, bool balance = true, NodeName[]? joining = null)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Nodes = nodes,
            Groups = groups,
            Controller = Options with { IsBalanceOn = balance },
            Joining = joining ?? [],
        });
        cluster.RunUntil(() => cluster.Nodes.Values.Any(n => n.Meta!.Controller.IsActive), Seconds(20),
            "there is a controller");
        return cluster;
    }
}
