using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.KeyValue.Tests;
using Orleans.Raft.Testing;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.Mutations;

/// <summary>Bugs in what a replica does around its core, on a whole simulated cluster.</summary>
public sealed class StoreMutations
{
    [Fact]
    public void A_read_served_though_leadership_could_not_be_confirmed_is_found() => Mutation.IsFound(
        FaultPoint.ReadServedAfterSteppingDown, "a linearizable read gave 'old'", faults =>
    {
        StoreCluster cluster = Start(faults);
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "old");
        cluster.RunFor(Seconds(1));
        NodeName old = cluster.Leader();
        cluster.Isolate(old);
        cluster.WaitForLeader(old);
        cluster.Put(client, "k", "new");
        RequireNew(cluster.Execute(cluster.ReplicaOn(old), ReadOf("k")));
        cluster.Network.Heal();
        Assert.Equal("new", cluster.Get(client, "k"));
    });

    [Fact]
    public void A_round_that_a_replaced_replica_confirms_is_found() => Mutation.IsFound(
        FaultPoint.RoundConfirmedByTheReplaced, "served by a leader whose storage was opened elsewhere", faults =>
    {
        var storages = new Dictionary<NodeName, SharedStorage>();
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Faults = faults,
            WrapStorage = (name, storage) => storages[name] = new SharedStorage(storage),
        });
        cluster.Put(cluster.CreateClient(), "k", "v");
        NodeName leader = cluster.Leader();
        cluster.Isolate(cluster.Followers()[0]);
        // Whoever took it counts for the rest of the group now; the answer that it was taken is still on its way.
        (storages[leader].IsTaken, storages[leader].HoldsQuestions) = (true, true);
        Running<GroupReply> read = cluster.Begin(() => cluster.ReplicaOn(leader).ExecuteAsync(ReadOf("k")));
        cluster.RunFor(Seconds(0.2));
        Assert.False(read.HasEnded, "a read was served by a leader whose storage was opened elsewhere");
    });

    [Fact]
    public void A_read_served_before_its_index_is_applied_is_found() => Mutation.IsFound(
        FaultPoint.ReadServedBeforeApplied, "a linearizable read gave 'old'", faults =>
    {
        StoreCluster cluster = Start(faults);
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "old");
        cluster.RunFor(Seconds(1));
        NodeName behind = cluster.Followers()[0];
        cluster.Network.Filter = (_, to, frame) => to != behind || !Carries<AppendEntries>(frame);
        cluster.Put(client, "k", "new");
        Running<GroupReply> read = cluster.Begin(() => cluster.ReplicaOn(behind).ExecuteAsync(ReadOf("k")));
        cluster.RunFor(TimeSpan.FromMilliseconds(200));
        cluster.Network.Filter = null;
        cluster.RunUntil(() => read.HasEnded, Seconds(5), "the read ended");
        RequireNew(read.Result);
        Assert.Equal(GroupReplyStatus.Answered, read.Result.Status);
    });

    [Fact]
    public void A_write_answered_by_what_took_its_place_is_found() => Mutation.IsFound(
        FaultPoint.WriteAnsweredByIndex, "was acknowledged and is lost", faults =>
    {
        StoreCluster cluster = Start(faults);
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "other", "0");
        NodeName old = cluster.Leader();
        Replica leader = cluster.ReplicaOn(old);
        SessionId session = cluster.OpenSession(leader, 60_000);
        cluster.Isolate(old);
        Running<GroupReply>[] writes = [.. Enumerable.Range(1, 3).Select(i =>
            cluster.Begin(() => leader.ExecuteAsync(PutOf(session, (ulong)i, $"k{i}", "lost"))))];
        cluster.WaitForLeader(old);
        for (int i = 1; i <= 5; i++) cluster.Put(client, "other", $"{i}");
        cluster.Network.Heal();
        cluster.WaitForEqualReplicas();
        for (int i = 1; i <= 3; i++)
        {
            bool acknowledged = writes[i - 1].Result.Status == GroupReplyStatus.Answered;
            Assert.False(acknowledged && cluster.Get(client, $"k{i}") is null, $"k{i} was acknowledged and is lost");
        }
    });

    [Fact]
    public void A_group_time_taken_from_a_local_clock_is_found() => Mutation.IsFound(
        FaultPoint.GroupTimeFromLocalClock, "a session of 30 s lived 10 s", faults =>
    {
        StoreCluster cluster = Start(faults, sessionTimeoutMilliseconds: 30_000);
        cluster.RunFor(Seconds(100));
        SessionId session = cluster.OpenSession(cluster.ReplicaOn(cluster.Leader()), 30_000);
        cluster.RunFor(Seconds(10));
        GroupReply reply = cluster.Execute(cluster.ReplicaOn(cluster.Leader()), PutOf(session, 1, "k", "v"));
        Assert.True(reply.Only().Status == AnswerStatus.Ok, "a session of 30 s lived 10 s");
    });

    [Fact]
    public void A_received_snapshot_that_is_not_checked_is_found() => Mutation.IsFound(
        FaultPoint.ReceivedSnapshotUnchecked, "the replicas differ", faults =>
    {
        StoreCluster cluster = Start(faults);
        KvClient client = cluster.CreateClient();
        NodeName behind = cluster.Followers()[0];
        cluster.Isolate(behind);
        for (int i = 0; i < 100; i++) cluster.Put(client, $"k{i % 30}", new string('v', 700));
        // Damage at the sender, once: on the way the frame's own checksum would catch it.
        Replica receiver = cluster.ReplicaOn(behind);
        bool damaged = false;
        cluster.Network.Filter = (_, to, frame) =>
        {
            if (damaged || to != behind || Find<SnapshotChunk>(frame) is not { OffsetBytes: > 0 } chunk) return true;
            damaged = true;
            byte[] data = chunk.Data.ToArray();
            data[^1] ^= 0x40;
            receiver.Deliver(cluster.ReplicaOn(cluster.Leader()).Id, cluster.Leader(), chunk with { Data = data });
            return false;
        };
        cluster.Network.Heal();
        cluster.WaitForEqualReplicas();
        Assert.True(damaged);
        uint[] digests = [.. cluster.Names
            .Select(node => cluster.Run(() => cluster.ReplicaOn(node).DigestAsync())!.Value.Checksum)];
        Assert.True(digests.Distinct().Count() == 1, "the replicas differ");
    });

    private static StoreCluster Start(FaultPoints faults, int sessionTimeoutMilliseconds = 600_000) =>
        StoreCluster.Start(new StoreClusterOptions
    {
        Limits = new StoreLimits { SessionTimeoutMilliseconds = sessionTimeoutMilliseconds },
        Replica = new ReplicaOptions { SnapshotLogBytes = 2048, SnapshotChunkBytes = 1024 },
        Client = new KvClientOptions { Timeout = Seconds(20) },
        Faults = faults,
    });

    private static void RequireNew(GroupReply reply)
    {
        if (reply.Status != GroupReplyStatus.Answered) return;
        Assert.True(reply.ValueText() == "new", $"a linearizable read gave '{reply.ValueText()}'");
    }

    private static bool Carries<T>(ReadOnlyMemory<byte> frame) where T : RaftMessage => Find<T>(frame) is not null;

    private static T? Find<T>(ReadOnlyMemory<byte> frame) where T : RaftMessage =>
        KeyValue.Tests.Replication.SnapshotTransferTests.Find<T>(frame);
}
