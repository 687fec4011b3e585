using Orleans.Raft.Core;
using Orleans.Raft.KeyValue.Tests.Meta;
using Orleans.Raft.KeyValue.Tests.Ranges;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>
/// The cases of MIT lab 4, both challenges included. Its replica groups that join and leave are nodes here, its shards
/// are groups: ten of them, spread over the nodes that there are.
/// </summary>
public sealed class MitShardTests
{
    private const int Groups = 10;
    private const int Keys = 40;

    private static readonly NodeName[] Late = [new("node-4"), new("node-5")];

    [Fact]
    public void Join_and_leave()
    {
        StoreCluster cluster = Start();
        KvClient client = cluster.CreateClient();
        Write(cluster, client, "first");
        Join(cluster, Late[0]);
        Expect(cluster, client, "first");
        Write(cluster, client, "joined");
        Leave(cluster, cluster.Names[0]);
        Expect(cluster, client, "joined");
        // Nothing is left that only it had.
        cluster.CrashNode(cluster.Names[0]);
        Expect(cluster, client, "joined");
        Write(cluster, client, "left");
        Expect(cluster, client, "left");
    }

    [Fact]
    public void Snapshots_and_restarts_of_all_between_joins_and_leaves()
    {
        StoreCluster cluster = Start(logBytes: 4 << 10);
        KvClient client = cluster.CreateClient();
        Write(cluster, client, "a");
        Join(cluster, Late);
        Write(cluster, client, "b");
        RestartAll(cluster);
        Expect(cluster, client, "b");
        Leave(cluster, cluster.Names[0]);
        Leave(cluster, cluster.Names[1]);
        Write(cluster, client, "c");
        RestartAll(cluster);
        Expect(cluster, client, "c");
        Assert.All(cluster.Nodes.Values.SelectMany(node => node.Replicas), r => Assert.InRange(r.LogBytes, 0, 8 * (4 << 10)));
    }

