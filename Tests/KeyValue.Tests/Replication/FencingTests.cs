using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Replication;

/// <summary>A replica that was opened again: the older instance is powerless, the younger one knows all it
/// promised.</summary>
public class FencingTests
{
    [Fact]
    public void Opening_a_replica_again_stops_the_older_and_answers_all_who_wait_for_it()
    {
        StoreCluster cluster = StoreCluster.Start();
        NodeName node = cluster.Leader();
        Replica older = cluster.ReplicaOn(node);
        SessionId session = cluster.OpenSession(older, 60_000);
        cluster.Isolate(node);
        Running<GroupReply> write = cluster.Begin(() => older.ExecuteAsync(PutOf(session, 1, "k", "v")));
        Running<GroupReply> read = cluster.Begin(() => older.ExecuteAsync(ReadOf("k")));
        cluster.RunFor(TimeSpan.FromMilliseconds(1));
        Assert.False(write.HasEnded || read.HasEnded);

        Replica younger = cluster.Reopen(node);
        cluster.RunFor(TimeSpan.FromMilliseconds(1));

        Assert.Equal(GroupReplyStatus.Unknown, write.Result.Status);
        Assert.Equal(GroupReplyStatus.Unavailable, read.Result.Status);
        Assert.Contains("another instance", older.StopReason);
        Assert.Equal("stopped", older.Status.Role);
        Assert.Same(younger, cluster.Nodes[node].Find(First));
        Assert.True(younger.Incarnation > older.Incarnation);
        Assert.Equal(GroupReplyStatus.Unavailable, cluster.Execute(older, ReadOf("k", RequestKind.StaleRead)).Status);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_fenced_replica_sends_writes_and_serves_nothing_whatever_it_is_given(bool isLeader)
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "v");
        NodeName node = isLeader ? cluster.Leader() : cluster.Followers()[0];
        NodeName other = cluster.Names.First(n => n != node && n != cluster.Leader());
        Replica fenced = cluster.ReplicaOn(node);
        ReplicaId from = cluster.ReplicaOn(other).Id;
        Term term = fenced.Status.Term;
        cluster.FenceOnly(node);
        int frames = 0;
        cluster.Network.Filter = (sender, _, frame) =>
        {
            if (sender == node && !LivenessFrame.IsLivenessFrame(frame.Span)) frames++;
            return true;
        };
        long operations = cluster.Disks[node].Operations;
        var entry = new LogEntry(term.Next(), fenced.Status.Commit.Next(), EntryKind.NoOp, default);

        fenced.Tick();
        fenced.Deliver(from, new Heartbeat(term.Next(), LogIndex.Zero, 1));
        fenced.Deliver(from,
            new AppendEntries(term.Next(), new EntryId(term, fenced.Status.Commit), new[] { entry }, LogIndex.Zero));
        fenced.Deliver(from, new RequestVote(new Term(term.Value + 2),
            new EntryId(new Term(term.Value + 1), new LogIndex(1000)), IsLeadershipTransfer: true));
        fenced.Deliver(from, new SnapshotChunk(term, new EntryId(term, new LogIndex(2000)), 5, 10, 0, new byte[5]));
        Running<GroupReply>[] replies = [.. new[]
        {
            ReadOf("k"), ReadOf("k", RequestKind.LeaseRead), Unsessioned(Operation.OpenSession(1000)),
        }.Select(request => cluster.Begin(() => fenced.ExecuteAsync(request)))];
        cluster.RunFor(Seconds(5));

        Assert.All(replies, reply => Assert.NotEqual(GroupReplyStatus.Answered, reply.Result.Status));
        Assert.Equal(0, frames);
        Assert.Equal(operations, cluster.Disks[node].Operations);
        Assert.NotNull(fenced.StopReason);
    }

    [Fact]
    public void A_leader_fenced_in_the_middle_of_a_read_round_answers_nothing()
    {
        StoreCluster cluster = StoreCluster.Start();
        cluster.Put(cluster.CreateClient(), "k", "v");
        NodeName node = cluster.Leader();
        Replica leader = cluster.ReplicaOn(node);
        cluster.RunFor(Seconds(1));
        cluster.Network.Faults =
            new NetworkFaults { Delay = (TimeSpan.FromMilliseconds(30), TimeSpan.FromMilliseconds(30)) };
        Running<GroupReply> read = cluster.Begin(() => leader.ExecuteAsync(ReadOf("k")));
        // The round is at the followers; their answers are not back yet.
        cluster.RunFor(TimeSpan.FromMilliseconds(40));
        Assert.False(read.HasEnded);

        cluster.FenceOnly(node);
        cluster.RunFor(Seconds(2));

        Assert.Equal(GroupReplyStatus.Unavailable, read.Result.Status);
    }

    [Fact]
    public void A_fenced_leader_has_no_lease_although_its_followers_still_keep_it()
    {
        StoreCluster cluster = StoreCluster.Start();
        cluster.Put(cluster.CreateClient(), "k", "v");
        cluster.RunFor(Seconds(1));
        NodeName node = cluster.Leader();
        Replica leader = cluster.ReplicaOn(node);
        // No round can end: what is answered now is answered under the lease.
        cluster.Isolate(node);
        Running<GroupReply> before = cluster.Begin(() => leader.ExecuteAsync(ReadOf("k", RequestKind.LeaseRead)));
        cluster.RunFor(TimeSpan.FromMilliseconds(1));
        Assert.Equal("v", before.Result.ValueText());

        cluster.FenceOnly(node);

        Assert.Equal(GroupReplyStatus.Unavailable, cluster.Execute(leader, ReadOf("k", RequestKind.LeaseRead)).Status);
    }

    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 10).Select(seed => (ulong)seed)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Younger_instances_hold_all_that_was_acknowledged(ulong seed)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Seed = seed, RandomOrder = true,
                Replica = new ReplicaOptions { SnapshotLogBytes = 1024, SnapshotChunkBytes = 1024 },
        });
        var random = new Random((int)seed);
        KvClient client = cluster.CreateClient();
        var expected = "";
        for (int i = 0; i < 15; i++)
        {
            string suffix = $"{i},";
            Running<bool> append = cluster.Begin(async () =>
            {
                await client.AppendAsync(Bytes.Of("k"), Bytes.Of(suffix));
                return true;
            });
            // In the middle of it, a majority is opened again.
            for (int steps = random.Next(40); steps > 0; steps--) cluster.Scheduler.RunOne();
            foreach (NodeName node in cluster.Names.OrderBy(_ => random.Next()).Take(2).ToArray()) cluster.Reopen(node);
            cluster.RunUntil(() => append.HasEnded, Seconds(30), "the append ended");
            Assert.True(append.Result);
            expected += suffix;
        }
        Assert.Equal(expected, cluster.Get(client, "k"));
        cluster.WaitForEqualReplicas();
        Assert.All(cluster.Names, node => Assert.True(cluster.ReplicaOn(node).Incarnation > 1));
    }
}
