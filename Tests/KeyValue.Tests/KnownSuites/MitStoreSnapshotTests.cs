using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using Xunit.Abstractions;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>The cases of MIT lab 3B (4B of 6.5840): a store on one group that cuts its log.</summary>
[Trait("Raft", "§7")]
public class MitStoreSnapshotTests(ITestOutputHelper output)
{
    private const int LimitBytes = 1 << 10;
    private const int SegmentBytes = 4 << 10;

    private static readonly SuiteOptions Many =
        new() { Workload = SuiteWorkload.Appends, Clients = 5, LogLimitBytes = LimitBytes };

    [Fact]
    public void InstallSnapshot_RPC()
    {
        var store = new SharedKey(nodes: 3, clients: 1, logLimitBytes: LimitBytes);
        var wire = new Wire(store.Cluster.Network);
        store.Put(0, "a", "A");
        NodeName behind = store.Cluster.Followers()[0];
        store.Part([behind]);
        store.Restrict(0, [.. store.Cluster.Names.Where(node => node != behind)]);
        for (int i = 0; i < 200; i++) store.Put(0, $"{i % 50}", $"{i}" + new string('v', 50));
        store.Cluster.RunFor(Seconds(1));
        store.Put(0, "b", "B");
        foreach (NodeName node in store.Cluster.Names) RequireShortLog(store.Cluster, node);
        Assert.Equal(0, wire.Of<SnapshotChunk>());

        // The one left behind and one other are the majority now: without the snapshot nothing can go on.
        NodeName ahead = store.Cluster.Followers().First(node => node != behind);
        NodeName old = store.Cluster.Leader();
        store.Part([old]);
        store.Restrict(0, [ahead, behind]);
        store.Put(0, "c", "C");
        store.Put(0, "d", "D");
        Assert.True(wire.Of<SnapshotChunk>() > 2, $"{wire.Of<SnapshotChunk>()} parts");
        Assert.Equal(["A", "B", "C", "D"], new[] { "a", "b", "c", "d" }.Select(key => store.Get(0, key)));
        Assert.Equal("151" + new string('v', 50), store.Get(0, "1"));
        Assert.Equal("199" + new string('v', 50), TinyKvStoreTests.StaleOn(store.Cluster, behind, "49"));

        store.Cluster.Network.Heal();
        store.Restrict(0, null);
        store.Put(0, "e", "E");
        Assert.Equal(["A", "E"], new[] { "a", "e" }.Select(key => store.Get(0, key)));
        store.Cluster.WaitForEqualReplicas();
        Assert.All(store.Cluster.Names,
            node => Assert.Equal("D", TinyKvStoreTests.StaleOn(store.Cluster, node, "d")));
    }

    [Fact]
    public void Snapshot_size_is_reasonable()
    {
        var store = new SharedKey(nodes: 3, clients: 1, logLimitBytes: LimitBytes);
        for (int i = 0; i < 200; i++)
        {
            foreach (string value in new[] { "0", "1" })
            {
                store.Put(0, "x", value);
                Assert.Equal(value, store.Get(0, "x"));
            }
        }
        store.Cluster.RunFor(Seconds(1));
        foreach (NodeName node in store.Cluster.Names)
        {
            RequireShortLog(store.Cluster, node);
            SimulatedDisk disk = store.Cluster.Disks[node];
            string file = Assert.Single(disk.Files, file => file.StartsWith("snapshots", StringComparison.Ordinal));
            Assert.InRange(disk.ReadAll(file).Length, 1, 500);
        }
    }

    [Fact]
    public void A_thousand_appends_take_less_than_33_ms_each_although_snapshots_are_taken() =>
        output.WriteLine(SuiteSpeed.Require(LimitBytes));

    [Fact]
    public void Restarts_snapshots_one_client() =>
        SuiteRun.Require(Many with { Clients = 1, HasRestarts = true }, output);

    [Fact]
    public void Restarts_snapshots_many_clients() => SuiteRun.Require(
        Many with { Clients = 20, HasRestarts = true, LogLimitBytes = 4 << 10, Round = Seconds(3) }, output);

    [Fact]
    public void Unreliable_net_snapshots_many_clients() =>
        SuiteRun.Require(Many with { IsUnreliable = true }, output);

    [Fact]
    public void Unreliable_net_restarts_snapshots_many_clients() =>
        SuiteRun.Require(Many with { IsUnreliable = true, HasRestarts = true }, output);

    [Fact]
    public void Unreliable_net_restarts_partitions_snapshots_many_clients() =>
        SuiteRun.Require(Many with { IsUnreliable = true, HasRestarts = true, HasPartitions = true }, output);

    [Fact]
    public void Unreliable_net_restarts_partitions_snapshots_random_keys_many_clients_seven_servers() =>
        SuiteRun.Require(Many with
        {
            Workload = SuiteWorkload.RandomKeys,
            Nodes = 7,
            Clients = 15,
            Round = Seconds(10),
            IsUnreliable = true,
            HasRestarts = true,
            HasPartitions = true,
        }, output);

    private static void RequireShortLog(StoreCluster cluster, NodeName node)
    {
        Assert.InRange(cluster.Nodes[node].GetStatus().LogBytes, 1, 8 * SegmentBytes);
        Assert.InRange(cluster.ReplicaOn(node).LogBytes, 0, 8 * LimitBytes);
    }
}
