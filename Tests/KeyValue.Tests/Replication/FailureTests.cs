using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Orleans.Raft.KeyValue.Tests.Client;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Replication;

/// <summary>Disks that hang, fail or fill up, and broken invariants: what stops, what goes on, and what is said about
/// it.</summary>
public class FailureTests
{
    [Fact]
    public void A_leader_whose_disk_hangs_makes_way_and_catches_up_when_it_answers_again()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "before");
        NodeName node = cluster.Leader();
        cluster.Disks[node].HangFlushes();
        // Two other disks suffice: the write is acknowledged although the leader's own disk hangs.
        cluster.Put(client, "k", "hanging");
        Assert.Null(cluster.Nodes[node].GetStatus().Problem);
        cluster.RunFor(TimeSpan.FromMilliseconds(1900));
        Assert.Equal(node, cluster.Leader());

        cluster.RunFor(TimeSpan.FromMilliseconds(150));
        Assert.Equal("follower", cluster.ReplicaOn(node).Status.Role);
        Assert.Contains("flush", cluster.Nodes[node].GetStatus().Problem);
        RequireBusyByStall(cluster.Execute(cluster.ReplicaOn(node), Unsessioned(Operation.OpenSession(1000))), node,
            leader: null);
        // A client that knows no better starts with the stalled replica and is there as soon as another one leads.
        TimeSpan asked = cluster.Time.Now;
        cluster.Put(client, "k", "after");
        Assert.InRange(cluster.Time.Now - asked, TimeSpan.Zero, Seconds(2));
        Assert.Equal("after", cluster.Get(client, "k"));
        RequireBusyByStall(cluster.Execute(cluster.ReplicaOn(node), Unsessioned(Operation.OpenSession(1000))), node,
            cluster.Leader());

        cluster.Disks[node].ReleaseFlushes();
        cluster.WaitForEqualReplicas();
        Assert.Null(cluster.Nodes[node].GetStatus().Problem);
    }

    [Fact]
    public void A_client_that_is_sent_to_a_replica_whose_disk_hangs_goes_on_to_the_leader_at_once()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "before");
        NodeName stalled = cluster.Followers()[0];
        cluster.Disks[stalled].HangFlushes();
        cluster.Put(client, "k", "hanging");
        cluster.RunFor(Seconds(2.1));
        GroupReply reply = cluster.Execute(cluster.ReplicaOn(stalled), PutOf(new SessionId(1), 1, "k", "v"));
        RequireBusyByStall(reply, stalled, cluster.Leader());

        var connection = new WrappedConnection(cluster) { Handle = (number, inner) => number == 1
            ? Task.FromResult(reply)
            : inner() };
        var other = new KvClient(connection, cluster.Time, cluster.Scheduler,
            new KvClientOptions { FirstBackoff = Seconds(1), MaxBackoff = Seconds(1) }, 1);
        TimeSpan asked = cluster.Time.Now;
        Assert.Equal("hanging", cluster.Get(other, "k"));
        Assert.InRange(cluster.Time.Now - asked, TimeSpan.Zero, Seconds(0.4));
    }

    [Fact]
    public void A_call_that_ends_at_a_replica_whose_disk_hangs_says_so()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Nodes = 1 });
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "v");
        cluster.Disks[cluster.Names[0]].HangFlushes();
        Running<bool> stuck = cluster.Begin(async () =>
        {
            await client.PutAsync(Bytes.Of("k"), Bytes.Of("w"));
            return true;
        });
        cluster.RunFor(Seconds(2.1));
        Assert.Contains("the disk of node-1 has not answered",
            Assert.Throws<UnavailableException>(() => cluster.Get(client, "k")).Message);
        Assert.IsType<OutcomeUnknownException>(stuck.Failure);
    }

    [Fact]
    public void A_sole_replica_whose_disk_hangs_acknowledges_nothing_until_it_answers()
    {
        StoreCluster cluster = StoreCluster.Start(
            new StoreClusterOptions { Nodes = 1, Client = new KvClientOptions { Timeout = Seconds(60) } });
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "before");
        SimulatedDisk disk = cluster.Disks[cluster.Names[0]];
        disk.HangFlushes();
        Running<CompareAndSetResult> write =
            cluster.Begin(() => client.CompareAndSetAsync(Bytes.Of("k"), Bytes.Of("before"), Bytes.Of("after")));
        cluster.RunFor(Seconds(10));
        Assert.False(write.HasEnded);
        Assert.Equal("before", cluster.Get(client, "k", Consistency.Stale));

        disk.ReleaseFlushes();
        cluster.RunUntil(() => write.HasEnded, Seconds(20), "the write ended");
        Assert.True(write.Result.Applied);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_failed_flush_stops_all_replicas_of_its_node_and_no_other(bool onLeader)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Groups = 2 });
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "A", "1");
        cluster.Put(client, "z", "1");
        NodeName node = onLeader ? cluster.Leader() : cluster.Followers()[0];
        cluster.Disks[node].FailNext(DiskOperationKind.Flush);
        cluster.Put(client, "A", "2");
        cluster.RunUntil(() => cluster.Nodes[node].Replicas.All(r => r.StopReason is not null), Seconds(5),
            "the node's replicas stopped");
        RequireFailed(cluster, node, "Flush");

        int frames = 0;
        cluster.Network.Filter = (sender, _, _) =>
        {
            if (sender == node) frames++;
            return true;
        };
        Replica[] stopped = [.. cluster.Nodes[node].Replicas];
        cluster.RunFor(Seconds(5));
        foreach (Replica replica in stopped)
            Assert.Equal(GroupReplyStatus.Unavailable,
                cluster.Execute(replica, ReadOf("A", RequestKind.StaleRead)).Status);
        Assert.Equal(0, frames);
        cluster.Put(client, "A", "3");
        cluster.Put(client, "z", "3");
        Assert.Equal("3", cluster.Get(client, "A"));
        Assert.Equal("3", cluster.Get(client, "z"));
    }

    [Fact]
    public void A_full_disk_stops_its_node_and_the_others_go_on()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { LogSegmentBytes = 64 << 10 });
        KvClient client = cluster.CreateClient();
        NodeName node = cluster.Followers()[0];
        cluster.Disks[node].FreeBytes = 0;
        string value = new('x', 10_000);
        for (int i = 0; i < 60; i++) cluster.Put(client, $"k{i}", value);
        cluster.RunUntil(() => cluster.ReplicaOn(node).StopReason is not null, Seconds(5),
            "the node's replica stopped");
        RequireFailed(cluster, node, "Full");
        Assert.Equal(value, cluster.Get(client, "k59"));
    }

    [Theory]
    [InlineData(DiskOperationKind.Create)]
    [InlineData(DiskOperationKind.Write)]
    [InlineData(DiskOperationKind.Flush)]
    [InlineData(DiskOperationKind.Rename)]
    [InlineData(DiskOperationKind.FlushDirectory)]
    public void A_snapshot_that_cannot_be_written_is_given_up_and_tried_again_later(DiskOperationKind kind)
    {
        StoreCluster cluster =
            StoreCluster.Start(new StoreClusterOptions { Replica = new ReplicaOptions { SnapshotLogBytes = 2048 } });
        KvClient client = cluster.CreateClient();
        NodeName node = cluster.Leader();
        for (int failures = 0; failures < 3; failures++)
            cluster.Disks[node].FailNext(kind, "snapshots", DiskFailure.Full);
        int tries = 0;
        cluster.Disks[node].Observed = operation =>
        {
            if (operation.Kind == kind && operation.Path.StartsWith("snapshots", StringComparison.Ordinal)) tries++;
        };
        string value = new('x', 1000);
        for (int i = 0; i < 5; i++) cluster.Put(client, $"k{i}", value);
        cluster.RunFor(Seconds(0.1));
        Assert.Equal(1, tries);
        Assert.Contains($"g1 could write no snapshot, so its log grows: Cannot {kind}", cluster.Nodes[node]
            .GetStatus().Problem);
        Assert.DoesNotContain(cluster.Disks[node].Files, f => f.StartsWith("snapshots/", StringComparison.Ordinal));
        // After 1 s, and after 2 s more; all the while it works on.
        cluster.RunFor(Seconds(2.5));
        Assert.Equal(2, tries);
        cluster.Put(client, "k0", "y");
        Assert.Equal(node, cluster.Leader());
        cluster.RunFor(Seconds(2));
        Assert.Equal(3, tries);
        Assert.Equal(0, cluster.Nodes[node].GetStatus().Snapshots);

        cluster.RunFor(Seconds(4));
        Assert.True(tries > 3);
        Assert.Null(cluster.Nodes[node].GetStatus().Problem);
        Assert.Equal(1, cluster.Nodes[node].GetStatus().Snapshots);
        Assert.Single(cluster.Disks[node].Files, f => f.StartsWith("snapshots/", StringComparison.Ordinal));
        cluster.CrashNode(node);
        cluster.StartNode(node);
        cluster.WaitForLeader();
        Assert.Equal("y", cluster.Get(client, "k0"));
        Assert.Equal(value, cluster.Get(client, "k4"));
    }

    [Theory]
    [InlineData(DiskOperationKind.Flush)]
    [InlineData(DiskOperationKind.FlushDirectory)]
    public void A_failed_flush_is_final_for_a_snapshot_too(DiskOperationKind kind)
    {
        StoreCluster cluster =
            StoreCluster.Start(new StoreClusterOptions { Replica = new ReplicaOptions { SnapshotLogBytes = 2048 } });
        KvClient client = cluster.CreateClient();
        NodeName node = cluster.Followers()[0];
        cluster.Disks[node].FailNext(kind, "snapshots");
        string value = new('x', 1000);
        for (int i = 0; i < 5; i++) cluster.Put(client, $"k{i}", value);
        cluster.RunUntil(() => cluster.ReplicaOn(node).StopReason is not null, Seconds(5),
            "the node's replica stopped");
        Assert.Equal("failed", cluster.ReplicaOn(node).Status.Role);
        Assert.Contains($"storage failed: Cannot {kind}", cluster.ReplicaOn(node).Status.Reason);
        Assert.Equal(value, cluster.Get(client, "k4"));
    }

    [Fact]
    public void A_disk_that_is_full_for_snapshots_stops_its_node_only_when_it_is_full_for_the_log_as_well()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            LogSegmentBytes = 64 << 10, Replica = new ReplicaOptions { SnapshotLogBytes = 16 << 10 },
        });
        KvClient client = cluster.CreateClient();
        NodeName node = cluster.Followers()[0];
        cluster.Disks[node].FreeBytes = 0;
        string value = new('x', 10_000);
        for (int i = 0; i < 3; i++) cluster.Put(client, $"k{i}", value);
        cluster.RunUntil(() => cluster.Nodes[node].GetStatus().Problem is not null, Seconds(5),
            "it says that it takes no snapshots");
        Assert.Contains("g1 could write no snapshot", cluster.Nodes[node].GetStatus().Problem);
        Assert.Null(cluster.ReplicaOn(node).StopReason);

        for (int i = 3; i < 60; i++) cluster.Put(client, $"k{i}", value);
        cluster.RunUntil(() => cluster.ReplicaOn(node).StopReason is not null, Seconds(5),
            "the node's replica stopped");
        RequireFailed(cluster, node, "Full");
        Assert.Equal(value, cluster.Get(client, "k59"));
        // With room again, it has all that it had acknowledged, and catches up.
        cluster.CrashNode(node);
        cluster.Disks[node].FreeBytes = null;
        cluster.StartNode(node);
        cluster.RunUntil(() => cluster.Nodes.TryGetValue(node, out StoreNode? back)
            && back.Formed.IsCompletedSuccessfully && back.Find(First) is not null,
            Seconds(5), "the node is back");
        cluster.WaitForEqualReplicas();
    }

    [Fact]
    public void A_broken_invariant_stops_one_replica_and_not_its_node()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Groups = 2 });
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "A", "1");
        NodeName node = cluster.Leader();
        Replica leader = cluster.ReplicaOn(node);
        SessionId session = cluster.OpenSession(leader, 60_000);
        ReplicaId other = cluster.ReplicaOn(cluster.Followers()[0]).Id;
        Running<GroupReply> write = cluster.Begin(() => leader.ExecuteAsync(PutOf(session, 1, "A", "2")));
        while (leader.Status.Commit == leader.Status.Applied && !write.HasEnded && cluster.Scheduler.RunOne())
        {
        }
        // A second leader in one term: safety is lost, this replica must not go on.
        leader.Deliver(other, new Heartbeat(leader.Status.Term, LogIndex.Zero, 1));
        cluster.RunFor(TimeSpan.FromMilliseconds(1));

        Assert.Equal("failed", leader.Status.Role);
        Assert.Contains("two leaders", leader.Status.Reason);
        Assert.True(write.HasEnded);
        Replica neighbour = cluster.ReplicaOn(node, new GroupId(2));
        Assert.Null(neighbour.StopReason);
        Assert.Null(cluster.Nodes[node].GetStatus().Problem);
        ClusterStatus status = ClusterView.Merge(cluster.Nodes[node].Formation, [ClusterView.Of(cluster.Nodes[node])]);
        Assert.Equal("failed", status.Replicas.Single(r => r.Group == First).Role);
        cluster.WaitForLeader(node);
        cluster.Put(client, "A", "3");
        cluster.Put(client, "z", "3");
        cluster.RunUntil(() => neighbour.Status.Applied == cluster.ReplicaOn(cluster.Leader(new GroupId(2)),
            new GroupId(2)).Status.Applied,
            Seconds(5), "the neighbour follows");
    }

    private static void RequireBusyByStall(GroupReply reply, NodeName node, NodeName? leader)
    {
        Assert.Equal(GroupReplyStatus.Busy, reply.Status);
        Assert.Contains($"the disk of {node} has not answered a flush", reply.Reason);
        Assert.Equal(leader, reply.LeaderHint);
    }

    private static void RequireFailed(StoreCluster cluster, NodeName node, string cause)
    {
        foreach (Replica replica in cluster.Nodes[node].Replicas)
        {
            Assert.Equal("failed", replica.Status.Role);
            Assert.Contains("storage failed", replica.Status.Reason);
            Assert.Contains(cause, replica.Status.Reason);
        }
        Assert.Contains(cause, cluster.Nodes[node].GetStatus().Problem);
    }
}
