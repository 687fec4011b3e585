using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using Xunit.Abstractions;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>
/// What MIT's lab 2 bounds, measured on the whole store: three nodes, a heartbeat every 100 ms. A request and its reply
/// are two messages here and one RPC there, so these bounds are the stricter ones.
/// </summary>
public class MitBoundsTests(ITestOutputHelper output)
{
    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 10).Select(seed => (ulong)seed)];

    /// <summary>Of a cluster that forms, and of one whose nodes all start again.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void First_election_takes_less_than_five_seconds(ulong seed)
    {
        var cluster = new StoreCluster(new StoreClusterOptions { Seed = seed, RandomOrder = true });
        for (int life = 0; life < 2; life++)
        {
            foreach (NodeName node in cluster.Names) cluster.StartNode(node);
            cluster.RunUntil(() => cluster.AllGroupsHaveLeaders(), Seconds(5), "there is a leader");
            foreach (NodeName node in cluster.Names) cluster.CrashNode(node);
        }
    }

    [Fact]
    public void Idle_group_sends_at_most_sixty_messages_a_second()
    {
        (StoreCluster cluster, Wire wire, KvClient client) = Start();
        cluster.Put(client, "k", "v");
        cluster.RunFor(Seconds(1));
        for (int second = 0; second < 10; second++)
        {
            wire.Reset();
            cluster.RunFor(Seconds(1));
            output.WriteLine($"{wire.Messages} messages in {wire.Frames} frames, {wire.Of<Heartbeat>()} heartbeats");
            Assert.InRange(wire.Of<Heartbeat>(), 18, 22);
            Assert.InRange(wire.Messages, 36, 60);
        }
    }

    [Fact]
    public void Bytes_sent_to_each_peer_are_the_entries_and_at_most_50_kB()
    {
        const int Entries = 10, PayloadBytes = 5000;
        (StoreCluster cluster, Wire wire, KvClient client) = Start();
        cluster.Put(client, "k", "v");
        wire.Reset();
        for (int i = 0; i < Entries; i++) cluster.Put(client, $"{i}", new string('x', PayloadBytes));
        cluster.RunFor(Seconds(1));
        foreach (NodeName peer in cluster.Followers())
        {
            output.WriteLine($"{wire.BytesTo(peer)} bytes to {peer}");
            Assert.InRange(wire.BytesTo(peer), Entries * PayloadBytes, (Entries * PayloadBytes) + 50_000);
        }
        Assert.InRange(wire.BytesTo(cluster.Leader()), 1, 50_000);
    }

    [Fact]
    public void Ten_entries_are_agreed_in_at_most_42_messages()
    {
        const int Entries = 10;
        (StoreCluster cluster, Wire wire, _) = Start();
        // Clients of their own: what one client puts at once is one entry.
        KvClient[] clients = [.. Enumerable.Range(0, Entries).Select(_ => cluster.CreateClient())];
        foreach (KvClient client in clients) cluster.Put(client, "k", "v");
        cluster.RunFor(Seconds(1));
        LogIndex before = cluster.ReplicaOn(cluster.Leader()).Status.Commit;
        wire.Reset();
        Running<bool>[] puts = [.. clients.Select((client, i) => cluster.Begin(async () =>
        {
            await client.PutAsync(Bytes.Of($"{i}"), Bytes.Of("v"));
            return true;
        }))];
        cluster.RunUntil(() => puts.All(put => put.HasEnded), Seconds(1), "all puts ended");
        ulong committed = cluster.ReplicaOn(cluster.Leader()).Status.Commit.Value - before.Value;
        output.WriteLine($"{committed} entries in {wire.Messages} messages and {wire.Frames} frames, "
            + $"{wire.Of<Heartbeat>()} heartbeats");
        Assert.Equal((ulong)Entries, committed);
        // An entry goes to two followers, once, and nothing but time makes a leader send heartbeats.
        Assert.Equal(2 * Entries, wire.Entries);
        Assert.InRange(wire.Of<Heartbeat>(), 0, 4);
        Assert.InRange(wire.Messages, 4, 42);
    }

    [Fact]
    public void Ten_entries_one_after_the_other_are_agreed_in_at_most_42_RPCs()
    {
        const int Entries = 10;
        (StoreCluster cluster, Wire wire, KvClient client) = Start();
        cluster.Put(client, "k", "v");
        cluster.RunFor(Seconds(1));
        wire.Reset();
        for (int i = 0; i < Entries; i++) cluster.Put(client, "k", $"{i}");
        output.WriteLine($"{wire.Of<AppendEntries>()} appends, {wire.Of<Heartbeat>()} heartbeats, "
            + $"{wire.Messages} messages");
        // An entry goes to two followers, once.
        Assert.Equal(2 * Entries, wire.Of<AppendEntries>());
        Assert.InRange(wire.Of<AppendEntries>() + wire.Of<Heartbeat>(), 2 * Entries, 42);
    }

    private static (StoreCluster Cluster, Wire Wire, KvClient Client) Start()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            RandomOrder = true,
            Replica = new ReplicaOptions { SilenceAfter = null },
        });
        return (cluster, new Wire(cluster.Network), cluster.CreateClient());
    }
}
