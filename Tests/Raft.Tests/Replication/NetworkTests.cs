namespace Orleans.Raft.Core.Tests;

/// <summary>Loss, repetition and reordering on the way between a leader and its followers.</summary>
[Trait("Raft", "§5.3")]
public sealed class NetworkTests
{
    [Fact]
    public void Lost_appends_are_sent_again_and_the_window_opens()
    {
        var cluster = new Cluster(3, change: options => options with { MaxInFlightAppends = 4 });
        cluster.Elect(1);
        cluster.Lose = (_, to, message) => message is AppendEntries && to == R(2);
        for (int i = 0; i < 10; i++) cluster.Propose("x");
        cluster.DeliverAll();
        Assert.Equal(4, cluster[1].Node.GetProgress(R(2))!.Value.InFlightAppends);
        cluster.Lose = (_, _, _) => false;
        cluster.Run(2 * HeartbeatInterval);
        cluster.AssertLogsAgree();
        Assert.Equal(0, cluster[1].Node.GetProgress(R(2))!.Value.InFlightAppends);
    }

    [Fact]
    public void Lost_last_append_is_noticed_without_further_proposals()
    {
        var cluster = new Cluster(3).Elect(1);
        cluster.Lose = (_, _, message) => message is AppendEntries;
        EntryId id = cluster.Propose("x");
        cluster.DeliverAll();
        cluster.Lose = (_, _, _) => false;
        cluster.Run(2 * HeartbeatInterval);
        Assert.Equal(id.Index, cluster[1].Node.CommitIndex);
    }

    [Fact]
    public void Lost_acknowledgement_is_asked_for_again()
    {
        var cluster = new Cluster(3).Elect(1);
        cluster.Lose = (_, _, message) => message is AppendEntriesReply;
        EntryId id = cluster.Propose("x");
        cluster.DeliverAll();
        cluster.Lose = (_, _, _) => false;
        cluster.Run(2 * HeartbeatInterval);
        Assert.Equal(id.Index, cluster[1].Node.CommitIndex);
        Assert.Equal(ReplicationState.Replicate, cluster[1].Node.GetProgress(R(2))!.Value.State);
    }

    [Fact]
    public void Appends_in_reverse_order_do_no_harm()
    {
        var cluster = new Cluster(3).Elect(1);
        for (int i = 0; i < 8; i++) cluster.Propose($"{i}");
        while (cluster.InFlight.Count > 0) cluster.Deliver(cluster.InFlight.Count - 1);
        cluster.Run(2 * HeartbeatInterval);
        Assert.Equal(["0", "1", "2", "3", "4", "5", "6", "7"], Cluster.Commands(cluster[3]));
        cluster.AssertLogsAgree();
    }

    [Fact]
    public void Every_message_twice_does_no_harm()
    {
        var cluster = new Cluster(3).Elect(1);
        for (int i = 0; i < 8; i++) cluster.Propose($"{i}");
        for (int bound = 0; bound < 400 && cluster.InFlight.Count > 0; bound++)
        {
            (ReplicaId from, ReplicaId to, RaftMessage message) = cluster.InFlight[0];
            cluster.Hand(from, to, message);
            cluster.Deliver(0);
        }

        cluster.DeliverAll();
        cluster.Run(2 * HeartbeatInterval);
        Assert.Equal(8, Cluster.Commands(cluster[2]).Length);
        cluster.AssertLogsAgree();
    }

    [Fact]
    public void Restarted_follower_learns_the_commit_index_in_an_idle_group()
    {
        var cluster = new Cluster(3).Elect(1);
        cluster.Lose = (_, to, message) => to == R(3) && message is Heartbeat;
        cluster.Propose("x");
        cluster.DeliverAll();
        Assert.Equal(I(2), cluster[3].Node.LastEntry.Index);
        cluster.Crash(3);
        cluster.Restart(3);
        Assert.Equal(I(1), cluster[3].Node.CommitIndex);
        cluster.Lose = (_, _, _) => false;
        cluster.Run(3 * HeartbeatInterval);
        Assert.Equal(["x"], Cluster.Commands(cluster[3]));
    }

    [Fact]
    public void Follower_that_drops_appends_for_its_slow_disk_catches_up_later()
    {
        var cluster = new Cluster(3, change: options => options with { MaxUnflushedBytes = 2_000 });
        cluster.Elect(1);
        cluster[3].PersistsAtOnce = false;
        for (int i = 0; i < 100; i++)
        {
            cluster.Propose(new string('x', 100));
            cluster.DeliverAll();
        }

        Assert.True(cluster[3].Node.LastEntry.Index < I(30), $"{cluster[3].Node.LastEntry}");
        cluster[3].PersistsAtOnce = true;
        cluster.Run(10 * HeartbeatInterval);
        cluster.AssertLogsAgree();
        Assert.Equal(100, Cluster.Commands(cluster[3]).Length);
    }

    [Fact]
    public void Idle_group_sends_no_more_than_its_heartbeats()
    {
        var cluster = new Cluster(3).Elect(1);
        cluster.Run(1);
        int before = cluster.Delivered;
        cluster.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(40, cluster.Delivered - before);
    }
}
