namespace Orleans.Raft.Core.Tests;

[Trait("Thesis", "§3.10")]
public sealed class LeadershipTransferTests
{
    [Fact]
    public void Transfer_to_an_up_to_date_replica_takes_one_election()
    {
        Cluster cluster = Started();
        Transfer(cluster, 2);
        Assert.True(cluster[2].IsLeader);
        Assert.Equal(Role.Follower, cluster[1].Node.Role);
        Assert.False(cluster[1].Node.IsTransferringLeadership);
        cluster.Commit("after");
        cluster.AssertLogsAgree();
    }

    [Fact]
    public void Transfer_works_although_everyone_just_heard_the_leader()
    {
        Cluster cluster = Started();
        cluster.Run(HeartbeatInterval);
        Transfer(cluster, 3);
        Assert.True(cluster[3].IsLeader);
    }

    [Fact]
    public void Transfer_asked_of_a_follower_is_refused()
    {
        Cluster cluster = Started();
        Assert.False(cluster[2].Node.TransferLeadership(R(3), cluster.Now));
        Assert.True(cluster[1].IsLeader);
    }

    [Fact]
    public void Transfer_to_a_slow_follower_brings_it_up_to_date_first()
    {
        Cluster cluster = Started();
        cluster.Isolate(3);
        cluster.Commit("missed");
        cluster.Heal();
        Transfer(cluster, 3);
        Assert.True(cluster[1].IsLeader && cluster[1].Node.IsTransferringLeadership);
        cluster.Run(3 * HeartbeatInterval);
        Assert.True(cluster[3].IsLeader);
        Assert.Equal(["missed"], Cluster.Commands(cluster[3]));
    }

    [Fact]
    public void Transfer_to_a_follower_that_needs_a_snapshot()
    {
        Cluster cluster = Started();
        cluster.Isolate(3);
        cluster.Commit("missed");
        cluster[1].TakeSnapshot();
        cluster.Heal();
        Transfer(cluster, 3);
        cluster.Run(4 * HeartbeatInterval);
        Assert.True(cluster[3].IsLeader);
        Assert.True(cluster[3].Disk.Snapshot.Index > I(0));
    }

    [Fact]
    public void Transfer_to_itself_or_to_an_unknown_replica_changes_nothing()
    {
        Cluster cluster = Started();
        Assert.False(cluster[1].Node.TransferLeadership(R(1), cluster.Now));
        Assert.False(cluster[1].Node.TransferLeadership(R(9), cluster.Now));
        Assert.False(cluster[1].Node.TransferLeadership(ReplicaId.None, cluster.Now));
        Assert.False(cluster[1].Node.IsTransferringLeadership);
        cluster.Commit("still");
    }

    [Fact]
    public void Proposals_are_busy_during_a_transfer_and_taken_after_it_was_aborted()
    {
        Cluster cluster = Started();
        cluster.Isolate(3);
        Transfer(cluster, 3);
        Assert.Equal(ProposeOutcome.Busy, cluster[1].Node.Propose(Bytes("x"), cluster.Now, out _));
        cluster.Run(ElectionTimeout - TimeSpan.FromMilliseconds(10));
        Assert.Equal(ProposeOutcome.Busy, cluster[1].Node.Propose(Bytes("x"), cluster.Now, out _));
        cluster.Run(TimeSpan.FromMilliseconds(10));
        Assert.False(cluster[1].Node.IsTransferringLeadership);
        cluster.Commit("x");
    }

    [Fact]
    public void Lost_order_to_campaign_is_repeated()
    {
        Cluster cluster = Started();
        int lost = 0;
        cluster.Lose = (_, _, message) => message is TimeoutNow && lost++ == 0;
        Transfer(cluster, 2);
        Assert.True(cluster[1].IsLeader);
        cluster.Run(2 * HeartbeatInterval);
        Assert.True(cluster[2].IsLeader);
    }

    [Fact]
    public void Higher_term_during_a_transfer_ends_it()
    {
        Cluster cluster = Started();
        cluster.Isolate(3);
        Transfer(cluster, 3);
        cluster[1].Step(2, new RequestVote(cluster[1].Node.Term.Next(), cluster[2].Node.LastEntry, true), cluster.Now);
        Assert.Equal(Role.Follower, cluster[1].Node.Role);
        Assert.False(cluster[1].Node.IsTransferringLeadership);
    }

    [Fact]
    public void Transfer_back_works()
    {
        Cluster cluster = Started();
        Transfer(cluster, 2);
        cluster.Run(HeartbeatInterval);
        Transfer(cluster, 1);
        Assert.True(cluster[1].IsLeader);
        Assert.Equal(T(3), cluster[1].Node.Term);
    }

    [Fact]
    public void Second_transfer_to_another_replica_replaces_the_first()
    {
        Cluster cluster = Started();
        cluster.Isolate(3);
        Transfer(cluster, 3);
        Transfer(cluster, 2);
        Assert.True(cluster[2].IsLeader);
    }

    [Fact]
    public void Second_transfer_to_the_same_replica_does_not_prolong_the_first()
    {
        Cluster cluster = Started();
        cluster.Isolate(3);
        Transfer(cluster, 3);
        cluster.Run(ElectionTimeout / 2);
        Transfer(cluster, 3);
        cluster.Run(ElectionTimeout / 2);
        Assert.False(cluster[1].Node.IsTransferringLeadership);
    }

    [Fact]
    public void Crashed_target_costs_one_election_timeout()
    {
        Cluster cluster = Started();
        cluster.Crash(3);
        Transfer(cluster, 3);
        cluster.Run(1);
        Assert.True(cluster[1].IsLeader);
        cluster.Commit("on");
    }

    [Fact]
    public void Late_order_to_campaign_cannot_unseat_a_later_leader_of_the_next_term()
    {
        Cluster cluster = Started();
        Term old = cluster[1].Node.Term;
        cluster.Isolate(3);
        cluster[1].Node.StepDown(cluster.Now);
        cluster[1].Turn(cluster.Now);
        cluster.Elect(2);
        cluster[3].Step(1, new TimeoutNow(old), cluster.Now);
        cluster.Heal();
        cluster.Collect();
        cluster.DeliverAll();
        Assert.True(cluster[2].IsLeader);
        Assert.Equal(2, cluster.Checker.Elections);
    }

    private static Cluster Started()
    {
        var cluster = new Cluster(3);
        cluster.Elect(1);
        cluster.Run(HeartbeatInterval);
        return cluster;
    }

    private static void Transfer(Cluster cluster, ulong target)
    {
        Replica leader = cluster.Leader;
        Assert.True(leader.Node.TransferLeadership(R(target), cluster.Now));
        leader.Turn(cluster.Now);
        cluster.DeliverAll();
    }
}
