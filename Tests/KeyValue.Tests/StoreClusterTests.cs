using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests;

/// <summary>What the simulated cluster does to its nodes: a fault that does not happen would prove nothing.</summary>
public class StoreClusterTests
{
    [Fact]
    public void A_paused_leader_does_nothing_and_makes_way_and_learns_of_it_when_it_goes_on()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "before");
        NodeName paused = cluster.Leader();
        Replica replica = cluster.ReplicaOn(paused);
        cluster.RunFor(Seconds(1));
        int sent = 0;
        cluster.Network.Sent = (from, _, _) => sent += from == paused ? 1 : 0;
        cluster.Pause(paused);
        Assert.True(cluster.IsPaused(paused));
        ReplicaStatus status = replica.Status;
        long operations = cluster.Disks[paused].Operations;
        long dropped = cluster.Network.Dropped;

        // The client tries the paused leader first.
        TimeSpan asked = cluster.Time.Now;
        cluster.Put(client, "k", "after");
        Assert.True(cluster.Time.Now - asked > Seconds(0.5), "an attempt at the paused node took no time");
        cluster.RunFor(Seconds(5));
        Assert.Equal(0, sent);
        Assert.Equal(status, replica.Status);
        Assert.Equal(operations, cluster.Disks[paused].Operations);
        Assert.NotEqual(paused, cluster.Leader());
        Assert.Equal(dropped, cluster.Network.Dropped);
        long delivered = cluster.Network.Delivered;

        cluster.Resume(paused);
        cluster.Scheduler.RunUntilIdle();
        Assert.True(cluster.Network.Delivered - delivered > 50, "the frames that waited were not delivered");
        cluster.WaitForEqualReplicas();
        Assert.Equal("after", cluster.Get(client, "k"));
        Assert.True(sent > 0);
    }

    [Fact]
    public void A_paused_node_answers_nobody_not_even_that_it_is_busy()
    {
        StoreCluster cluster = StoreCluster.Start(
            new StoreClusterOptions { Replica = new ReplicaOptions { MaxPendingRequests = 1 } });
        // Whoever calls next begins with the leader: they share their guess with this client.
        cluster.Put(new KvClient(cluster, cluster.Time, cluster.Scheduler, new KvClientOptions(), seed: 1), "k", "v");
        cluster.Pause(cluster.Leader());
        Running<GroupReply>[] attempts = [.. Enumerable.Range(0, 3)
            .Select(_ => cluster.Begin(() => cluster.ExecuteAsync(First, ReadOf("k"))))];
        cluster.RunFor(Seconds(0.49));
        Assert.All(attempts, attempt => Assert.False(attempt.HasEnded));
        cluster.RunFor(Seconds(0.02));
        Assert.All(attempts, attempt => Assert.Equal(GroupReplyStatus.Unknown, attempt.Result.Status));
    }

    [Fact]
    public void Frames_for_a_paused_node_wait_up_to_a_bound_and_the_rest_is_lost()
    {
        StoreCluster cluster = StoreCluster.Start();
        NodeName paused = cluster.Followers()[0];
        WaitUntilNothingIsUnderWay(cluster);
        cluster.Pause(paused);
        long sent = 0, delivered = 0;
        long dropped = cluster.Network.Dropped;
        cluster.Network.Sent = (_, to, _) => sent += to == paused ? 1 : 0;
        cluster.Network.Observed = (_, to, _) => delivered += to == paused ? 1 : 0;
        cluster.RunFor(Seconds(120));
        // Those of the last millisecond are still under way.
        Assert.InRange(sent - SimulatedNetwork.MaxWaitingFrames - (cluster.Network.Dropped - dropped), 0, 2);
        Assert.True(cluster.Network.Dropped > dropped, "fewer frames came than may wait");
        Assert.Equal(0, delivered);
        cluster.Resume(paused);
        cluster.Scheduler.RunUntilIdle();
        Assert.Equal(SimulatedNetwork.MaxWaitingFrames, delivered);
        cluster.WaitForEqualReplicas();
    }

    [Fact]
    public void A_paused_node_can_crash_and_start_again()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        NodeName node = cluster.Leader();
        Replica older = cluster.ReplicaOn(node);
        cluster.Pause(node);
        Running<GroupReply> request = cluster.Begin(() => older.ExecuteAsync(ReadOf("k")));
        cluster.RunFor(Seconds(1));
        cluster.CrashNode(node);
        Assert.False(cluster.IsPaused(node));
        cluster.Resume(node);
        cluster.RunFor(Seconds(5));
        Assert.False(request.HasEnded);
        Assert.False(cluster.Nodes.ContainsKey(node));
        Assert.Null(older.StopReason);
        cluster.StartNode(node);
        cluster.RunUntil(() => cluster.Nodes.ContainsKey(node) && cluster.Nodes[node].Find(First) is not null,
            Seconds(5), "the node is up");
        cluster.Put(client, "k", "v");
        cluster.WaitForEqualReplicas();
    }

    [Fact]
    public void A_node_can_crash_while_it_starts()
    {
        StoreCluster cluster = StoreCluster.Start();
        NodeName node = cluster.Followers()[0];
        cluster.CrashNode(node);
        cluster.Disks[node].Latency = _ => new ValueTask(Task.Delay(Seconds(1), cluster.Time));
        cluster.StartNode(node);
        cluster.RunFor(Seconds(0.5));
        Assert.False(cluster.Nodes.ContainsKey(node));
        cluster.CrashNode(node);
        cluster.RunFor(Seconds(60));
        Assert.False(cluster.Nodes.ContainsKey(node));
        cluster.Disks[node].Latency = null;
        cluster.StartNode(node);
        cluster.RunUntil(() => cluster.Nodes.ContainsKey(node) && cluster.Nodes[node].Find(First) is not null,
            Seconds(5), "the node is up");
        cluster.WaitForEqualReplicas();
        Assert.Empty(cluster.StartFailure);
    }

    private static readonly StoreClusterOptions NeverSilent =
        new() { Replica = new ReplicaOptions { SilenceAfter = null } };

    [Fact]
    public void Nodes_go_by_their_own_clocks_also_after_a_crash()
    {
        StoreCluster cluster = StoreCluster.Start(NeverSilent);
        cluster.Put(cluster.CreateClient(), "k", "v");
        NodeName fast = cluster.Followers()[0];
        NodeName leader = cluster.Leader();
        cluster.RunFor(Seconds(1));
        // Two minutes pass for it at once: it wants to know what became of its leader.
        int asked = 0;
        cluster.Network.Sent = (from, _, frame) =>
            asked += from == fast && Replication.LeadershipTests.Carries<PreVote>(frame) ? 1 : 0;
        cluster.RunFor(Seconds(5));
        Assert.Equal(0, asked);
        cluster.ClockOf(fast).Jump(Seconds(120));
        cluster.RunFor(Seconds(0.03));
        Assert.True(asked > 0, "the clock's jump was not noticed");
        Assert.Equal(leader, cluster.Leader());

        TimeSpan ahead = cluster.ClockOf(fast).GetUtcNow() - cluster.Time.GetUtcNow();
        Assert.Equal(Seconds(120), ahead);
        cluster.CrashNode(fast);
        cluster.StartNode(fast);
        cluster.RunFor(Seconds(1));
        Assert.Equal(ahead, cluster.ClockOf(fast).GetUtcNow() - cluster.Time.GetUtcNow());
        cluster.WaitForEqualReplicas();
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(2)]
    public void A_node_ticks_by_its_own_clock(double rate)
    {
        StoreCluster cluster = StoreCluster.Start(NeverSilent);
        NodeName leader = cluster.Leader();
        int beats = 0;
        cluster.Network.Sent = (from, _, _) => beats += from == leader ? 1 : 0;
        cluster.RunFor(Seconds(2));
        int before = beats;
        cluster.ClockOf(leader).Rate = rate;
        cluster.RunFor(Seconds(2));
        Assert.InRange((beats - before) / (double)before, rate * 0.9, rate * 1.1);
    }

    [Fact]
    public void A_cut_is_of_one_direction_and_can_be_mended()
    {
        StoreCluster cluster = StoreCluster.Start();
        NodeName leader = cluster.Leader();
        NodeName follower = cluster.Followers()[0];
        var delivered = new SortedSet<string>();
        cluster.Network.Observed = (from, to, _) => delivered.Add($"{from} {to}");
        cluster.Network.Cut(follower, leader);
        cluster.RunFor(Seconds(0.1));
        delivered.Clear();
        cluster.RunFor(Seconds(1));
        Assert.DoesNotContain($"{follower} {leader}", delivered);
        Assert.Contains($"{leader} {follower}", delivered);
        cluster.Network.Mend(follower, leader);
        cluster.RunFor(Seconds(1));
        Assert.Contains($"{follower} {leader}", delivered);
    }

    [Fact]
    public void A_slow_link_delays_its_frames_and_no_others()
    {
        StoreCluster cluster = StoreCluster.Start();
        NodeName leader = cluster.Leader();
        NodeName[] followers = cluster.Followers();
        cluster.Network.Slow(leader, followers[0], TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(40));
        Assert.InRange(Delay(followers[0]), TimeSpan.FromMilliseconds(21), TimeSpan.FromMilliseconds(41));
        Assert.Equal(TimeSpan.FromMilliseconds(1), Delay(followers[1]));
        cluster.Network.Unslow(leader, followers[0]);
        Assert.Equal(TimeSpan.FromMilliseconds(1), Delay(followers[0]));

        TimeSpan Delay(NodeName to)
        {
            cluster.RunFor(Seconds(0.1));
            byte[]? first = null;
            TimeSpan sent = default, arrived = default;
            cluster.Network.Sent = (from, receiver, frame) =>
            {
                if (first is not null || from != leader || receiver != to) return;
                first = frame.ToArray();
                sent = cluster.Time.Now;
            };
            cluster.Network.Observed = (_, receiver, frame) =>
            {
                if (arrived == default && receiver == to && first is not null && frame.Span.SequenceEqual(first))
                    arrived = cluster.Time.Now;
            };
            cluster.RunUntil(() => arrived != default, Seconds(1), "a frame arrived");
            return arrived - sent;
        }
    }

    [Fact]
    public void Every_frame_sent_is_delivered_lost_or_under_way()
    {
        StoreCluster cluster = StoreCluster.Start();
        WaitUntilNothingIsUnderWay(cluster);
        long sent = 0;
        long delivered = cluster.Network.Delivered, dropped = cluster.Network.Dropped;
        cluster.Network.Sent = (_, _, _) => sent++;
        cluster.Network.Faults = new NetworkFaults
        {
            Loss = 0.2, Duplication = 0.2, LongTail = 0.2, LongTailMost = Seconds(0.5),
        };
        cluster.RunFor(Seconds(20));
        WaitUntilNothingIsUnderWay(cluster);
        Assert.True(sent > 500);
        Assert.Equal(sent + cluster.Network.Duplicated,
            cluster.Network.Delivered - delivered + cluster.Network.Dropped - dropped);
        Assert.InRange(cluster.Network.Duplicated, sent / 10, sent / 4);
        Assert.InRange(cluster.Network.Delayed, sent / 10, sent / 3);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_second_instance_is_opened_beside_the_first_which_only_its_fencing_stops(bool isLeader)
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "before");
        NodeName node = isLeader ? cluster.Leader() : cluster.Followers()[0];
        Replica first = cluster.ReplicaOn(node);
        // Opening takes a while: its record is not durable yet, but the older instance is fenced.
        cluster.Disks[node].SlowDown(cluster.Time, Seconds(0.2), Seconds(0.2));
        Running<(Replica Old, Replica New)> opening =
            cluster.Begin(() => cluster.OpenSecondInstanceAsync(node, First));
        cluster.RunFor(Seconds(0.1));
        Assert.Same(first, cluster.ReplicaOn(node));
        Assert.Contains("another instance", first.StopReason);
        cluster.RunUntil(() => opening.HasEnded, Seconds(2), "the second instance is open");
        (Replica older, Replica younger) = opening.Result;
        Assert.Same(first, older);
        Assert.Same(younger, cluster.ReplicaOn(node));
        Assert.True(younger.Incarnation > older.Incarnation);
        cluster.Put(client, "k", "after");
        cluster.WaitForEqualReplicas();
    }

    [Fact]
    public void While_two_instances_are_open_both_are_ticked_and_given_every_frame()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "v");
        NodeName node = cluster.Followers()[0];
        Replica older = cluster.ReplicaOn(node);
        NodeLife life = cluster.LifeOf(node);
        Replica younger = cluster.Run(() => Replica.OpenAsync(cluster.Nodes[node],
            cluster.Nodes[node].FindOwn(First)!, life.Lane));
        life.SecondInstances.Add(younger);
        cluster.RunFor(Seconds(5));
        // Given no frames it would not know the leader; given no ticks the older would not have noticed its fence.
        Assert.Equal(cluster.Leader(), younger.Leader);
        Assert.Equal(cluster.ReplicaOn(cluster.Leader()).Status.Commit, younger.Status.Commit);
        Assert.NotNull(older.StopReason);
        // Alone it is ticked too: it misses its leader.
        cluster.Isolate(node);
        cluster.RunFor(Seconds(5));
        Assert.Equal("pre-candidate", younger.Status.Role);
    }

    private static void WaitUntilNothingIsUnderWay(StoreCluster cluster)
    {
        cluster.Network.Filter = (_, _, _) => false;
        cluster.RunFor(Seconds(0.6));
        cluster.Network.Filter = null;
    }
}
