using Orleans.Raft.Core;
using Orleans.Raft.Core.Tests;
using static Orleans.Raft.Core.Tests.Make;

namespace Orleans.Raft.Mutations;

/// <summary>Bugs in voting and in what leases rest on.</summary>
public sealed class ElectionMutations
{
    [Fact]
    public void Two_votes_in_one_term_are_found() => Mutation.IsFound(FaultPoint.TwoVotesInOneTerm, "VotedFor = r3",
        faults =>
    {
        Lone lone = CoreMutations.Start(faults);
        lone.Step(2, new RequestVote(T(1), EntryId.Zero, false));
        lone.Step(3, new RequestVote(T(1), EntryId.Zero, false));
    });

    [Fact]
    public void A_vote_before_it_is_durable_is_found() => Mutation.IsFound(FaultPoint.VoteBeforeDurable,
        "r1 votes for r2 in t1; durable is", faults =>
    {
        Lone lone = CoreMutations.Start(faults);
        lone.Replica.PersistsAtOnce = false;
        lone.Step(2, new RequestVote(T(1), EntryId.Zero, false));
        Assert.Equal([new RequestVoteReply(T(1), true)], lone.PersistOne());
    });

    [Fact]
    public void A_vote_request_before_the_own_vote_is_durable_is_found() => Mutation.IsFound(
        FaultPoint.VoteRequestBeforeDurable, "r1 asks for votes in t1; durable is", faults =>
    {
        Lone lone = CoreMutations.Start(faults);
        lone.Replica.PersistsAtOnce = false;
        lone.BecomePreCandidate();
        lone.Step(2, new PreVoteReply(T(1), true));
        Assert.Equal(2, lone.PersistOne().Count(message => message is RequestVote));
    });

    [Fact]
    public void A_leader_without_a_committed_entry_is_found() => Mutation.IsFound(FaultPoint.UpToDateCheckDropped,
        "r3 leads t2 with an entry of t2 instead of", faults =>
    {
        Cluster cluster = CoreMutations.StartCluster(faults).Elect(1);
        cluster.Isolate(3);
        cluster.Commit("x");
        cluster.Crash(1);
        cluster.Heal();
        cluster.Campaign(3);
        cluster.Elect(2);
    });

    [Fact]
    public void A_vote_while_a_leader_lives_is_found() => Mutation.IsFound(FaultPoint.VoteWhileLeaderLives,
        "r1 has a lease in t1; t2 has a leader", faults =>
    {
        Cluster cluster = LeaderWithLease(faults);
        cluster.Isolate(1);
        CampaignAhead(cluster, 2);
        cluster[1].Turn(cluster.Now);
    });

    [Fact]
    public void A_vote_right_after_a_restart_is_found() => Mutation.IsFound(FaultPoint.PromiseForgottenByRestart,
        "r1 has a lease in t1; t2 has a leader", faults =>
    {
        Cluster cluster = LeaderWithLease(faults);
        cluster.Isolate(1);
        cluster.Crash(3);
        cluster.Restart(3);
        CampaignAhead(cluster, 2);
        cluster[1].Turn(cluster.Now);
    });

    [Fact]
    public void A_lease_kept_through_a_transfer_is_found() => Mutation.IsFound(FaultPoint.LeaseKeptThroughTransfer,
        "r1 has a lease in t1; t2 has a leader", faults =>
    {
        Cluster cluster = LeaderWithLease(faults);
        Assert.True(cluster[1].Node.TransferLeadership(R(2), cluster.Now));
        cluster[1].Turn(cluster.Now);
        cluster.Lose = (_, to, _) => to == R(1);
        cluster.DeliverAll();
        Assert.True(cluster[2].IsLeader && cluster[1].IsLeader);
        cluster[1].Turn(cluster.Now);
    });

    [Fact]
    public void A_lease_kept_through_a_pause_is_found() => Mutation.IsFound(FaultPoint.LeaseKeptThroughPause,
        "r1 has a lease in t1; t2 has a leader", faults =>
    {
        Cluster cluster = LeaderWithLease(faults);
        cluster.Isolate(1);
        cluster.Elect(2);
        // The first thing r1 does after the pause is to look at its lease.
        Assert.True(cluster[1].IsLeader);
        cluster[1].Turn(cluster.Now);
    });

    [Fact]
    public void A_lease_that_runs_from_the_answers_is_found() => Mutation.IsFound(FaultPoint.LeaseFromAnswer,
        "r1 has a lease in t1; t2 has a leader", faults =>
    {
        Cluster cluster = LeaderWithLease(faults);
        List<RaftMessage> answers = CoreMutations.HoldHeartbeatAnswers(cluster, 2);
        cluster.Isolate(1);
        cluster.Now += ElectionTimeout - TimeSpan.FromMilliseconds(1);
        foreach (RaftMessage answer in answers) cluster.Hand(R(2), R(1), answer);
        // The followers have kept their promise by now.
        cluster.Now += TimeSpan.FromMilliseconds(1);
        CampaignAhead(cluster, 2);
        Assert.True(cluster[2].IsLeader && cluster[1].IsLeader);
        cluster[1].Turn(cluster.Now);
    });

    [Fact]
    public void A_lease_that_outlives_silence_is_found() => Mutation.IsFound(FaultPoint.LeaseOutlivesSilence,
        "r1 has a lease in t1; t2 has a leader", faults =>
    {
        Cluster cluster = CoreMutations.StartCluster(faults).Elect(1).FallSilent();
        cluster.Isolate(1);
        cluster.Suspect(1);
        cluster.Run(4);
        Assert.True(cluster[2].IsLeader || cluster[3].IsLeader);
        Assert.True(cluster[1].IsLeader);
        cluster[1].Turn(cluster.Now);
    });

    [Fact]
    public void A_silent_follower_that_never_wakes_is_found() => Mutation.IsFound(FaultPoint.SilentFollowerNeverWakes,
        "nobody leads", faults =>
    {
        Cluster cluster = CoreMutations.StartCluster(faults).Elect(1).FallSilent();
        cluster.Crash(1);
        cluster.Suspect(1);
        cluster.Run(6);
        Assert.NotEqual(R(1), cluster.Leader.Id);
    });

    private static Cluster LeaderWithLease(FaultPoints faults)
    {
        Cluster cluster = CoreMutations.StartCluster(faults).Elect(1);
        cluster.Run(1);
        Assert.True(cluster[1].Node.HasLease(cluster.Now));
        return cluster;
    }

    // One replica's clock is so far ahead that it campaigns now; the others' clocks are right.
    private static void CampaignAhead(Cluster cluster, ulong id)
    {
        cluster[id].Tick(cluster.Now + (2 * ElectionTimeout));
        cluster.DeliverAll();
    }
}
