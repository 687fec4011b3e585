using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Replication;

/// <summary>A follower far behind gets a snapshot, part by part, whatever happens on the way. Raft §7.</summary>
[Trait("Raft", "§7")]
public class SnapshotTransferTests
{
    private const int ChunkBytes = 1024;

    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 8).Select(seed => (ulong)seed)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_follower_cut_off_long_gets_a_snapshot_over_a_network_that_loses_doubles_and_reorders(ulong seed)
    {
        var (cluster, client, behind) = CutOff(seed);
        cluster.Network.Faults = new NetworkFaults
        {
            Loss = 0.05, Duplication = 0.1, Delay = (TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(30)),
        };
        CountParts(cluster, behind);
        cluster.Network.Heal();
        CatchUp(cluster, behind);
        Assert.True(PartsSent > 10, $"seed {seed}: only {PartsSent} parts were sent");
        RequireEqual(cluster, client);
    }

    [Fact]
    public void Logs_are_compacted_in_memory_and_on_disk()
    {
        StoreCluster cluster = Start(1);
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 400; i++) cluster.Put(client, $"k{i % 7}", new string('x', 1000));
        cluster.RunFor(Seconds(2));
        foreach (NodeName node in cluster.Names)
        {
            NodeStatus status = cluster.Nodes[node].GetStatus();
            Assert.Equal(1, status.Snapshots);
            Assert.True(status.LogBytes <= 6 * (64 << 10), $"{node} keeps {status.LogBytes} bytes of log");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Many_groups_take_snapshots_before_their_logs_are_too_long_together(bool isOneDown)
    {
        const int NodeLogBytes = 64 << 10;
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Groups = 8,
            Replica = new ReplicaOptions { NodeLogBytes = NodeLogBytes },
        });
        if (isOneDown) cluster.CrashNode(cluster.Names[2]);
        KvClient client = cluster.CreateClient();
        string keys = string.Concat(Enumerable.Range(0x21, 94).Select(i => (char)i));
        for (int i = 0; i < 600; i++) cluster.Put(client, $"{keys[i % keys.Length]}k", new string('x', 1000));
        cluster.RunFor(Seconds(2));
        // For those that are down a little more is kept.
        int most = isOneDown ? 4 * NodeLogBytes : NodeLogBytes;
        Assert.All(cluster.Nodes.Values, node => Assert.InRange(node.Replicas.Sum(r => r.LogBytes), 1, most));
        Assert.All(cluster.Nodes.Values, node => Assert.InRange(node.GetStatus().Snapshots, 4, 8));
    }

    [Fact]
    public void A_follower_without_room_for_a_snapshot_says_so_and_waits_longer_after_every_try()
    {
        var (cluster, client, behind) = CutOff(1);
        var tries = new List<TimeSpan>();
        cluster.Disks[behind].Observed = operation =>
        {
            if (operation.Kind == DiskOperationKind.Create && operation.Path.Contains("snapshots"))
                tries.Add(cluster.Time.Now);
        };
        for (int i = 0; i < 3; i++)
            cluster.Disks[behind].FailNext(DiskOperationKind.Write, "snapshots", DiskFailure.Full);
        cluster.Network.Heal();
        cluster.RunUntil(() => tries.Count == 2, Seconds(30), "it was tried again");
        Assert.Contains("g1 cannot catch up by a snapshot", cluster.Nodes[behind].GetStatus().Problem);
        CatchUp(cluster, behind);
        Assert.True(tries[1] - tries[0] >= Seconds(1) && tries[2] - tries[1] >= Seconds(2)
            && tries[3] - tries[2] >= Seconds(4), string.Join(", ", tries));
        Assert.Null(cluster.Nodes[behind].GetStatus().Problem);
        RequireEqual(cluster, client);
    }

    [Fact]
    public void A_failed_flush_of_a_received_snapshot_is_final_for_the_replica()
    {
        var (cluster, _, behind) = CutOff(1);
        cluster.Disks[behind].FailNext(DiskOperationKind.Flush, "snapshots");
        cluster.Network.Heal();
        cluster.RunUntil(() => cluster.Nodes[behind].Find(new GroupId(1))!.Status.Role == "failed", Seconds(30),
            "the replica stopped");
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_receiver_that_restarts_in_the_middle_starts_again(ulong seed)
    {
        var (cluster, client, behind) = CutOff(seed);
        CountParts(cluster, behind);
        cluster.Network.Heal();
        int stopAfter = (int)seed * 2;
        cluster.RunUntil(() => PartsSent >= stopAfter, Seconds(30), "some parts were sent");
        cluster.CrashNode(behind);
        cluster.StartNode(behind);
        CatchUp(cluster, behind);
        RequireEqual(cluster, client);
    }

    [Fact]
    public void A_receiver_that_crashes_right_after_the_last_part_gets_the_snapshot_again()
    {
        var (cluster, client, behind) = CutOff(1);
        bool crashed = false;
        int parts = 0;
        // The acknowledgement of the last part leaves; what it stands for is not durable yet.
        cluster.Network.Filter = (from, _, frame) =>
        {
            if (from == behind && Find<SnapshotChunkReply>(frame) is { } reply && reply.NextOffsetBytes >= _totalBytes
                && _totalBytes > 0) crashed = true;
            if (Find<SnapshotChunk>(frame) is { } chunk)
            {
                _totalBytes = chunk.TotalBytes;
                parts++;
            }
            return true;
        };
        cluster.Network.Heal();
        cluster.Disks[behind].Latency = operation => operation.Kind == DiskOperationKind.Flush
            && operation.Path.StartsWith("log", StringComparison.Ordinal)
            ? new ValueTask(Task.Delay(TimeSpan.FromMilliseconds(50), cluster.Time)) : ValueTask.CompletedTask;
        cluster.RunUntil(() => crashed, Seconds(30), "the last part was acknowledged");
        cluster.RunFor(TimeSpan.FromMilliseconds(3));
        int before = parts;
        cluster.CrashNode(behind);
        cluster.Disks[behind].Latency = null;
        cluster.StartNode(behind);
        CatchUp(cluster, behind);
        Assert.True(parts > before, "the snapshot was not sent again: the test proved nothing");
        RequireEqual(cluster, client);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(15)]
    [InlineData(60)]
    public void A_transfer_interrupted_by_silence_goes_on_afterwards(int seconds)
    {
        var (cluster, client, behind) = CutOff(3);
        CountParts(cluster, behind);
        cluster.Network.Heal();
        cluster.RunUntil(() => PartsSent >= 5, Seconds(30), "some parts were sent");
        Term term = cluster.ReplicaOn(cluster.Leader()).Status.Term;
        cluster.Isolate(behind);
        cluster.RunFor(Seconds(seconds));
        cluster.Network.Heal();
        CatchUp(cluster, behind);
        Assert.Equal(term, cluster.ReplicaOn(cluster.Leader()).Status.Term);
        RequireEqual(cluster, client);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_new_leader_in_the_middle_sends_its_own_snapshot(ulong seed)
    {
        var (cluster, client, behind) = CutOff(seed);
        CountParts(cluster, behind);
        cluster.Network.Heal();
        int stopAfter = 3 + (int)seed;
        cluster.RunUntil(() => PartsSent >= stopAfter, Seconds(30), "some parts were sent");
        NodeName old = cluster.Leader();
        cluster.CrashNode(old);
        cluster.WaitForLeader(old, behind);
        int before = PartsSent;
        CatchUp(cluster, behind);
        Assert.True(PartsSent > before, $"seed {seed}: the new leader sent nothing");
        cluster.StartNode(old);
        RequireEqual(cluster, client);
    }

    [Fact]
    public void A_leader_that_compacts_on_while_it_sends_sends_another()
    {
        var (cluster, client, behind) = CutOff(4);
        CountParts(cluster, behind);
        cluster.Network.Heal();
        // While parts travel, the log grows by many times what a leader keeps.
        cluster.RunUntil(() => PartsSent >= 3, Seconds(30), "some parts were sent");
        cluster.Network.Filter = (_, to, frame) => to != behind || !LeadershipTests.Carries<SnapshotChunk>(frame);
        for (int i = 0; i < 300; i++) cluster.Put(client, $"more{i % 20}", new string((char)('a' + i % 20), 500));
        CountParts(cluster, behind);
        CatchUp(cluster, behind);
        RequireEqual(cluster, client);
    }

    [Fact]
    public void A_part_of_another_snapshot_in_the_turn_in_which_one_is_whole_does_no_harm()
    {
        var (cluster, client, behind) = CutOff(5);
        Replica receiver = cluster.ReplicaOn(behind);
        ReplicaId leader = cluster.ReplicaOn(cluster.Leader()).Id;
        Term term = cluster.ReplicaOn(cluster.Leader()).Status.Term;
        _totalBytes = 0;
        long next = 0;
        cluster.Network.Observed = (_, to, frame) =>
        {
            if (to != behind || Find<SnapshotChunk>(frame) is not { } chunk) return;
            next = chunk.OffsetBytes + chunk.Data.Length;
            _totalBytes = chunk.TotalBytes;
        };
        cluster.Network.Heal();
        cluster.RunUntil(() => _totalBytes > 0 && next == _totalBytes, Seconds(30), "the last part is there");
        // Whatever order the parts of the turn come in.
        for (int i = 0; i < 20; i++)
        {
            receiver.Deliver(leader,
                new SnapshotChunk(term, new EntryId(term, new LogIndex(1_000_000)), 0, 10_000, 0, new byte[10]));
            cluster.Scheduler.RunOne();
        }
        CatchUp(cluster, behind);
        RequireEqual(cluster, client);
    }

    [Fact]
    public void A_damaged_part_is_found_out_and_the_snapshot_sent_again()
    {
        var (cluster, client, behind) = CutOff(6);
        Replica receiver = cluster.ReplicaOn(behind);
        LogIndex applied = receiver.Status.Applied;
        int damaged = 0;
        // The frame's own checksum would catch it on the way: this is damage at the sender.
        cluster.Network.Filter = (_, to, frame) =>
        {
            if (to != behind || damaged > 0 || Find<SnapshotChunk>(frame) is not { OffsetBytes: > 0 } chunk)
                return true;
            damaged++;
            byte[] data = chunk.Data.ToArray();
            data[^1] ^= 0x40;
            receiver.Deliver(cluster.ReplicaOn(cluster.Leader()).Id, chunk with { Data = data });
            return false;
        };
        cluster.Network.Heal();
        CatchUp(cluster, behind);
        Assert.Equal(1, damaged);
        Assert.True(receiver.Status.Applied > applied);
        RequireEqual(cluster, client);
    }

    [Fact]
    public void An_older_snapshot_never_replaces_newer_state()
    {
        StoreCluster cluster = Start(7);
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 50; i++) cluster.Put(client, $"k{i}", new string('x', 100));
        cluster.WaitForEqualReplicas();
        NodeName node = cluster.Followers()[0];
        Replica follower = cluster.ReplicaOn(node);
        ReplicaStatus before = follower.Status;
        Term term = before.Term;
        ReplicaId leader = cluster.ReplicaOn(cluster.Leader()).Id;
        follower.Deliver(leader, new SnapshotChunk(term, new EntryId(term, new LogIndex(before.Applied.Value - 10)), 0,
            100, 0, new byte[100]));
        cluster.RunFor(Seconds(1));
        Assert.Null(follower.StopReason);
        Assert.True(follower.Status.Applied >= before.Applied);
        RequireEqual(cluster, client);
    }

    [Fact]
    public void A_replica_opened_again_in_the_middle_of_sending_leaves_no_file_open()
    {
        var (cluster, client, behind) = CutOff(8);
        CountParts(cluster, behind);
        NodeName leader = cluster.Leader();
        // Reading takes its time, so that it is under way when the replica is opened again.
        cluster.Disks[leader].Latency = operation => operation.Kind == DiskOperationKind.Read
            && operation.Path.StartsWith("snapshots", StringComparison.Ordinal)
            ? new ValueTask(Task.Delay(TimeSpan.FromMilliseconds(20), cluster.Time)) : ValueTask.CompletedTask;
        cluster.Network.Heal();
        cluster.RunUntil(() => PartsSent >= 3, Seconds(30), "some parts were sent");
        cluster.Reopen(leader);
        cluster.Disks[leader].Latency = null;
        for (int i = 0; i < 100; i++) cluster.Put(client, $"more{i % 20}", new string('y', 500));
        CatchUp(cluster, behind);
        RequireEqual(cluster, client);
        cluster.RunFor(Seconds(2));
        // A file that somebody holds open stays when a newer snapshot replaces it.
        Assert.Single(cluster.Disks[leader].Files, file => file.StartsWith("snapshots", StringComparison.Ordinal));
    }

    private long _totalBytes;

    private int PartsSent { get; set; }

    private static StoreCluster Start(ulong seed) => StoreCluster.Start(new StoreClusterOptions
    {
        Seed = seed,
        RandomOrder = true,
        LogSegmentBytes = 64 << 10,
        Replica = new ReplicaOptions { SnapshotLogBytes = 2048, SnapshotChunkBytes = ChunkBytes },
        Client = new KvClientOptions { Timeout = Seconds(20) },
    });

    /// <summary>A cluster with some 20 KB of state, of which one follower has seen nothing and can learn nothing but by
    /// a snapshot.</summary>
    private static (StoreCluster Cluster, KvClient Client, NodeName Behind) CutOff(ulong seed)
    {
        StoreCluster cluster = Start(seed);
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "before");
        NodeName behind = cluster.Followers()[0];
        cluster.Isolate(behind);
        for (int i = 0; i < 150; i++) cluster.Put(client, $"k{i % 30}", new string((char)('a' + i % 20), 700));
        return (cluster, client, behind);
    }

    private void CountParts(StoreCluster cluster, NodeName to)
    {
        PartsSent = 0;
        cluster.Network.Filter = (_, receiver, frame) =>
        {
            if (receiver == to && LeadershipTests.Carries<SnapshotChunk>(frame)) PartsSent++;
            return true;
        };
    }

    internal static T? Find<T>(ReadOnlyMemory<byte> frame) where T : RaftMessage
    {
        if (FrameReader.TryOpen(frame.Span, out _, out FrameReader reader) != FrameStatus.Ok) return null;
        while (reader.TryReadNext(out _, out RaftMessage? message, out _))
            if (message is T found) return found;
        return null;
    }

    private static void CatchUp(StoreCluster cluster, NodeName behind) => cluster.RunUntil(
        () => cluster.LeaderOf(First) is { } leader && cluster.Nodes.TryGetValue(behind, out StoreNode? node)
        && node.Formed.IsCompletedSuccessfully
            && node.Find(First)?.Status.Applied is { } applied && applied == cluster.ReplicaOn(leader).Status.Commit,
        Seconds(60), $"{behind} has caught up");

    private static void RequireEqual(StoreCluster cluster, KvClient client)
    {
        cluster.Network.Faults = new NetworkFaults();
        cluster.RunUntil(() => cluster.Names.All(n => cluster.Nodes.TryGetValue(n, out StoreNode? node)
            && node.Formed.IsCompletedSuccessfully && node.Find(First) is not null),
            Seconds(30), "all nodes are up");
        cluster.Put(client, "last", "one");
        cluster.WaitForEqualReplicas();
        StateDigest?[] digests = [.. cluster.Names.Select(n => cluster.Run(() => cluster.ReplicaOn(n).DigestAsync()))];
        Assert.All(digests, digest => Assert.NotNull(digest));
        Assert.Single(digests.Select(digest => digest!.Value.Checksum).Distinct());
        Assert.All(cluster.Names, n => Assert.Null(cluster.ReplicaOn(n).StopReason));
    }
}