    [Fact]
    public void Changes_missed_while_a_node_was_down_are_caught_up_with()
    {
        StoreCluster cluster = Start();
        KvClient client = cluster.CreateClient();
        Write(cluster, client, "a");
        NodeName down = cluster.Names[2];
        cluster.CrashNode(down);
        Enter(cluster, Late);
        Write(cluster, client, "b");
        AdministrationAnswer grown = cluster.Complete(new GrowGroupsRequest(Groups + 4));
        Assert.Equal(AdministrationStatus.Done, grown.Status);
        cluster.StartNode(down);
        cluster.WaitUntilEven();
        Expect(cluster, client, "b");
        RequireNoStrays(cluster);
        // It serves what it has now.
        Leave(cluster, cluster.Names[0]);
        Leave(cluster, cluster.Names[1]);
        Expect(cluster, client, "b");
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0.1, 0)]
    [InlineData(0, 1)]
    [InlineData(0.1, 1)]
    public void Concurrent_joins_and_leaves_while_clients_write(double loss, int crashes)
    {
        StoreCluster cluster = Start(seed: 7, logBytes: 8 << 10);
        cluster.Network.Faults = new NetworkFaults { Loss = loss, Delay = (TimeSpan.Zero, Seconds(0.01)) };
        cluster.ClientLoss = loss / 2;
        var load = new AppendLoad(cluster, 5, seed: 7);
        cluster.RunFor(Seconds(2));
        Enter(cluster, Late);
        NodeName[] leaving = [cluster.Names[0], cluster.Names[1]];
        foreach (NodeName node in leaving)
        {
            AdministrationAnswer answer = cluster.Administer(new DrainNodeRequest(node));
            Assert.True(answer.Status == AdministrationStatus.UnderWay, answer.Text);
        }
        for (int i = 0; i < crashes * 3; i++)
        {
            NodeName crashed = cluster.Names[i + 1];
            cluster.CrashNode(crashed);
            cluster.RunFor(Seconds(1));
            cluster.StartNode(crashed);
            cluster.RunFor(Seconds(3));
        }
        foreach (NodeName node in leaving)
            Assert.Equal(AdministrationStatus.Done, cluster.Complete(new DrainNodeRequest(node)).Status);
        cluster.Network.Faults = new NetworkFaults();
        cluster.ClientLoss = 0;
        load.Stop();
        load.Check();
        Assert.True(load.Answered > 200, $"{load.Answered} calls");
        Assert.All(leaving, node => Assert.Equal(0, cluster.MembersOn(node)));
        RequireNoStrays(cluster);
    }

    [Fact]
    public void Two_nodes_that_join_and_two_that_leave_at_once_move_hardly_more_than_they_must()
    {
        StoreCluster cluster = Start();
        Write(cluster, cluster.CreateClient(), "a");
        Enter(cluster, Late);
        foreach (NodeName node in cluster.Names.Take(2)) cluster.Administer(new DrainNodeRequest(node));
        foreach (NodeName node in cluster.Names.Take(2)) cluster.Complete(new DrainNodeRequest(node));
        cluster.WaitUntilEven();
        // Each of the two held one replica of every group, and of the meta group.
        int must = 2 * (Groups + 1);
        int moved = cluster.GroupIds().Append(GroupId.Meta).Sum(g => (int)cluster.DescriptorOf(g).HighestReplica.Value - 3);
        Assert.InRange(moved, must, must + 2);
    }

    [Fact]
    public void Challenge_1_what_was_moved_away_is_deleted()
    {
        StoreCluster cluster = Start(logBytes: 16 << 10);
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < Keys; i++) cluster.Put(client, Key(i), new string('x', 1000));
        Join(cluster, Late);
        Leave(cluster, cluster.Names[0]);
        Leave(cluster, cluster.Names[1]);
        RequireNoStrays(cluster);
        cluster.RunFor(Seconds(10));
        long held = cluster.Nodes.Values.Sum(node => node.Replicas.Where(r => r.Group != GroupId.Meta)
            .Sum(replica => replica.KeyValueBytes));
        Assert.Equal(3L * Keys * (1000 + 3), held);
        foreach (NodeName node in cluster.Names.Take(2))
        {
            // What it needs to know that its replicas were removed is all that it keeps.
            Assert.Empty(cluster.Nodes[node].Replicas);
            Assert.Equal(0, cluster.Nodes[node].GetStatus().Snapshots);
        }
    }

    [Fact]
    public void Challenge_2_groups_that_do_not_move_serve_meanwhile_and_those_that_came_serve_at_once()
    {
        StoreCluster cluster = Start();
        KvClient client = cluster.CreateClient(new KvClientOptions { Timeout = Seconds(1) });
        Write(cluster, client, "a");
        // Nothing moves but what is moved here.
        cluster.Administer(new SwitchBalanceRequest(On: false));
        // A group's new replica hears nothing, so that its move does not end.
        Enter(cluster, Late);
        cluster.Isolate(Late[0]);
        GroupId[] here = [.. cluster.GroupIds().Where(group => cluster.DescriptorOf(group).Replicas
            .Any(replica => replica.Node == cluster.Names[0]))];
        GroupId stuck = here[0], moved = here[1];
        cluster.Administer(new MoveReplicaRequest(stuck, cluster.Names[0], Late[0]));
        Assert.Equal(AdministrationStatus.Done,
            cluster.Complete(new MoveReplicaRequest(moved, cluster.Names[0], Late[1])).Status);
        // Every key, those of both groups among them, is served within a call's second.
        Expect(cluster, client, "a");
        Write(cluster, client, "b");
        Expect(cluster, client, "b");
        cluster.Network.Heal();
        Assert.Equal(AdministrationStatus.Done,
            cluster.Complete(new MoveReplicaRequest(stuck, cluster.Names[0], Late[0])).Status);
        Expect(cluster, client, "b");
    }

    private static StoreCluster Start(ulong seed = 1, int logBytes = 32 << 20)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Seed = seed,
            Nodes = 5,
            Joining = Late,
            LogSegmentBytes = 16 << 10,
            Controller = new ControllerOptions { ReportInterval = Seconds(0.2), DecisionInterval = Seconds(0.2) },
            Replica = new ReplicaOptions { SnapshotLogBytes = logBytes, SnapshotChunkBytes = 1 << 10 },
            Client = new KvClientOptions { Timeout = Seconds(20) },
        });
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new GrowGroupsRequest(Groups)).Status);
        cluster.WaitUntilEven();
        return cluster;
    }

    private static void Enter(StoreCluster cluster, params NodeName[] nodes)
    {
        foreach (NodeName node in nodes) cluster.StartNode(node);
        cluster.RunUntil(() => nodes.All(node => cluster.Administer(new ListNodesRequest()).Nodes
            .Any(n => n.Name == node && n.State == NodeState.Up)), Seconds(30), "the nodes are in");
        // Nobody is counted on who has not reported.
        cluster.RunFor(Seconds(1));
    }

    private static void Join(StoreCluster cluster, params NodeName[] nodes)
    {
        Enter(cluster, nodes);
        cluster.WaitUntilEven();
        Assert.All(nodes, node => Assert.True(cluster.MembersOn(node) > 0));
    }

    private static void Leave(StoreCluster cluster, NodeName node)
    {
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new DrainNodeRequest(node)).Status);
        Assert.Equal(0, cluster.MembersOn(node));
    }

    private static void RestartAll(StoreCluster cluster)
    {
        NodeName[] up = [.. cluster.Nodes.Keys];
        foreach (NodeName node in up) cluster.CrashNode(node);
        foreach (NodeName node in up) cluster.StartNode(node);
        cluster.RunUntil(() => up.All(cluster.Nodes.ContainsKey) && cluster.AllGroupsHaveLeaders(), Seconds(30),
            "all are back");
    }

    /// <summary>No node holds a replica that is none of its group's any more.</summary>
    private static void RequireNoStrays(StoreCluster cluster) => cluster.RunUntil(() => cluster.Nodes.Values.All(node =>
        node.Replicas.All(r => cluster.DescriptorOf(r.Group).Replicas.Any(m => m.Id == r.Id && m.Node == node.Name))),
        Seconds(60), "no removed replica is left");

    /// <summary>Spread over all the groups.</summary>
    private static string Key(int i) => $"{(char)('!' + (i * 2))}{i:D2}";

    private static void Write(StoreCluster cluster, KvClient client, string value)
    {
        for (int i = 0; i < Keys; i++) cluster.Put(client, Key(i), $"{value}{i}");
    }

    private static void Expect(StoreCluster cluster, KvClient client, string value)
    {
        for (int i = 0; i < Keys; i++) Assert.Equal($"{value}{i}", cluster.Get(client, Key(i)));
    }
}
