using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Replication;

/// <summary>Writes and reads while leaders come and go.</summary>
public class LeadershipTests
{
    [Fact]
    public void A_leader_that_steps_down_answers_pending_writes_Unknown_and_one_may_have_been_applied_or_not()
    {
        StoreCluster cluster = StoreCluster.Start();
        NodeName old = cluster.Leader();
        Replica leader = cluster.ReplicaOn(old);
        SessionId session = cluster.OpenSession(leader, 60_000);
        cluster.Isolate(old);
        Running<GroupReply> write = cluster.Begin(() => leader.ExecuteAsync(PutOf(session, 1, "k", "lost")));
        cluster.RunUntil(() => leader.Status.Role != "leader", Seconds(5), "the isolated leader stepped down");
        Assert.True(write.HasEnded);
        Assert.Equal(GroupReplyStatus.Unknown, write.Result.Status);
        cluster.WaitForLeader(old);
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "other", "1");
        cluster.Network.Heal();
        cluster.WaitForEqualReplicas();
        // Another leader's entries took its place; the same write, sent again, is applied once.
        Assert.Null(cluster.Get(client, "k"));
        Assert.Equal(AnswerStatus.Ok,
            cluster.Execute(cluster.ReplicaOn(cluster.Leader()), PutOf(session, 1, "k", "again")).Only().Status);
        Assert.Equal("again", cluster.Get(client, "k"));
    }

    [Fact]
    public void A_follower_refuses_writes_and_names_the_leader()
    {
        StoreCluster cluster = StoreCluster.Start();
        NodeName leader = cluster.Leader();
        cluster.RunFor(Seconds(1));
        foreach (NodeName node in cluster.Followers())
        {
            GroupReply reply = cluster.Execute(cluster.ReplicaOn(node), Unsessioned(Operation.OpenSession(1000)));
            Assert.Equal(GroupReplyStatus.NotLeader, reply.Status);
            Assert.Equal(leader, reply.LeaderHint);
        }
    }

    [Theory]
    [InlineData(RequestKind.LinearizableRead)]
    [InlineData(RequestKind.LeaseRead)]
    public void A_follower_asks_the_leader_before_it_serves_a_linearizable_read(RequestKind kind)
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "old");
        cluster.RunFor(Seconds(1));
        NodeName behind = cluster.Followers()[0];
        NodeName leader = cluster.Leader();
        // It hears neither entries nor that they are committed, only what it asks for.
        cluster.Network.Filter = (from, to, frame) => to != behind || from != leader || !Carries<AppendEntries>(frame);
        cluster.Put(client, "k", "new");
        Assert.Equal("old", cluster.Execute(cluster.ReplicaOn(behind), ReadOf("k", RequestKind.StaleRead)).ValueText());
        Running<GroupReply> read = cluster.Begin(() => cluster.ReplicaOn(behind).ExecuteAsync(ReadOf("k", kind)));
        cluster.RunFor(TimeSpan.FromMilliseconds(200));
        Assert.False(read.HasEnded);
        cluster.Network.Filter = null;
        cluster.RunUntil(() => read.HasEnded, Seconds(5), "the read ended");
        Assert.Equal("new", read.Result.ValueText());
    }

    [Fact]
    public void A_follower_without_a_leader_serves_stale_reads_only()
    {
        StoreCluster cluster = StoreCluster.Start();
        cluster.Put(cluster.CreateClient(), "k", "v");
        cluster.RunFor(Seconds(1));
        NodeName alone = cluster.Followers()[0];
        foreach (NodeName node in cluster.Names.Where(n => n != alone)) cluster.CrashNode(node);
        cluster.RunFor(Seconds(3));
        Replica replica = cluster.ReplicaOn(alone);
        Assert.Equal("v", cluster.Execute(replica, ReadOf("k", RequestKind.StaleRead)).ValueText());
        Assert.Equal(GroupReplyStatus.NotLeader, cluster.Execute(replica, ReadOf("k")).Status);
        Assert.Equal(GroupReplyStatus.NotLeader, cluster.Execute(replica, ReadOf("k", RequestKind.LeaseRead)).Status);
    }

    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 10).Select(seed => (ulong)seed)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void An_isolated_leader_never_serves_what_a_newer_one_has_overwritten(ulong seed)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Seed = seed, RandomOrder = true });
        KvClient client = cluster.CreateClient(new KvClientOptions { Timeout = Seconds(20) });
        cluster.Put(client, "k", "old");
        cluster.RunFor(Seconds(1));
        NodeName node = cluster.Leader();
        Replica old = cluster.ReplicaOn(node);
        cluster.Isolate(node);
        Running<bool> write = cluster.Begin(async () =>
        {
            await client.PutAsync(Bytes.Of("k"), Bytes.Of("new"));
            return true;
        });
        int served = 0;
        var reads = new List<(Running<GroupReply> Read, bool AfterWrite)>();
        for (int i = 0; i < 400; i++)
        {
            reads.Add((cluster.Begin(() => old.ExecuteAsync(ReadOf("k", RequestKind.LeaseRead))), write.HasEnded));
            reads.Add((cluster.Begin(() => old.ExecuteAsync(ReadOf("k"))), write.HasEnded));
            cluster.RunFor(TimeSpan.FromMilliseconds(5));
        }
        cluster.RunUntil(() => write.HasEnded, Seconds(20), "the write ended");
        foreach ((Running<GroupReply> read, bool afterWrite) in reads)
        {
            if (!read.HasEnded || read.Result.Status != GroupReplyStatus.Answered) continue;
            served++;
            Assert.False(afterWrite, $"seed {seed}: a stale read was served");
        }
        // Under its lease it did serve, for a while.
        Assert.True(served > 0, $"seed {seed}: no read was served at all");
        Assert.True(reads.Count(r => r.AfterWrite) > 20, $"seed {seed}: too few reads came after the write");
    }

    [Fact]
    public void Leadership_is_handed_to_the_replica_that_is_asked_for()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "v");
        NodeName before = cluster.Leader();
        NodeName target = cluster.Followers()[1];
        Term term = cluster.ReplicaOn(before).Status.Term;

        TransferStatus status = cluster.Run(() => cluster.TransferLeadershipAsync(First, target));

        Assert.Equal(TransferStatus.Started, status);
        cluster.RunUntil(() => cluster.LeaderOf(First) == target, TimeSpan.FromMilliseconds(50), "the target leads");
        Assert.Equal(term.Next(), cluster.ReplicaOn(target).Status.Term);
        Assert.Equal("v", cluster.Get(client, "k"));
        cluster.Put(client, "k", "w");
        cluster.WaitForEqualReplicas();
    }

    [Fact]
    public void A_transfer_that_cannot_be_is_refused_and_changes_nothing()
    {
        StoreCluster cluster = StoreCluster.Start();
        NodeName leader = cluster.Leader();
        NodeName follower = cluster.Followers()[0];
        Term term = cluster.ReplicaOn(leader).Status.Term;
        TransferStatus Transfer(NodeName asked, NodeName target)
        {
            Replica replica = cluster.ReplicaOn(asked);
            return cluster.Run(() => replica.TransferLeadershipAsync(target));
        }

        Assert.Equal(TransferStatus.NotLeader, Transfer(follower, follower));
        Assert.Equal(TransferStatus.UnknownTarget, Transfer(leader, new NodeName("node-9")));
        Assert.Equal(TransferStatus.LeadsAlready, Transfer(leader, leader));
        cluster.RunFor(Seconds(2));
        Assert.Equal(leader, cluster.Leader());
        Assert.Equal(term, cluster.ReplicaOn(leader).Status.Term);

        Replica stopped = cluster.ReplicaOn(leader);
        cluster.Run(() => cluster.OpenSecondInstanceAsync(leader, First));
        Assert.Equal(TransferStatus.Unavailable, cluster.Run(() => stopped.TransferLeadershipAsync(follower)));
    }

    [Fact]
    public void A_transfer_to_a_node_that_is_down_ends_after_an_election_timeout_and_writes_go_on()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "v");
        NodeName leader = cluster.Leader();
        NodeName down = cluster.Followers()[0];
        cluster.CrashNode(down);

        Assert.Equal(TransferStatus.Started, cluster.Run(() => cluster.TransferLeadershipAsync(First, down)));
        GroupReply refused = cluster.Execute(cluster.ReplicaOn(leader), Unsessioned(Operation.OpenSession(1000)));
        Assert.Equal(GroupReplyStatus.Busy, refused.Status);
        cluster.RunFor(new ReplicaOptions().ElectionTimeout + Seconds(0.05));

        Assert.Equal(leader, cluster.Leader());
        cluster.Put(client, "k", "w");
        Assert.Equal("w", cluster.Get(client, "k"));
    }

    internal static bool Carries<T>(ReadOnlyMemory<byte> frame) where T : RaftMessage
    {
        if (FrameReader.TryOpen(frame.Span, out _, out FrameReader reader) != FrameStatus.Ok) return false;
        while (reader.TryReadNext(out _, out RaftMessage? message, out _))
            if (message is T) return true;
        return false;
    }
}
