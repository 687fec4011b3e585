namespace Orleans.Raft.Core.Tests;

[Trait("Thesis", "§6.4.1")]
public sealed class LeaseTests
{
    private static readonly TimeSpan Lease = ElectionTimeout - TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Millisecond = TimeSpan.FromMilliseconds(1);

    [Fact]
    public void Lease_runs_from_the_start_of_the_round_a_quorum_answered()
    {
        Lone lone = Leader();
        Assert.False(lone.Node.HasLease(lone.Now));
        lone.Tick(HeartbeatInterval);
        TimeSpan start = lone.Now;
        lone.Wait(3 * HeartbeatInterval);
        lone.Step(2, new HeartbeatReply(T(1), 1, I(1)));
        Assert.True(lone.Node.HasLease(start + Lease - Millisecond));
        Assert.False(lone.Node.HasLease(start + Lease));
    }

    [Fact]
    public void Lease_is_renewed_by_later_rounds()
    {
        Lone lone = Leader();
        for (ulong round = 1; round <= 20; round++)
        {
            lone.Tick(HeartbeatInterval);
            lone.Step(2, new HeartbeatReply(T(1), round, I(1)));
        }

        Assert.True(lone.Node.HasLease(lone.Now + Lease - Millisecond));
    }

    [Fact]
    public void Acknowledged_appends_give_no_lease()
    {
        Lone lone = Leader();
        lone.Propose("x");
        lone.AcknowledgeAll();
        Assert.False(lone.Node.HasLease(lone.Now));
    }

    [Fact]
    public void No_lease_before_the_no_op_is_applied()
    {
        Lone lone = new Lone(disk: TestDisk.With(1, ReplicaId.None, 1, 1)).BecomeLeader();
        lone.Replica.AppliesAtOnce = false;
        lone.Tick(HeartbeatInterval);
        lone.Step(2, new HeartbeatReply(T(2), 1, I(1)));
        Assert.False(lone.Node.HasLease(lone.Now));
        lone.Step(2, new AppendEntriesReply(T(2), I(2)));
        Assert.Equal(I(2), lone.Node.CommitIndex);
        Assert.False(lone.Node.HasLease(lone.Now));
        lone.Replica.Apply();
        Assert.True(lone.Node.HasLease(lone.Now));
    }

    [Fact]
    public void No_lease_without_the_leaders_own_confirmation_unless_a_quorum_does_without()
    {
        Lone lone = Leader();
        lone.Replica.ConfirmsAtOnce = false;
        lone.Tick(HeartbeatInterval);
        lone.Step(2, new HeartbeatReply(T(1), 1, I(1)));
        Assert.False(lone.Node.HasLease(lone.Now));
        lone.Replica.Confirm(lone.Now);
        Assert.True(lone.Node.HasLease(lone.Now));
    }

    [Fact]
    public void Sole_voter_has_a_lease_by_its_own_confirmation()
    {
        var lone = new Lone(1);
        lone.Tick(HeartbeatInterval);
        Assert.True(lone.Node.HasLease(lone.Now));
        Assert.False(lone.Node.HasLease(lone.Now + Lease));
    }

    [Fact]
    public void Replica_that_does_not_lead_has_no_lease()
    {
        Lone lone = WithLease();
        lone.Node.StepDown(lone.Now);
        Assert.False(lone.Node.HasLease(lone.Now));
    }

    [Fact]
    public void Starting_a_transfer_ends_the_lease()
    {
        Lone lone = WithLease();
        lone.Propose("x");
        Assert.True(lone.Node.TransferLeadership(R(3), lone.Now));
        Assert.False(lone.Node.HasLease(lone.Now));
        Confirm(lone);
        Assert.False(lone.Node.HasLease(lone.Now));
    }

    [Fact]
    public void Aborted_transfer_that_told_nobody_gives_a_lease_by_a_round_started_after_it()
    {
        Lone lone = WithLease();
        lone.Propose("x");
        lone.Step(2, new AppendEntriesReply(T(1), I(2)));
        Assert.True(lone.Node.TransferLeadership(R(3), lone.Now));
        ulong before = 0;
        ulong after = 0;
        while (lone.Node.IsTransferringLeadership)
        {
            before = after;
            after = lone.Tick(HeartbeatInterval).OfType<Heartbeat>().First().Round;
            lone.Step(2, new AppendEntriesReply(T(1), I(2)));
        }

        lone.Step(2, new HeartbeatReply(T(1), before, I(2)));
        Assert.False(lone.Node.HasLease(lone.Now));
        lone.Step(2, new HeartbeatReply(T(1), after, I(2)));
        Assert.True(lone.Node.HasLease(lone.Now));
    }

    [Fact]
    public void Once_a_transfer_told_its_target_to_campaign_the_term_has_no_lease()
    {
        // TimeoutNow may be late without bound, and the votes it leads to ignore the lease.
        Lone lone = WithLease();
        lone.Node.TransferLeadership(R(3), lone.Now);
        Assert.Contains(new TimeoutNow(T(1)), lone.Turn());
        for (int i = 0; i < 50; i++)
        {
            Confirm(lone);
            Assert.False(lone.Node.HasLease(lone.Now));
        }

        Assert.False(lone.Node.IsTransferringLeadership);
        lone.Node.StepDown(lone.Now);
        lone.Turn();
        lone.BecomeLeader().AcknowledgeAll();
        Confirm(lone);
        Assert.True(lone.Node.HasLease(lone.Now));
    }

    [Fact]
    public void Nobody_is_elected_while_a_lease_runs()
    {
        var cluster = new Cluster(3).Elect(1);
        cluster.Run(1);
        Assert.True(cluster[1].Node.HasLease(cluster.Now));
        cluster.Isolate(1);
        // The checker fails if another replica leads while r1 still has its lease.
        bool hadLease = true;
        while (!cluster[2].IsLeader && !cluster[3].IsLeader)
        {
            cluster.Run(TimeSpan.FromMilliseconds(10));
            hadLease = cluster[1].Node.HasLease(cluster.Now);
        }

        Assert.False(hadLease);
    }

    private static Lone Leader() => new Lone().BecomeLeader().AcknowledgeAll();

    private static Lone WithLease()
    {
        Lone lone = Leader();
        Confirm(lone);
        Assert.True(lone.Node.HasLease(lone.Now));
        return lone;
    }

    private static void Confirm(Lone lone)
    {
        lone.Tick(HeartbeatInterval);
        ulong round = lone.Sent().OfType<Heartbeat>().Select(heartbeat => heartbeat.Round).DefaultIfEmpty().Max();
        if (round > 0)
            lone.Replica.Step(2, new HeartbeatReply(lone.Node.Term, round, lone.Node.LastEntry.Index), lone.Now);
    }
}
