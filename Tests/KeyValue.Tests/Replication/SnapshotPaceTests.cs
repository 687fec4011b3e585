using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Replication;

/// <summary>Building, sending and installing a snapshot take as long as they take; nothing else waits for
/// them.</summary>
[Trait("Raft", "§7")]
public class SnapshotPaceTests
{
    private const int Mebibyte = 1 << 20;

    private readonly TaskCompletionSource _released = new();
    private int _held;

    [Fact]
    public void A_leader_that_cannot_finish_building_a_snapshot_keeps_its_office_and_serves()
    {
        StoreCluster cluster = Start();
        KvClient client = cluster.CreateClient();
        NodeName leader = cluster.Leader();
        HoldSnapshotFiles(cluster, leader, DiskOperationKind.Write);
        for (int i = 0; i < 20; i++) cluster.Put(client, $"k{i}", new string('x', 500));
        Assert.Equal(1, _held);
        RequireUndisturbed(cluster, client);
        Assert.Equal(0, cluster.Nodes[leader].GetStatus().Snapshots);

        _released.SetResult();
        cluster.RunUntil(() => cluster.Nodes[leader].GetStatus().Snapshots == 1, Seconds(5), "the snapshot is there");
    }

    [Fact]
    public void A_leader_that_cannot_read_the_snapshot_it_sends_keeps_its_office_and_serves()
    {
        StoreCluster cluster = Start();
        KvClient client = cluster.CreateClient();
        NodeName behind = CutOff(cluster, client);
        HoldSnapshotFiles(cluster, cluster.Leader(), DiskOperationKind.Read);
        cluster.Network.Heal();
        cluster.RunUntil(() => _held > 0, Seconds(5), "the leader reads the snapshot");
        RequireUndisturbed(cluster, client);

        _released.SetResult();
        RequireCaughtUp(cluster, behind);
    }

    [Fact]
    public void A_follower_that_cannot_write_the_snapshot_it_gets_answers_heartbeats_and_does_not_campaign()
    {
        StoreCluster cluster = Start();
        KvClient client = cluster.CreateClient();
        NodeName behind = CutOff(cluster, client);
        HoldSnapshotFiles(cluster, behind, DiskOperationKind.Write, DiskOperationKind.Flush);
        cluster.Network.Heal();
        cluster.RunUntil(() => _held > 0, Seconds(5), "the follower writes the snapshot");
        int answers = 0;
        cluster.Network.Observed = (from, _, frame) =>
            answers += from == behind && LeadershipTests.Carries<HeartbeatReply>(frame) ? 1 : 0;
        RequireUndisturbed(cluster, client);
        Assert.True(answers > 100, $"only {answers} heartbeats were answered");

        _released.SetResult();
        RequireCaughtUp(cluster, behind);
    }

    /// <summary>Neither is the whole of it ever one array.</summary>
    [Fact]
    public void No_part_of_a_large_snapshot_on_disk_or_on_the_wire_exceeds_a_mebibyte()
    {
        StoreCluster cluster =
            Start(new ReplicaOptions { SnapshotLogBytes = 2 * Mebibyte, SnapshotChunkBytes = Mebibyte });
        KvClient client = cluster.CreateClient();
        var pieces = new List<DiskOperation>();
        foreach (SimulatedDisk disk in cluster.Disks.Values)
        {
            disk.Latency = operation =>
            {
                if (IsOfSnapshot(operation) && operation.Kind is DiskOperationKind.Read or DiskOperationKind.Write)
                    pieces.Add(operation);
                return ValueTask.CompletedTask;
            };
        }
        var parts = new List<int>();
        NodeName behind = CutOff(cluster, client, keys: 8, bytes: 700_000);
        cluster.Network.Filter = (_, _, frame) =>
        {
            if (SnapshotTransferTests.Find<SnapshotChunk>(frame) is { } chunk) parts.Add(chunk.Data.Length);
            return true;
        };
        cluster.Network.Heal();
        RequireCaughtUp(cluster, behind);
        cluster.CrashNode(behind);
        cluster.StartNode(behind);
        RequireCaughtUp(cluster, behind);
        Assert.True(parts.Sum() > 4 * Mebibyte, $"only {parts.Sum()} bytes were sent");
        Assert.All(parts, bytes => Assert.InRange(bytes, 1, Mebibyte));
        foreach (DiskOperationKind kind in new[] { DiskOperationKind.Read, DiskOperationKind.Write })
            Assert.True(pieces.Where(p => p.Kind == kind).Sum(p => (long)p.LengthBytes) > 4 * Mebibyte);
        Assert.All(pieces, piece => Assert.InRange(piece.LengthBytes, 0, Mebibyte));
        var larger = new ReplicaOptions { SnapshotChunkBytes = Mebibyte + 1 };
        Assert.Contains("SnapshotChunkBytes", Assert.Single(larger.Validate()));
    }

    private static StoreCluster Start(ReplicaOptions? replica = null) => StoreCluster.Start(new StoreClusterOptions
    {
        LogSegmentBytes = Mebibyte,
        Replica = replica ?? new ReplicaOptions { SnapshotLogBytes = 4096, SnapshotChunkBytes = 1024 },
        Client = new KvClientOptions { Timeout = Seconds(20) },
    });

    /// <summary>Isolates a follower and writes until it can learn the rest only by a snapshot.</summary>
    private static NodeName CutOff(StoreCluster cluster, KvClient client, int keys = 30, int bytes = 700)
    {
        NodeName behind = cluster.Followers()[0];
        cluster.Isolate(behind);
        for (int i = 0; i < 6 * keys; i++) cluster.Put(client, $"k{i % keys}", new string('x', bytes));
        return behind;
    }

    /// <summary>From now on such operations on a node's snapshot files do not end until released.</summary>
    private void HoldSnapshotFiles(StoreCluster cluster, NodeName node, params DiskOperationKind[] kinds)
    {
        cluster.Disks[node].Latency = operation =>
        {
            if (!IsOfSnapshot(operation) || !kinds.Contains(operation.Kind)) return ValueTask.CompletedTask;
            _held++;
            return new ValueTask(_released.Task);
        };
    }

    private static bool IsOfSnapshot(DiskOperation operation) =>
        operation.Path.StartsWith("snapshots/", StringComparison.Ordinal);

    /// <summary>For a minute the leader stays, nobody else campaigns, and calls are served.</summary>
    private static void RequireUndisturbed(StoreCluster cluster, KvClient client)
    {
        NodeName leader = cluster.Leader();
        Term term = cluster.ReplicaOn(leader).Status.Term;
        for (int second = 0; second < 60; second++)
        {
            cluster.RunFor(Seconds(1));
            Assert.Equal("leader", cluster.ReplicaOn(leader).Status.Role);
            foreach (NodeName follower in cluster.Followers())
                Assert.Equal("follower", cluster.ReplicaOn(follower).Status.Role);
            cluster.Put(client, "during", $"{second}");
            Assert.Equal($"{second}", cluster.Get(client, "during"));
        }
        Assert.All(cluster.Names, n => Assert.Equal(term, cluster.ReplicaOn(n).Status.Term));
    }

    private static void RequireCaughtUp(StoreCluster cluster, NodeName behind) => cluster.RunUntil(
        () => cluster.Nodes.TryGetValue(behind, out StoreNode? node) && node.Formed.IsCompletedSuccessfully
            && node.Find(First) is { } replica && cluster.LeaderOf(First) is { } leader
            && replica.Status.Applied == cluster.ReplicaOn(leader).Status.Commit,
        Seconds(60), $"{behind} has caught up");
}
