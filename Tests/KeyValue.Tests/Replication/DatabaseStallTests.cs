using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Replication;

/// <summary>Nodes on databases that do not answer: who asks is told which, and not of a disk.</summary>
public class DatabaseStallTests
{
    private static readonly NodeName s_node = new("node-1");

    [Theory]
    [InlineData(true, "node-1 has waited for its storage for 2.1 s: the database of node-1 does not answer")]
    [InlineData(false, "node-1 has waited for its storage for 2.1 s: the database of node-1")]
    public void A_database_that_does_not_answer_is_named_in_status_and_answers(bool hangs, string expected)
    {
        StoreCluster cluster = Start(nodes: 1);
        KvClient client = cluster.CreateClient();
        if (hangs) cluster.Databases[s_node].HangFlushes();
        else cluster.Databases[s_node].IsDown = true;
        _ = cluster.Begin(async () =>
        {
            await client.PutAsync(Bytes.Of("k"), Bytes.Of("w"));
            return true;
        });
        cluster.RunFor(Seconds(2.1));

        string? problem = cluster.Nodes[s_node].GetStatus().Problem;
        Assert.StartsWith(expected, problem, StringComparison.Ordinal);
        Assert.DoesNotContain("disk", problem, StringComparison.Ordinal);
        Assert.Contains("the database of node-1",
            Assert.Throws<UnavailableException>(() => cluster.Get(client, "k")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_idle_node_says_within_four_seconds_that_its_database_is_away_and_leads_nothing_meanwhile()
    {
        StoreCluster cluster = Start(nodes: 3);
        cluster.RunFor(Seconds(10));
        NodeName leader = cluster.Leader();
        Assert.Null(cluster.Nodes[leader].GetStatus().Problem);

        cluster.Databases[leader].IsDown = true;
        cluster.RunFor(Seconds(4));

        Assert.Contains($"the database of {leader}", cluster.Nodes[leader].GetStatus().Problem,
            StringComparison.Ordinal);
        cluster.RunUntil(() => cluster.LeaderOf(First) is { } now && now != leader, Seconds(5), "another one leads");

        cluster.Databases[leader].IsDown = false;
        cluster.RunFor(Seconds(2));
        Assert.Null(cluster.Nodes[leader].GetStatus().Problem);
        Assert.Equal(TimeSpan.Zero, cluster.Nodes[leader].Storage.StalledFor);
    }

    /// <summary>The leader is cut off: on its own disk it knows by its lease that nobody else leads; a database may
    /// have been opened by another that does.</summary>
    [Theory]
    [InlineData(SimulatedStorage.Disks, true)]
    [InlineData(SimulatedStorage.Databases, false)]
    public void A_lease_read_is_a_linearizable_read_on_databases(SimulatedStorage storage, bool isServed)
    {
        StoreCluster cluster = Start(nodes: 3, storage);
        cluster.RunFor(Seconds(1));
        cluster.Put(cluster.CreateClient(), "k", "w");
        NodeName leader = cluster.Leader();
        cluster.Isolate(leader);

        Running<GroupReply> read =
            cluster.Begin(() => cluster.ReplicaOn(leader).ExecuteAsync(ReadOf("k", RequestKind.LeaseRead)));
        cluster.RunFor(TimeSpan.FromMilliseconds(1));

        Assert.Equal(isServed, read.HasEnded);
        cluster.Network.Heal();
        cluster.RunFor(Seconds(5));
        if (isServed) Assert.Equal("w", read.Result.ValueText());
        // It waited for a round, or for who knows the leader that came after.
        else Assert.True(read.Result.Status != GroupReplyStatus.Answered || read.Result.ValueText() == "w");
    }

    [Fact]
    public void A_leader_whose_database_was_opened_elsewhere_serves_no_lease_read()
    {
        StoreCluster cluster = Start(nodes: 3);
        cluster.RunFor(Seconds(1));
        NodeName leader = cluster.Leader();
        Replica earlier = cluster.ReplicaOn(leader);
        cluster.StartElsewhere(leader, following: [], isParted: false);

        Running<GroupReply> read =
            cluster.Begin(() => earlier.ExecuteAsync(ReadOf("k", RequestKind.LeaseRead)));
        cluster.RunFor(Seconds(5));

        Assert.NotEqual(GroupReplyStatus.Answered, read.Result.Status);
    }

    private static StoreCluster Start(int nodes, SimulatedStorage storage = SimulatedStorage.Databases)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Nodes = nodes, Storage = storage });
        cluster.Put(cluster.CreateClient(), "k", "v");
        return cluster;
    }
}
