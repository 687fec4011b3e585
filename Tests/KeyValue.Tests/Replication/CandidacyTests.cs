using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Replication;

/// <summary>Who leads first, when nobody leads.</summary>
public class CandidacyTests
{
    private const int Groups = 12;

    public static TheoryData<ulong> Seeds => [1, 2, 3, 4, 5];

    [Theory, MemberData(nameof(Seeds))]
    public void The_groups_of_a_new_cluster_are_led_by_their_first_replicas_on_all_nodes_alike(ulong seed)
    {
        StoreCluster cluster = Start(seed);
        Assert.All(cluster.Nodes.Values.First().Formation.Groups.Where(group => group.Group != GroupId.Meta),
            group => Assert.Equal(group.Replicas[0].Node, cluster.LeaderOf(group.Group)));
        Assert.All(cluster.Names, node => Assert.Equal(Groups / cluster.Names.Count, Led(cluster, node)));
    }

    [Theory, MemberData(nameof(Seeds))]
    public void Groups_have_the_leaders_that_they_had_when_all_nodes_are_killed_and_started_again(ulong seed)
    {
        StoreCluster cluster = Start(seed);
        // Not those that lead at first.
        NodeName from = cluster.Leader();
        NodeName to = cluster.Followers()[0];
        cluster.Run(() => cluster.ReplicaOn(from).TransferLeadershipAsync(to));
        cluster.RunUntil(() => cluster.LeaderOf(First) == to, Seconds(10), "the other leads");
        NodeName?[] before = Leaders(cluster);
        foreach (NodeName node in cluster.Names) cluster.CrashNode(node);
        foreach (NodeName node in cluster.Names) cluster.StartNode(node);
        WaitForLeaders(cluster);
        Assert.Equal(before, Leaders(cluster));
    }

    [Fact]
    public void A_node_that_returns_takes_no_group_back()
    {
        StoreCluster cluster = Start(seed: 1);
        NodeName dead = cluster.Leader();
        cluster.CrashNode(dead);
        WaitForLeaders(cluster);
        (NodeName? Leader, Term Term)[] before = Terms(cluster);
        cluster.StartNode(dead);
        cluster.RunUntil(() => cluster.Nodes.TryGetValue(dead, out StoreNode? node)
            && node.Replicas.Count(replica => replica.Leader is not null) == Groups, Seconds(20), "it follows");
        cluster.RunFor(Seconds(5));
        Assert.Equal(before, Terms(cluster));
    }

    private static StoreCluster Start(ulong seed)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Groups = Groups, Seed = seed });
        WaitForLeaders(cluster);
        return cluster;
    }

    private static void WaitForLeaders(StoreCluster cluster) => cluster.RunUntil(
        () => cluster.Nodes.Count >= 2 && Leaders(cluster).All(leader => leader is not null), Seconds(20),
        "all groups have leaders");

    private static int Led(StoreCluster cluster, NodeName node) => Leaders(cluster).Count(leader => leader == node);

    private static NodeName?[] Leaders(StoreCluster cluster) =>
        [.. Enumerable.Range(1, Groups).Select(i => cluster.LeaderOf(new GroupId((uint)i)))];

    private static (NodeName?, Term)[] Terms(StoreCluster cluster) =>
        [.. Enumerable.Range(1, Groups).Select(i => new GroupId((uint)i)).Select(group =>
            (cluster.LeaderOf(group), cluster.ReplicaOn(cluster.Leader(group), group).Status.Term))];
}
