namespace Orleans.Raft.Core.Tests;

[Trait("Thesis", "§6.4")]
public sealed class ReadIndexTests
{
    [Fact]
    public void Read_is_ready_once_a_quorum_confirms_a_round_started_after_it()
    {
        Lone lone = Leader();
        Assert.Equal([new Heartbeat(T(1), I(1), 1), new Heartbeat(T(1), I(1), 1)], Read(lone, 7));
        Assert.Empty(lone.Replica.ReadsReady);
        lone.Step(2, new HeartbeatReply(T(1), 1, I(1)));
        Assert.Equal([new ReadReady(7, I(1))], lone.Replica.ReadsReady);
    }

    [Fact]
    public void Answer_to_an_earlier_round_confirms_nothing()
    {
        Lone lone = Leader();
        lone.Tick(HeartbeatInterval);
        Read(lone, 7);
        lone.Step(2, new HeartbeatReply(T(1), 1, I(1)));
        lone.Step(3, new HeartbeatReply(T(1), 1, I(1)));
        Assert.Empty(lone.Replica.ReadsReady);
        lone.Step(3, new HeartbeatReply(T(1), 2, I(1)));
        Assert.Single(lone.Replica.ReadsReady);
    }

    [Fact]
    public void Read_uses_the_commit_index_of_its_round()
    {
        Lone lone = Leader();
        Read(lone, 7);
        lone.Propose("x");
        lone.AcknowledgeAll();
        lone.Step(2, new HeartbeatReply(T(1), 1, I(2)));
        Assert.Equal([new ReadReady(7, I(1))], lone.Replica.ReadsReady);
    }

    [Fact]
    [Trait("Raft", "§8")]
    public void Reads_wait_until_an_entry_of_the_own_term_is_committed()
    {
        Lone lone = new Lone(disk: TestDisk.With(1, ReplicaId.None, 1, 1, 1)).BecomeLeader();
        Assert.Empty(Read(lone, 7));
        lone.Tick(HeartbeatInterval);
        lone.Step(2, new HeartbeatReply(T(2), 1, I(1)));
        Assert.Empty(lone.Replica.ReadsReady);
        lone.AcknowledgeAll();
        lone.Step(2, new HeartbeatReply(T(2), 2, I(3)));
        Assert.Equal([new ReadReady(7, I(3))], lone.Replica.ReadsReady);
    }

    [Fact]
    public void One_round_is_under_way_and_later_reads_share_the_next()
    {
        Lone lone = Leader();
        lone.Node.ReadIndex(1, lone.Now);
        lone.Node.ReadIndex(2, lone.Now);
        Assert.Equal(2, lone.Turn().Count);
        for (ulong i = 3; i < 10; i++) Assert.Empty(Read(lone, i));
        Assert.Equal(2, lone.Step(3, new HeartbeatReply(T(1), 1, I(1))).OfType<Heartbeat>().Count());
        Assert.Equal([1ul, 2], lone.Replica.ReadsReady.Select(read => read.RequestId));
        lone.Step(2, new HeartbeatReply(T(1), 2, I(1)));
        Assert.Equal(9, lone.Replica.ReadsReady.Count);
    }

    [Fact]
    public void Lost_round_is_made_good_by_the_next_heartbeat()
    {
        Lone lone = Leader();
        Read(lone, 7);
        lone.Tick(HeartbeatInterval);
        lone.Step(2, new HeartbeatReply(T(1), 2, I(1)));
        Assert.Single(lone.Replica.ReadsReady);
    }

    [Fact]
    public void Leader_counts_itself_only_when_the_driver_confirms_the_round()
    {
        Lone lone = Leader();
        lone.Replica.ConfirmsAtOnce = false;
        Read(lone, 7);
        Assert.Equal(1ul, lone.Replica.RoundToConfirm);
        lone.Step(2, new HeartbeatReply(T(1), 1, I(1)));
        Assert.Empty(lone.Replica.ReadsReady);
        lone.Node.ConfirmRound(99, lone.Now);
        lone.Turn();
        Assert.Empty(lone.Replica.ReadsReady);
        lone.Replica.Confirm(lone.Now);
        lone.Turn();
        Assert.Single(lone.Replica.ReadsReady);
    }

    [Fact]
    public void Two_followers_confirm_without_the_leader_itself()
    {
        Lone lone = Leader();
        lone.Replica.ConfirmsAtOnce = false;
        Read(lone, 7);
        lone.Step(2, new HeartbeatReply(T(1), 1, I(1)));
        lone.Step(3, new HeartbeatReply(T(1), 1, I(1)));
        Assert.Single(lone.Replica.ReadsReady);
    }

    [Fact]
    public void Confirmation_of_an_earlier_leadership_does_not_count()
    {
        Lone lone = Leader();
        lone.Replica.ConfirmsAtOnce = false;
        Read(lone, 7);
        lone.Node.StepDown(lone.Now);
        lone.Turn();
        lone.BecomeLeader();
        lone.AcknowledgeAll();
        Read(lone, 8);
        lone.Step(2, new HeartbeatReply(T(2), 2, I(2)));
        lone.Node.ConfirmRound(1, lone.Now);
        lone.Turn();
        Assert.Empty(lone.Replica.ReadsReady);
        lone.Node.ConfirmRound(2, lone.Now);
        lone.Turn();
        Assert.Equal([new ReadReady(8, I(2))], lone.Replica.ReadsReady);
    }

