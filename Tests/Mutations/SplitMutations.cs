using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.KeyValue.Tests;
using Orleans.Raft.KeyValue.Tests.Ranges;
using Orleans.Raft.Storage;
using Orleans.Raft.Testing;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.Mutations;

/// <summary>Bugs in how a node brings up the replica of a group that was split off, on a whole simulated cluster.</summary>
public sealed class SplitMutations
{
    private static GroupId Child => SplitClusterTests.Second;

    [Fact]
    public void A_parent_compacted_before_its_child_is_durable_is_found() => Mutation.IsFound(
        FaultPoint.ParentCompactedBeforeChildDurable, "nothing of the new group is left", faults =>
    {
        StoreCluster cluster = Start(faults, logBytes: 2048);
        NodeName full = SplitClusterTests.CrowdOut(cluster);
        // Room again, but for the parent's snapshot only.
        SplitClusterTests.ForgetFullDisk(cluster, full);
        for (int i = 0; i < 100; i++)
            cluster.Disks[full].FailNext(DiskOperationKind.Write, "g2-", DiskFailure.Full);
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 60; i++)
        {
            cluster.RunFor(Seconds(2));
            cluster.Put(client, "a", new string('x', 100));
        }
        cluster.CrashNode(full);
        SplitClusterTests.ForgetFullDisk(cluster, full);
        // The others are away: what the node has it must have by itself.
        cluster.Isolate(full);
        cluster.StartNode(full);
        cluster.RunFor(Seconds(5));
        Assert.True(cluster.ReplicaOn(full, Child).Descriptor.RangeVersion > 0, "nothing of the new group is left");
        cluster.Network.Heal();
        SplitClusterTests.RequireEqual(cluster, First, Child);
    });

    [Fact]
    public void A_split_that_is_replayed_and_resets_the_child_is_found() => Mutation.IsFound(
        FaultPoint.SplitReplayResetsChild, "the new group was reset", faults =>
    {
        StoreCluster cluster = Start(faults);
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "a", "1");
        SplitClusterTests.Split(cluster, First, "m", Child);
        for (int i = 0; i < 20; i++) cluster.Put(client, $"z{i}", "1");
        cluster.RunFor(Seconds(2));
        NodeName node = cluster.Followers()[0];
        long bytes = cluster.ReplicaOn(node, Child).KeyValueBytes;
        cluster.CrashNode(node);
        cluster.StartNode(node);
        cluster.RunFor(Seconds(5));
        Replica child = cluster.ReplicaOn(node, Child);
        Assert.True(child.KeyValueBytes == bytes && child.StopReason is null,
            $"the new group was reset: {child.KeyValueBytes} of {bytes} bytes are left. {child.StopReason}");
    });

    private static StoreCluster Start(FaultPoints faults, int logBytes = 32 << 20) =>
        StoreCluster.Start(new StoreClusterOptions
    {
        Replica = new ReplicaOptions { SnapshotLogBytes = logBytes, SnapshotChunkBytes = 1024 },
        Client = new KvClientOptions { Timeout = Seconds(20) },
        Faults = faults,
    });
}
