using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using Xunit.Abstractions;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>The cases of TinyKV 2C: one group that cuts its log, under faults.</summary>
[Trait("Raft", "§7")]
public class TinyKvSnapshotTests(ITestOutputHelper output)
{
    private const int LimitBytes = 2 << 10;
    private const int SegmentBytes = 4 << 10;
    private const int Keys = 60;

    private static readonly SuiteOptions FiveClients =
        new() { Workload = SuiteWorkload.Rows, Clients = 5, LogLimitBytes = LimitBytes };

    [Fact]
    public void One_snapshot_brings_a_node_that_was_cut_off_to_the_state_of_the_others_in_all_families()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            LogSegmentBytes = SegmentBytes,
            Replica = new ReplicaOptions { SnapshotLogBytes = LimitBytes, SnapshotChunkBytes = 1 << 10 },
        });
        KvClient client = cluster.CreateClient();
        Put(cluster, client, "k10", "before", ColumnFamily.Default);
        Put(cluster, client, "k20", "before", ColumnFamily.Lock);
        cluster.WaitForEqualReplicas();
        NodeName behind = cluster.Followers()[0];
        cluster.Isolate(behind);
        for (int i = 0; i < 300; i++)
        {
            Put(cluster, client, $"k{i % Keys}", $"{i}" + new string('x', 50), ColumnFamily.Default);
            Put(cluster, client, $"k{i % Keys}", $"{i}" + new string('y', 50), ColumnFamily.Lock);
        }
        cluster.Run(() => client.DeleteAsync(Bytes.Of("k10")));
        cluster.Run(() => client.DeleteAsync(Bytes.Of("k20"), ColumnFamily.Lock));
        Assert.InRange(cluster.Nodes[cluster.Leader()].GetStatus().LogBytes, 1, 8 * SegmentBytes);
        Assert.InRange(cluster.ReplicaOn(cluster.Leader()).LogBytes, 1, 8 * LimitBytes);
        LogIndex appliedBehind = cluster.ReplicaOn(behind).Status.Applied;

        var wire = new Wire(cluster.Network);
        cluster.Network.Heal();
        cluster.WaitForEqualReplicas();
        Assert.True(wire.Of<SnapshotChunk>() > 5, $"{wire.Of<SnapshotChunk>()} parts");
        Assert.True(cluster.ReplicaOn(behind).Status.Applied > new LogIndex(appliedBehind.Value + 600));
        string?[] expected = Contents(cluster, cluster.Leader());
        Assert.Equal(2 * Keys, expected.Length);
        Assert.Equal(2 * Keys - 2, expected.Count(value => value is not null));
        Assert.Equal(expected, Contents(cluster, behind));
        // And so it is after a restart, from the snapshot it was sent.
        cluster.CrashNode(behind);
        cluster.StartNode(behind);
        cluster.RunUntil(() => cluster.Nodes.GetValueOrDefault(behind)?.Find(First) is not null, Seconds(30),
            "it is up");
        cluster.WaitForEqualReplicas();
        Assert.Equal(expected, Contents(cluster, behind));
    }

    [Fact]
    public void Snapshot_recovery_with_one_client() =>
        SuiteRun.Require(FiveClients with { Clients = 1, HasRestarts = true }, output);

    [Fact]
    public void Snapshot_recovery_with_many_clients() => SuiteRun.Require(
        FiveClients with { Clients = 20, HasRestarts = true, LogLimitBytes = 4 << 10, Round = Seconds(3) }, output);

    [Fact]
    public void Snapshots_over_an_unreliable_network() =>
        SuiteRun.Require(FiveClients with { IsUnreliable = true }, output);

    [Fact]
    public void Snapshot_recovery_over_an_unreliable_network() =>
        SuiteRun.Require(FiveClients with { IsUnreliable = true, HasRestarts = true }, output);

    [Fact]
    public void Snapshots_with_partitions_restarts_and_an_unreliable_network() => SuiteRun.Require(
        FiveClients with { IsUnreliable = true, HasRestarts = true, HasPartitions = true }, output);

    private static void Put(StoreCluster cluster, KvClient client, string key, string value, ColumnFamily family) =>
        cluster.Run(() => client.PutAsync(Bytes.Of(key), Bytes.Of(value), family));

    /// <summary>What a node's own replica holds of all keys the test writes.</summary>
    private static string?[] Contents(StoreCluster cluster, NodeName node)
    {
        var reads = new ReadBatchWriter();
        ColumnFamily[] families = [ColumnFamily.Default, ColumnFamily.Lock];
        foreach (ColumnFamily family in families)
            for (int i = 0; i < Keys; i++) reads.AddGet(family, Bytes.Of($"k{i}"));
        GroupReply reply = cluster.Execute(cluster.ReplicaOn(node),
            new GroupRequest(RequestKind.StaleRead, reads.ToArray()));
        return [.. OperationAnswer.ReadAll(reply.Answers.Span)
            .Select(answer => answer.Value is { } value ? Bytes.Text(value.Span) : null)];
    }
}
