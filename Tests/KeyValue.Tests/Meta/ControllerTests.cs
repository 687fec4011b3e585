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
        // The new replica hears nothing: it cannot catch up before the controller is gone.
        cluster.Isolate(to);
        cluster.RunUntil(() => cluster.Administer(new MoveReplicaRequest(First, from, to)).Text.Contains("moves from"),
            Seconds(20), "the move is planned");
        cluster.RunUntil(() => cluster.DescriptorOf(First).Replicas.Any(r => r.Role == ReplicaRole.Learner), Seconds(20),
            "the new replica learns");
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
        cluster.RunUntil(() => cluster.LeaderOf(serving) is { } leader && cluster.Nodes.ContainsKey(leader), Seconds(20),
            "the group has a leader");
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
        cluster.RunUntil(() => cluster.AllGroupsHaveLeaders() && cluster.LeaderOf(GroupId.Meta) is not null, Seconds(30),
            "all are back");
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

    private static StoreCluster Start(int nodes, int groups, bool balance = true)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Nodes = nodes,
            Groups = groups,
            Controller = Options with { IsBalanceOn = balance },
        });
        cluster.RunUntil(() => cluster.Nodes.Values.Any(n => n.Meta!.Controller.IsActive), Seconds(20),
            "there is a controller");
        return cluster;
    }
}