    [Fact]
    public void Sole_voter_confirms_through_the_driver_too()
    {
        var lone = new Lone(1);
        lone.Replica.ConfirmsAtOnce = false;
        Read(lone, 7);
        Assert.Empty(lone.Replica.ReadsReady);
        lone.Replica.Confirm(lone.Now);
        lone.Turn();
        Assert.Equal([new ReadReady(7, I(1))], lone.Replica.ReadsReady);
    }

    [Fact]
    public void Reads_fail_when_leadership_is_lost()
    {
        Lone lone = Leader();
        Read(lone, 7);
        Read(lone, 8);
        lone.Step(3, new ReadIndexRequest(T(1), 5, 6));
        List<RaftMessage> sent = lone.Step(2, new Heartbeat(T(2), I(0), 1));
        Assert.Equal([7ul, 8], lone.Replica.ReadsFailed);
        Assert.Contains(new ReadIndexReply(T(2), 5, 6, I(0)), sent);
        Assert.Empty(lone.Replica.ReadsReady);
    }

    [Fact]
    public void Read_without_a_leader_fails_at_once()
    {
        var lone = new Lone();
        Read(lone, 7);
        Assert.Equal([7ul], lone.Replica.ReadsFailed);
    }

    [Fact]
    public void Follower_asks_its_leader_once_for_the_reads_of_a_turn()
    {
        Lone lone = Follower();
        lone.Node.ReadIndex(7, lone.Now);
        lone.Node.ReadIndex(8, lone.Now);
        ReadIndexRequest request = Assert.IsType<ReadIndexRequest>(Assert.Single(lone.Turn()));
        lone.Step(2, new ReadIndexReply(T(1), request.BootNonce, request.Number, I(4)));
        Assert.Equal([new ReadReady(7, I(4)), new ReadReady(8, I(4))], lone.Replica.ReadsReady);
        lone.Step(2, new ReadIndexReply(T(1), request.BootNonce, request.Number, I(4)));
        Assert.Equal(2, lone.Replica.ReadsReady.Count);
    }

    [Fact]
    public void Answer_to_an_earlier_life_is_ignored()
    {
        Lone lone = Follower();
        ReadIndexRequest request = Assert.IsType<ReadIndexRequest>(Assert.Single(Read(lone, 7)));
        lone.Step(2, new ReadIndexReply(T(1), request.BootNonce - 1, request.Number, I(4)));
        lone.Step(2, new ReadIndexReply(T(1), request.BootNonce, request.Number + 1, I(4)));
        Assert.Empty(lone.Replica.ReadsReady);
        Assert.Empty(lone.Replica.ReadsFailed);
    }

    [Fact]
    public void Forwarded_read_fails_when_refused_unanswered_or_the_leader_changes()
    {
        Lone refused = Follower();
        ReadIndexRequest request = Assert.IsType<ReadIndexRequest>(Assert.Single(Read(refused, 7)));
        refused.Step(2, new ReadIndexReply(T(1), request.BootNonce, request.Number, I(0)));
        Assert.Equal([7ul], refused.Replica.ReadsFailed);

        Lone unanswered = Follower();
        Read(unanswered, 7);
        for (int i = 1; i < 50; i++)
        {
            unanswered.Tick(TimeSpan.FromMilliseconds(10));
            if (i % 10 == 0) unanswered.Step(2, new Heartbeat(T(1), I(0), (ulong)i));
        }

        Assert.Empty(unanswered.Replica.ReadsFailed);
        unanswered.Tick(TimeSpan.FromMilliseconds(10));
        Assert.Equal([7ul], unanswered.Replica.ReadsFailed);

        Lone changed = Follower();
        Read(changed, 7);
        changed.Step(3, new Heartbeat(T(2), I(0), 1));
        Assert.Equal([7ul], changed.Replica.ReadsFailed);
    }

    [Fact]
    public void Replica_that_does_not_lead_refuses_forwarded_reads() =>
        Assert.Equal([new ReadIndexReply(T(1), 5, 6, I(0))], Follower().Step(3, new ReadIndexRequest(T(1), 5, 6)));

    [Fact]
    public void Follower_serves_linearizable_reads_through_the_leader()
    {
        var cluster = new Cluster(3).Elect(1);
        cluster.Propose("x");
        cluster.DeliverAll();
        cluster[3].Node.ReadIndex(9, cluster.Now);
        cluster[3].Turn(cluster.Now);
        cluster.DeliverAll();
        Assert.Equal([new ReadReady(9, I(2))], cluster[3].ReadsReady);
        // The round itself brought the commit index along.
        Assert.Equal(I(2), cluster[3].Node.LastApplied);
    }

    [Fact]
    public void Deposed_leader_that_does_not_know_it_serves_no_reads()
    {
        var cluster = new Cluster(3).Elect(1);
        cluster.Isolate(1);
        cluster.Elect(2);
        cluster[1].Node.ReadIndex(9, cluster.Now);
        cluster[1].Turn(cluster.Now);
        cluster.DeliverAll();
        Assert.True(cluster[1].IsLeader);
        Assert.Empty(cluster[1].ReadsReady);
        cluster.Heal();
        cluster.Run(1);
        Assert.Equal([9ul], cluster[1].ReadsFailed);
    }

    private static Lone Leader() => new Lone().BecomeLeader().AcknowledgeAll();

    private static Lone Follower()
    {
        var lone = new Lone();
        lone.Step(2, new Heartbeat(T(1), I(0), 1));
        return lone;
    }

    private static List<RaftMessage> Read(Lone lone, ulong requestId)
    {
        lone.Node.ReadIndex(requestId, lone.Now);
        return lone.Turn();
    }
}
