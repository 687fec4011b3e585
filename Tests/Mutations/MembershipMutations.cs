using Orleans.Raft.Core;
using Orleans.Raft.Core.Tests;
using static Orleans.Raft.Core.Tests.Make;

namespace Orleans.Raft.Mutations;

/// <summary>Bugs in membership: who counts, which configuration is in force, and when a change may begin or
/// end.</summary>
public sealed class MembershipMutations
{
    [Fact]
    public void A_joint_configuration_that_its_incoming_voters_decide_alone_is_found() => Mutation.IsFound(
        FaultPoint.JointQuorumCountedAsSimple, "durable on 1 of 3", faults =>
    {
        Cluster cluster = WithTwoLearners(faults);
        cluster.Partition(1, 4, 5);
        EntryId joint = cluster.Begin(Changes.Swap([4, 5], 2, 3));
        cluster.DeliverAll();
        Assert.True(cluster[1].Node.CommitIndex < joint.Index);
    });

    [Fact]
    public void A_learner_that_counts_is_found() => Mutation.IsFound(
        FaultPoint.LearnerCounted, "durable on 1 of 3", faults =>
    {
        Cluster cluster = WithTwoLearners(faults);
        cluster.Isolate(2);
        cluster.Isolate(3);
        EntryId id = cluster.Propose("x");
        cluster.DeliverAll();
        Assert.True(cluster[1].Node.CommitIndex < id.Index);
    });

    [Fact]
    public void A_removed_replica_whose_vote_counts_is_found() => Mutation.IsFound(
        FaultPoint.RemovedReplicaCounted, "r1 is Leader by the vote of r7", faults =>
    {
        Lone lone = CoreMutations.Start(faults).BecomeCandidate();
        lone.Step(7, new RequestVoteReply(T(1), true));
        Assert.True(lone.Node.Role == Role.Candidate, $"r1 is {lone.Node.Role} by the vote of r7");
    });

    [Fact]
    public void A_removed_leader_that_counts_itself_is_found() => Mutation.IsFound(
        FaultPoint.RemovedLeaderCountsItself, "durable on 1 of 2", faults =>
    {
        Cluster cluster = CoreMutations.StartCluster(faults).Elect(1);
        cluster.Lose = (_, to, message) => to == R(2) && message is AppendEntries append
            && append.Entries.ToArray().Any(entry => entry.Kind == EntryKind.Configuration
                && !Replica.Decoded(entry).IsJoint);
        cluster.Begin(Changes.Remove(1));
        cluster.DeliverAll();
        Assert.True(cluster[1].IsLeader && !cluster[1].Node.IsConfigurationCommitted);
    });

    [Fact]
    public void A_configuration_kept_after_its_truncation_is_found() => Mutation.IsFound(
        FaultPoint.ConfigurationKeptAfterTruncation, "r1 goes by configuration", faults =>
    {
        Cluster cluster = WithTwoLearners(faults);
        cluster.Isolate(1);
        cluster.Begin(Changes.Promote(4));
        cluster.Elect(2);
        cluster.Heal();
        cluster.Run(2);
        Assert.Equal("1 2 3 learns 4 5", Changes.Shape(cluster[1]));
    });

    [Fact]
    public void A_snapshot_whose_configuration_is_ignored_is_found() => Mutation.IsFound(
        FaultPoint.SnapshotConfigurationIgnored, "r1 goes by configuration 1", faults =>
    {
        Lone lone = CoreMutations.Start(faults);
        Configuration later = Configuration.Create(5, [M(1), M(4)], []);
        lone.Step(2, new InstallSnapshot(T(1), Id(1, 9), later));
        Assert.True(lone.Node.Configuration.Equals(later), $"r1 goes by {lone.Node.Configuration} after a snapshot");
    });

    [Fact]
    public void A_change_before_the_own_term_is_committed_is_found() => Mutation.IsFound(
        FaultPoint.ChangeBeforeOwnTermCommitted, "r2 changes members before it committed in t2: Accepted", faults =>
    {
        Cluster cluster = WithTwoLearners(faults);
        cluster.Lose = (_, _, message) => message is AppendEntriesReply;
        cluster.Elect(2);
        MembershipOutcome outcome = cluster.Change(cluster[2], Changes.Remove(5)).Outcome;
        Assert.True(outcome == MembershipOutcome.NotReady, $"r2 changes members before it committed in t2: {outcome}");
    });

    [Fact]
    public void A_second_change_in_flight_is_found() => Mutation.IsFound(
        FaultPoint.TwoChangesInFlight, "durable on 1 of 3", faults =>
    {
        Cluster cluster = WithTwoLearners(faults);
        cluster.Partition(1, 4, 5);
        cluster.Begin(Changes.Swap([4, 5], 2, 3));
        cluster.DeliverAll();
        cluster.Change(cluster[1], Changes.Remove(4));
        cluster.DeliverAll();
        cluster.Elect(2);
    });

    [Fact]
    public void A_joint_configuration_left_before_it_is_committed_is_found() => Mutation.IsFound(
        FaultPoint.JointLeftUncommitted, "durable on 1 of 3", faults =>
    {
        Cluster cluster = WithTwoLearners(faults);
        cluster.Partition(1, 4, 5);
        cluster.Begin(Changes.Swap([4, 5], 2, 3));
        cluster.DeliverAll();
        cluster.Elect(2);
    });

    [Fact]
    public void A_learner_promoted_before_it_caught_up_is_found() => Mutation.IsFound(
        FaultPoint.PromotedBeforeCaughtUp, "r4 has nothing and would vote: Accepted", faults =>
    {
        Cluster cluster = CoreMutations.StartCluster(faults).Elect(1);
        cluster.StartNew();
        cluster.Isolate(4);
        cluster.Begin(Changes.Add(4));
        cluster.DeliverAll();
        MembershipOutcome outcome = cluster.Change(cluster[1], Changes.Promote(4)).Outcome;
        Assert.True(outcome == MembershipOutcome.NotCaughtUp, $"r4 has nothing and would vote: {outcome}");
    });

    [Fact]
    public void A_learner_that_campaigns_is_found() => Mutation.IsFound(
        FaultPoint.LearnerCampaigns, "r1 learns and is PreCandidate", faults =>
    {
        var lone = new Lone(configuration: Configuration.Create(1, [M(2), M(3)], [M(1)]),
            change: options => options with { Faults = faults });
        lone.Tick(2 * ElectionTimeout);
        Assert.True(lone.Node.Role == Role.Follower, $"r1 learns and is {lone.Node.Role}");
    });

    private static Cluster WithTwoLearners(FaultPoints faults) =>
        Changes.WithTwoLearners(options => options with { Faults = faults });
}
