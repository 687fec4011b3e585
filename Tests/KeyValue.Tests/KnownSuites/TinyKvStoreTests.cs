using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using Xunit.Abstractions;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>The cases of TinyKV 2B: one group under faults.</summary>
public class TinyKvStoreTests(ITestOutputHelper output)
{
    private static readonly SuiteOptions OneClient = new() { Workload = SuiteWorkload.Rows };
    private static readonly SuiteOptions FiveClients = OneClient with { Clients = 5 };

    [Fact]
    public void Basic() => SuiteRun.Require(OneClient, output);

    [Fact]
    public void Concurrent_clients() => SuiteRun.Require(FiveClients, output);

    [Fact]
    public void Unreliable_network() => SuiteRun.Require(FiveClients with { IsUnreliable = true }, output);

    [Fact]
    public void One_partition_the_majority_serves_whoever_led_before_and_the_rest_follows_after_it()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Nodes = 5,
            PerNode = options => options with { ReplicationFactor = 5 },
        });
        KvClient client = cluster.CreateClient(new KvClientOptions { Timeout = Seconds(20) });
        NodeName old = cluster.Leader();
        NodeName[] others = cluster.Followers();
        Term term = cluster.ReplicaOn(old).Status.Term;

        // The leader stays on the side of the majority: nothing changes for anyone there.
        cluster.Network.Part([old, others[0], others[1]], others[2..]);
        cluster.Put(client, "k1", "v1");
        cluster.RunFor(Seconds(3));
        Assert.Equal("v1", cluster.Get(client, "k1"));
        Assert.Equal((old, term), (cluster.Leader(), cluster.ReplicaOn(old).Status.Term));
        Assert.All(others[2..], node => Assert.Null(StaleOn(cluster, node, "k1")));
        cluster.Network.Heal();
        cluster.WaitForEqualReplicas();
        Assert.Equal((old, term), (cluster.Leader(), cluster.ReplicaOn(old).Status.Term));

        // The leader is left with one other: the three elect another, and the old one keeps what it had.
        cluster.Network.Part([old, others[0]], others[1..]);
        cluster.Put(client, "k1", "changed");
        Assert.Equal("changed", cluster.Get(client, "k1"));
        Assert.Contains(cluster.Leader(), others[1..]);
        Assert.All(new[] { old, others[0] }, node => Assert.Equal("v1", StaleOn(cluster, node, "k1")));
        cluster.Network.Heal();
        cluster.Put(client, "k2", "v2");
        cluster.WaitForEqualReplicas();
        foreach (NodeName node in cluster.Names)
        {
            Assert.Equal("changed", StaleOn(cluster, node, "k1"));
            Assert.Equal("v2", StaleOn(cluster, node, "k2"));
        }
    }

    [Fact]
    public void Many_partitions_with_one_client() =>
        SuiteRun.Require(OneClient with { HasPartitions = true }, output);

    [Fact]
    public void Many_partitions_with_many_clients() =>
        SuiteRun.Require(FiveClients with { HasPartitions = true }, output);

    [Fact]
    public void Restarts_with_one_client() => SuiteRun.Require(OneClient with { HasRestarts = true }, output);

    [Fact]
    public void Restarts_with_concurrent_clients() =>
        SuiteRun.Require(FiveClients with { HasRestarts = true }, output);

    [Fact]
    public void Restarts_and_an_unreliable_network() =>
        SuiteRun.Require(FiveClients with { HasRestarts = true, IsUnreliable = true }, output);

    [Fact]
    public void Restarts_and_partitions() =>
        SuiteRun.Require(FiveClients with { HasRestarts = true, HasPartitions = true }, output);

    [Fact]
    public void Restarts_partitions_and_an_unreliable_network() => SuiteRun.Require(
        FiveClients with { HasRestarts = true, HasPartitions = true, IsUnreliable = true }, output);

    /// <summary>What a node's own replica holds.</summary>
    internal static string? StaleOn(StoreCluster cluster, NodeName node, string key) =>
        cluster.Execute(cluster.ReplicaOn(node), ReadOf(key, RequestKind.StaleRead)).ValueText();
}
