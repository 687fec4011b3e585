using System.Runtime.InteropServices;

namespace Orleans.Raft.Core.Tests;

/// <summary>An idle group falls silent, and whatever happens to it wakes it.</summary>
public sealed class SilenceTests
{
    [Fact]
    public void An_idle_group_falls_silent_and_sends_nothing_whatever_time_passes()
    {
        Cluster cluster = new Cluster(3).Elect(1).FallSilent();
        int delivered = cluster.Delivered;
        Term term = cluster[1].Node.Term;
        cluster.Run(50);
        Assert.Equal(delivered, cluster.Delivered);
        Assert.Equal((true, term), (cluster[1].IsLeader, cluster[1].Node.Term));
        Assert.All(cluster.Replicas, replica => Assert.Equal(cluster[1].Id, replica.Node.Leader));
    }

    [Fact]
    public void Nobody_falls_silent_whose_driver_has_something_under_way()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        foreach (Replica replica in cluster.Replicas) replica.FallsSilent = replica.Id != cluster[3].Id;
        cluster.Run(5);
        Assert.Equal([false, true, false], cluster.Replicas.Select(replica => replica.Node.IsSilent));
        Assert.True(cluster[1].IsLeader);
    }

    [Fact]
    public void A_leader_is_silent_only_once_every_follower_is_in_the_same_round()
    {
        Lone lone = Idle(out ulong round);
        lone.Step(2, new FallenSilent(T(1), round));
        Assert.False(lone.Node.IsSilent);
        round = Offer(lone);
        lone.Step(3, new FallenSilent(T(1), round));
        Assert.False(lone.Node.IsSilent);
        lone.Step(2, new FallenSilent(T(1), round - 1));
        Assert.False(lone.Node.IsSilent);
        lone.Step(2, new FallenSilent(T(1), round));
        Assert.True(lone.Node.IsSilent);
    }

    [Fact]
    public void A_leader_offers_silence_only_when_all_it_has_is_everywhere_and_nobody_waits()
    {
        Lone lone = Idle(out _);
        lone.Propose("x");
        Assert.Equal(0UL, Offer(lone));
        lone.Step(2, new AppendEntriesReply(T(1), I(2)));
        Assert.Equal(0UL, Offer(lone));
        lone.Step(3, new AppendEntriesReply(T(1), I(2)));
        Assert.NotEqual(0UL, Offer(lone));
        lone.Node.ReadIndex(1, lone.Now);
        lone.Turn();
        Assert.Equal(0UL, Offer(lone));
    }

    [Fact]
    public void What_was_asked_after_the_offer_keeps_the_leader_awake()
    {
        Lone lone = Idle(out ulong round);
        lone.Propose("x");
        lone.Step(2, new FallenSilent(T(1), round));
        lone.Step(3, new FallenSilent(T(1), round));
        Assert.False(lone.Node.IsSilent);
    }

    [Theory]
    [InlineData("another last entry")]
    [InlineData("a longer log")]
    [InlineData("a write under way")]
    [InlineData("not applied")]
    [InlineData("a driver that is busy")]
    public void A_follower_with_anything_open_stays_awake(string what)
    {
        var lone = new Lone();
        lone.Node.MayFallSilent = what != "a driver that is busy";
        lone.Replica.PersistsAtOnce = what != "a write under way";
        lone.Replica.AppliesAtOnce = what != "not applied";
        lone.Step(2, Append(1, EntryId.Zero, 2, 1, 1));
        EntryId last = what switch { "another last entry" => Id(1, 3), "a longer log" => Id(1, 1), _ => Id(1, 2) };
        Assert.DoesNotContain(lone.Step(2, new FallSilent(T(1), last, 1)), message => message is FallenSilent);
        Assert.False(lone.Node.IsSilent);
    }

    [Fact]
    public void A_follower_that_has_all_says_that_it_is_silent_and_knows_all_to_be_committed()
    {
        var lone = new Lone();
        lone.Node.MayFallSilent = true;
        lone.Step(2, Append(1, EntryId.Zero, 1, 1, 1));
        lone.Step(2, new FallSilent(T(1), Id(1, 2), 3));
        Assert.Equal(I(2), lone.Node.CommitIndex);
        // What it had not applied then it has now.
        Assert.Equal([new FallenSilent(T(1), 4)], lone.Step(2, new FallSilent(T(1), Id(1, 2), 4)));
        Assert.True(lone.Node.IsSilent);
        Assert.Empty(lone.Tick(20 * ElectionTimeout));
    }

    [Fact]
    public void A_proposal_wakes_the_group_and_is_committed()
    {
        Cluster cluster = new Cluster(3).Elect(1).FallSilent();
        cluster.Run(20);
        EntryId entry = cluster.Propose(cluster[1], "x");
        cluster.DeliverAll();
        Assert.All(cluster.Replicas, replica => Assert.False(replica.Node.IsSilent));
        Assert.True(cluster[1].Node.CommitIndex >= entry.Index);
        cluster.FallSilent();
        Assert.All(cluster.Replicas, replica => Assert.Contains("x", Cluster.Commands(replica)));
    }

    [Fact]
    public void A_read_at_a_silent_follower_wakes_the_group_and_is_answered()
    {
        Cluster cluster = new Cluster(3).Elect(1).FallSilent();
        cluster.Run(20);
        cluster[2].Node.ReadIndex(7, cluster.Now);
        cluster[2].Turn(cluster.Now);
        cluster.DeliverAll();
        Assert.Equal(7UL, Assert.Single(cluster[2].ReadsReady).RequestId);
        Assert.True(cluster[1].IsLeader);
    }

    [Fact]
    public void A_silent_leader_has_no_lease_before_a_round_that_started_after_it_woke()
    {
        Lone lone = Idle(out ulong round);
        lone.Step(2, new HeartbeatReply(T(1), round, I(1)));
        Assert.True(lone.Node.HasLease(lone.Now));
        lone.Step(2, new FallenSilent(T(1), round));
        lone.Step(3, new FallenSilent(T(1), round));
        Assert.True(lone.Node.IsSilent);
        Assert.False(lone.Node.HasLease(lone.Now));
        lone.Wait(ElectionTimeout / 10);
        lone.Node.Wake(lone.Now);
        Assert.False(lone.Node.HasLease(lone.Now));
        Heartbeat heard = Assert.Single(lone.Turn().OfType<Heartbeat>().Distinct());
        lone.Step(2, new HeartbeatReply(T(1), round, I(1)));
        Assert.False(lone.Node.HasLease(lone.Now));
        lone.Step(2, new HeartbeatReply(T(1), heard.Round, I(1)));
        Assert.True(lone.Node.HasLease(lone.Now));
    }

    [Fact]
    public void A_silent_follower_campaigns_when_its_leader_is_suspected_and_not_heard()
    {
        Cluster cluster = new Cluster(3).Elect(1).FallSilent();
        cluster.Run(20);
        cluster.Crash(1);
        cluster.Run(20);
        Assert.DoesNotContain(cluster.Replicas, replica => replica.IsLeader);
        cluster.Suspect(1);
        cluster.Run(2);
        Assert.Contains(cluster.Replicas, replica => replica.IsLeader);
    }

    [Fact]
    public void A_follower_that_suspects_a_live_leader_deposes_nobody()
    {
        Cluster cluster = new Cluster(3).Elect(1).FallSilent();
        Term term = cluster[1].Node.Term;
        cluster.Run(20);
        cluster[2].Node.SuspectLeader(cluster.Now);
        cluster.Run(10);
        Assert.Equal((true, term), (cluster[1].IsLeader, cluster[1].Node.Term));
        Assert.All(cluster.Replicas, replica => Assert.True(replica.Node.IsSilent));
    }

    [Fact]
    public void A_silent_follower_trusts_its_leader_and_refuses_votes()
    {
        Lone lone = SilentFollower();
        lone.Wait(20 * ElectionTimeout);
        Assert.Equal([new PreVoteReply(T(1), false)], lone.Step(3, new PreVote(T(2), Id(1, 2))));
        Assert.False(lone.Node.IsSilent);
        Assert.Empty(lone.Step(3, new RequestVote(T(2), Id(1, 2), false)));
        Assert.Equal(T(1), lone.Node.Term);
    }

    [Fact]
    public void A_follower_that_was_asked_something_waits_an_election_timeout_for_its_leader()
    {
        Lone lone = SilentFollower();
        lone.Wait(20 * ElectionTimeout);
        lone.Node.Wake(lone.Now);
        Assert.Empty(lone.Tick(ElectionTimeout - TimeSpan.FromMilliseconds(1)));
        Assert.Contains(lone.Tick(ElectionTimeout), message => message is PreVote);
    }

    [Fact]
    public void A_replica_that_restarts_finds_its_silent_leader_and_all_fall_silent_again()
    {
        Cluster cluster = new Cluster(3).Elect(1).FallSilent();
        Term term = cluster[1].Node.Term;
        cluster.Crash(3);
        cluster.Run(20);
        cluster.Restart(3);
        cluster.Run(6);
        Assert.Equal((true, term), (cluster[1].IsLeader, cluster[1].Node.Term));
        Assert.All(cluster.Replicas, replica => Assert.True(replica.Node.IsSilent));
    }

    [Fact]
    public void A_member_whose_node_does_not_answer_is_left_out_but_never_a_quorum()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        foreach (Replica replica in cluster.Replicas) replica.FallsSilent = true;
        cluster.Crash(3);
        cluster.Run(2);
        Assert.False(cluster[1].Node.IsSilent);
        cluster[1].Absent.Add(R(3));
        cluster.Run(2);
        Assert.True(cluster[1].Node.IsSilent && cluster[2].Node.IsSilent);
        Assert.True(cluster[1].Node.GetProgress(R(3))!.Value.IsAbsent);

        // With all others gone there is no quorum to fall silent with.
        cluster[1].Node.Wake(cluster.Now);
        cluster[1].Absent.Add(R(2));
        cluster[1].Node.OfferSilence(CollectionsMarshal.AsSpan(cluster[1].Absent), cluster.Now);
        Assert.False(cluster[1].Node.IsSilent);
    }

    [Fact]
    public void Late_copies_of_what_was_said_before_wake_nobody()
    {
        Lone leader = Idle(out ulong round);
        leader.Step(2, new FallenSilent(T(1), round));
        leader.Step(3, new FallenSilent(T(1), round));
        RaftMessage[] late =
        [
            new FallenSilent(T(1), round), new HeartbeatReply(T(1), round, I(1)), new AppendEntriesReply(T(1), I(1)),
            new RequestVoteReply(T(1), true), new PreVoteReply(T(1), true),
        ];
        foreach (RaftMessage message in late) Assert.Empty(leader.Step(2, message));
        Assert.True(leader.Node.IsSilent);

        Lone follower = SilentFollower();
        Assert.Empty(follower.Step(2, new Heartbeat(T(1), I(2), 9)));
        Assert.Empty(follower.Step(2, new FallSilent(T(1), Id(1, 2), 9)));
        Assert.True(follower.Node.IsSilent);
        follower.Step(2, new Heartbeat(T(1), I(2), 10));
        Assert.False(follower.Node.IsSilent);
    }

    [Fact]
    public void A_leader_that_woke_keeps_office_for_an_election_timeout_without_answers_and_no_longer()
    {
        Cluster cluster = new Cluster(3).Elect(1).FallSilent();
        cluster.Run(20);
        cluster.Isolate(1);
        cluster[1].Node.Wake(cluster.Now);
        cluster.Run(0.9);
        Assert.True(cluster[1].IsLeader);
        cluster.Run(0.2);
        Assert.False(cluster[1].IsLeader);
    }

    [Fact]
    public void A_silent_leader_that_others_replaced_learns_it_when_it_hears_them()
    {
        Cluster cluster = new Cluster(3).Elect(1).FallSilent();
        cluster.Isolate(1);
        cluster.Suspect(1);
        cluster.Run(4);
        Assert.True(cluster[1].IsLeader && cluster[1].Node.IsSilent);
        Assert.Equal(2, cluster.Replicas.Count(replica => replica.IsLeader));
        cluster.Heal();
        cluster.Run(4);
        Assert.False(cluster[1].IsLeader);
        Assert.All(cluster.Replicas, replica => Assert.True(replica.Node.IsSilent));
    }

    [Fact]
    public void A_change_of_members_is_not_ready_before_a_quorum_answered_the_leader_that_woke()
    {
        Cluster cluster = new Cluster(3).Elect(1).FallSilent();
        cluster.Run(20);
        var change = new MembershipChange { Remove = [R(3)] };
        Assert.Equal(MembershipOutcome.NotReady, cluster[1].Node.ChangeMembership(change, cluster.Now).Outcome);
        cluster[1].Turn(cluster.Now);
        cluster.DeliverAll();
        Assert.Equal(MembershipOutcome.Accepted, cluster[1].Node.ChangeMembership(change, cluster.Now).Outcome);
    }

    [Fact]
    public void A_transfer_wakes_the_group()
    {
        Cluster cluster = new Cluster(3).Elect(1).FallSilent();
        cluster.Run(20);
        Assert.True(cluster[1].Node.TransferLeadership(R(2), cluster.Now));
        cluster[1].Turn(cluster.Now);
        cluster.DeliverAll();
        Assert.True(cluster[2].IsLeader);
    }

    [Fact]
    public void A_sole_voter_falls_silent_by_itself()
    {
        var lone = new Lone(1);
        lone.Replica.FallsSilent = true;
        lone.Tick(HeartbeatInterval);
        Assert.True(lone.Node.IsSilent);
        Assert.False(lone.Node.HasLease(lone.Now));
        Assert.Equal(ProposeOutcome.Appended, lone.Propose("x"));
        Assert.False(lone.Node.IsSilent);
    }

    // A leader of three that everybody agrees with, and the round of its offer.
    private static Lone Idle(out ulong round)
    {
        Lone lone = new Lone().BecomeLeader().AcknowledgeAll();
        lone.Replica.FallsSilent = true;
        round = Offer(lone);
        Assert.NotEqual(0UL, round);
        return lone;
    }

    // The round of the offer that the next heartbeat brings; 0 if there is none.
    private static ulong Offer(Lone lone) => lone.Tick(HeartbeatInterval).OfType<FallSilent>()
        .Select(offer => offer.Round).DefaultIfEmpty().Max();

    private static Lone SilentFollower()
    {
        var lone = new Lone();
        lone.Node.MayFallSilent = true;
        lone.Step(2, Append(1, EntryId.Zero, 2, 1, 1));
        lone.Step(2, new FallSilent(T(1), Id(1, 2), 9));
        Assert.True(lone.Node.IsSilent);
        return lone;
    }
}
