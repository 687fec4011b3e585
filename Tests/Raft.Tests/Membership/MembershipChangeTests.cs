namespace Orleans.Raft.Core.Tests;

[Trait("Thesis", "§4")]
public sealed class MembershipChangeTests
{
    [Fact]
    public void Replicas_are_added_and_removed_one_after_another_and_all_agree()
    {
        Cluster cluster = new Cluster(1).Elect(1);
        for (int i = 0; i < 4; i++)
        {
            cluster.AddVoter();
            cluster.Commit($"with {i}");
        }

        Assert.Equal("1 2 3 4 5", Changes.Shape(cluster.Leader));
        cluster.Complete(Changes.Remove(2));
        cluster.Complete(Changes.Remove(4, 5));
        EntryId id = cluster.Commit("without");
        Assert.Equal(("1 3", id), (Changes.Shape(cluster[3]), cluster[3].Node.LastEntry));
    }

    [Fact]
    public void A_group_of_two_goes_on_alone_when_one_is_removed()
    {
        // "Commit after removal": what waits for the removed one alone is committed by the removal.
        Cluster cluster = new Cluster(2).Elect(1);
        cluster.Begin(Changes.Remove(2));
        cluster.DeliverAll();
        cluster.Isolate(2);
        Assert.Equal("1", Changes.Shape(cluster[1]));
        EntryId id = cluster.Propose("alone");
        Assert.Equal(id.Index, cluster[1].Node.CommitIndex);
        cluster.Run(5);
        Assert.True(cluster[1].IsLeader);
    }

    [Fact]
    public void A_change_is_refused_where_it_cannot_be_made()
    {
        Cluster cluster = Changes.WithTwoLearners();
        Assert.Equal(MembershipOutcome.NotLeader, cluster.Change(cluster[2], Changes.Promote(4)).Outcome);
        MembershipAnswer answer = cluster.Change(cluster[1], Changes.Add(2));
        Assert.Equal(new MembershipAnswer(MembershipOutcome.Invalid, EntryId.Zero, "r2 is a member already."), answer);
        cluster[1].Node.TransferLeadership(R(2), cluster.Now);
        answer = cluster.Change(cluster[1], Changes.Promote(4));
        Assert.Equal((MembershipOutcome.Busy, "r1 hands leadership to r2."), (answer.Outcome, answer.Problem));
        Assert.Equal("1 2 3 learns 4 5", Changes.Shape(cluster[1]));
    }

    [Fact]
    public void One_change_at_a_time()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Lose = (_, _, message) => message is AppendEntriesReply;
        cluster.Begin(Changes.Remove(5));
        cluster.DeliverAll();
        Refused("1 2 3 learns 4");
        cluster.Lose = (_, _, _) => false;
        cluster.Run(0.8);
        cluster.Partition(1, 2, 3);
        cluster.Begin(Changes.Swap([4], 1, 2));
        cluster.DeliverAll();
        Refused("3 4 was 1 2 3");
        cluster.Lose = (_, _, message) => message is AppendEntries append
            && append.Entries.ToArray().Any(entry => entry.Kind == EntryKind.Configuration
                && !Replica.Decoded(entry).IsJoint);
        cluster.Heal();
        cluster.Run(0.8);
        Refused("3 4");

        void Refused(string shape)
        {
            Assert.Equal(shape, Changes.Shape(cluster[1]));
            MembershipAnswer answer = cluster.Change(cluster[1], Changes.Remove(3));
            Assert.Equal((MembershipOutcome.ChangeInFlight, $"{cluster[1].Node.Configuration} is still under way."),
                (answer.Outcome, answer.Problem));
        }
    }

    [Fact]
    public void A_new_leader_changes_nothing_before_it_has_committed_an_entry_of_its_term()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Lose = (_, _, message) => message is AppendEntriesReply;
        cluster.Elect(2);
        MembershipAnswer answer = cluster.Change(cluster[2], Changes.Remove(5));
        Assert.Equal((MembershipOutcome.NotReady, "r2 has committed nothing in t2 yet."),
            (answer.Outcome, answer.Problem));
        cluster.Lose = (_, _, _) => false;
        cluster.Run(0.8);
        Assert.Equal(MembershipOutcome.Accepted, cluster.Change(cluster[2], Changes.Remove(5)).Outcome);
    }

    [Fact]
    public void A_change_that_would_leave_no_majority_that_answers_is_refused()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        cluster.Crash(3);
        cluster.Run(1.5);
        MembershipAnswer answer = cluster.Change(cluster[1], Changes.Remove(2));
        Assert.Equal((MembershipOutcome.NoMajority, $"Of 2 voters only 1 answered within {ElectionTimeout}."),
            (answer.Outcome, answer.Problem));
        cluster.Complete(Changes.Remove(3));
        Assert.Equal("1 2", Changes.Shape(cluster[2]));
    }

    [Fact]
    public void A_new_leader_counts_on_nobody_who_has_not_answered_it_yet()
    {
        var cluster = new Cluster(3);
        cluster.Lose = (from, _, message) => from == R(3) && (message is AppendEntriesReply or HeartbeatReply);
        cluster.Elect(2);
        cluster.Lose = (_, _, _) => false;
        Assert.Equal(MembershipOutcome.NoMajority, cluster.Change(cluster[2], Changes.Remove(1)).Outcome);
        cluster.Crash(3);
        cluster.Complete(Changes.Remove(3));
        Assert.Equal("1 2", Changes.Shape(cluster[1]));
    }

    [Fact]
    public void The_bound_of_uncommitted_bytes_makes_a_change_busy()
    {
        var cluster = new Cluster(3, change: options => options with { MaxUncommittedBytes = 10 });
        cluster.Elect(1);
        cluster.Lose = (_, _, message) => message is AppendEntriesReply;
        cluster.Propose("twelve bytes");
        Assert.Equal(MembershipOutcome.Busy, cluster.Change(cluster[1], Changes.Add(4)).Outcome);
    }

    [Fact]
    public void A_leader_that_removes_itself_goes_on_until_that_is_committed_and_then_hands_over()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        cluster.Lose = (_, to, message) => to == R(2) && IsLast(message);
        cluster.Begin(Changes.Remove(1));
        cluster.DeliverAll();
        EntryId meanwhile = cluster.Propose("meanwhile");
        cluster.DeliverAll();
        Assert.Equal(("2 3", meanwhile), (Changes.Shape(cluster[1]), cluster[3].Node.LastEntry));
        Assert.True(cluster[1].IsLeader && cluster[1].Node.CommitIndex < meanwhile.Index, "r1 counted itself");
        cluster.Lose = (_, _, _) => false;
        cluster.Run(0.9);
        Assert.Equal((Role.Follower, true), (cluster[1].Node.Role, cluster[1].Node.IsConfigurationCommitted));
        Assert.True(cluster.Leader.Node.Term == T(2), "an election was waited for");
        EntryId after = cluster.Commit("after");
        cluster.Run(10);
        Assert.Equal((T(2), T(1)), (cluster.Leader.Node.Term, cluster[1].Node.Term));
        Assert.True(cluster[1].Node.LastEntry.Index < after.Index);
        Assert.Contains("meanwhile", Cluster.Commands(cluster[3]));
    }

    [Fact]
    [Trait("Thesis", "§4.2.2")]
    public void A_replica_that_the_latest_configuration_leaves_out_still_campaigns_until_that_is_committed()
    {
        // r1 alone has the last entry, so it must not give r2 its vote; and without it r2 has no majority of both.
        Cluster cluster = new Cluster(2).Elect(1);
        cluster.Lose = (_, _, message) => IsLast(message);
        cluster.Begin(Changes.Remove(1));
        cluster.DeliverAll();
        cluster.Crash(1);
        cluster.Lose = (_, _, _) => false;
        cluster.Restart(1);
        Assert.Equal(("2", "2 was 1 2"), (Changes.Shape(cluster[1]), Changes.Shape(cluster[2])));
        cluster.Run(6);
        Assert.Equal(("2", true), (Changes.Shape(cluster[2]), cluster[2].IsLeader));
        Term term = cluster[2].Node.Term;
        cluster.Isolate(2);
        cluster.Run(10);
        Assert.True(cluster[1].Node.Term <= term && cluster[1].Node.Role == Role.Follower, "it is committed now");
    }

    [Fact]
    public void If_nobody_hears_that_the_leader_hands_over_an_election_follows()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        cluster.Lose = (_, _, message) => message is TimeoutNow;
        cluster.Begin(Changes.Remove(1));
        cluster.DeliverAll();
        Assert.Equal(Role.Follower, cluster[1].Node.Role);
        Assert.DoesNotContain(cluster.Replicas, replica => replica.IsLeader);
        cluster.ElectAny();
        cluster.Commit("after");
    }

    [Fact]
    public void A_removed_replica_is_told_that_it_was()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        cluster.Complete(Changes.Remove(3));
        Assert.Equal(("1 2", true), (Changes.Shape(cluster[3]), cluster[3].Node.IsConfigurationCommitted));
        Assert.Null(cluster[1].Node.GetProgress(R(3)));
    }

    [Fact]
    public void A_removed_replica_that_does_not_answer_is_let_go()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        cluster.Crash(3);
        cluster.Begin(Changes.Remove(3));
        cluster.DeliverAll();
        Assert.Equal(("1 2", true), (Changes.Shape(cluster[1]), cluster[1].Node.IsConfigurationCommitted));
        Assert.NotNull(cluster[1].Node.GetProgress(R(3)));
        cluster.Run(1.5);
        Assert.Null(cluster[1].Node.GetProgress(R(3)));
    }

    [Fact]
    public void A_removed_replica_that_was_silent_for_a_while_is_given_time_to_hear_of_it()
    {
        // Silent just before the removal, back just after: a new leader would not tell it either.
        Cluster cluster = new Cluster(4).Elect(1);
        cluster.Isolate(4);
        cluster.Run(1.2);
        cluster.Begin(Changes.Remove(4));
        cluster.DeliverAll();
        Assert.True(cluster[1].Node.IsConfigurationCommitted);
        cluster.Run(0.2);
        Assert.NotNull(cluster[1].Node.GetProgress(R(4)));
        cluster.Heal();
        cluster.Run(0.7);
        Assert.Equal(("1 2 3", true), (Changes.Shape(cluster[4]), cluster[4].Node.IsConfigurationCommitted));
        cluster.Run(0.5);
        Assert.Null(cluster[1].Node.GetProgress(R(4)));
    }

    [Fact]
    public void A_leader_that_leaves_during_a_transfer_tells_nobody_but_its_target_to_campaign()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        cluster.Lose = (_, _, message) => message is AppendEntriesReply;
        cluster.Begin(Changes.Remove(1));
        cluster.DeliverAll();
        Assert.True(cluster[1].Node.TransferLeadership(R(3), cluster.Now));
        var told = new List<ReplicaId>();
        cluster.Lose = (_, to, message) =>
        {
            if (message is TimeoutNow) told.Add(to);
            return message is TimeoutNow;
        };
        cluster.Run(0.9);
        Assert.Equal((Role.Follower, true), (cluster[1].Node.Role, cluster[1].Node.IsConfigurationCommitted));
        Assert.Equal([R(3)], told.Distinct());
    }

    [Fact]
    public void A_removed_replica_that_never_heard_of_it_disturbs_nobody()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        cluster.Isolate(3);
        cluster.Complete(Changes.Remove(3));
        cluster.Run(5);
        cluster.Heal();
        int asked = 0;
        cluster.Lose = (from, _, message) =>
        {
            if (from == R(3) && message is PreVote) asked++;
            return false;
        };
        cluster.Run(10);
        Assert.True(asked > 10, $"{asked} pre-votes");
        Assert.Equal((true, T(1), T(1)), (cluster[1].IsLeader, cluster[1].Node.Term, cluster[3].Node.Term));
        Assert.Equal("1 2 3", Changes.Shape(cluster[3]));
    }

    [Fact]
    public void A_removed_replica_with_a_newer_term_unseats_nobody()
    {
        var lone = new Lone(configuration: Configuration.Create(4, [M(1), M(2)], [])).BecomeLeader();
        RaftMessage[] answers =
        [
            new HeartbeatReply(T(9), 1, I(0)), new AppendEntriesReply(T(9), I(1)), new RequestVoteReply(T(9), false),
            new AppendEntriesRejection(T(9), I(1), T(0), I(1)), new PreVoteReply(T(9), false),
            new RequestVote(T(9), Id(1, 1), false), new RequestVote(T(9), Id(1, 1), true), new PreVote(T(9), Id(1, 1)),
            new HeartbeatReply(T(1), 1, I(0)), new AppendEntriesReply(T(1), I(1)),
            new ReadIndexReply(T(9), 1, 1, I(1)),
        ];
        foreach (RaftMessage message in answers) lone.Step(3, message);
        Assert.Equal((Role.Leader, T(1), I(0)), (lone.Node.Role, lone.Node.Term, lone.Node.CommitIndex));
        lone.Step(2, new HeartbeatReply(T(9), 1, I(0)));
        Assert.Equal((Role.Follower, T(9)), (lone.Node.Role, lone.Node.Term));
    }

    [Fact]
    public void A_removed_replica_that_was_told_to_campaign_long_ago_gets_no_vote_while_a_leader_lives()
    {
        var lone = new Lone(configuration: Configuration.Create(4, [M(1), M(2)], []));
        lone.Step(2, new Heartbeat(T(1), I(0), 1));
        Assert.Empty(lone.Step(3, new RequestVote(T(2), Id(1, 9), true)));
        Assert.Equal(T(1), lone.Node.Term);
        Assert.Equal([new RequestVoteReply(T(2), true)], lone.Step(2, new RequestVote(T(2), Id(1, 9), true)));
    }

    [Fact]
    public void Votes_of_strangers_do_not_count()
    {
        Lone lone = new Lone().BecomeCandidate();
        lone.Step(7, new RequestVoteReply(T(1), true));
        lone.Step(8, new RequestVoteReply(T(1), true));
        Assert.Equal(Role.Candidate, lone.Node.Role);
    }

    [Fact]
    public void A_leader_that_the_receiver_does_not_know_yet_is_followed()
    {
        var lone = new Lone();
        Assert.Equal([new AppendEntriesReply(T(1), I(1))], lone.Step(9, Append(1, EntryId.Zero, 0, 1)));
        Assert.Equal(R(9), lone.Node.Leader);
    }

    [Fact]
    public void A_voter_that_is_leaving_is_no_target_of_a_transfer()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Lose = (_, _, message) => message is AppendEntriesReply;
        cluster.Begin(Changes.Swap([4], 3));
        Assert.False(cluster[1].Node.TransferLeadership(R(3), cluster.Now));
        Assert.True(cluster[1].Node.TransferLeadership(R(2), cluster.Now));
        cluster.Lose = (_, _, _) => false;
        cluster.Run(2);
        Assert.Equal("1 2 4 learns 5", Changes.Shape(cluster.Leader));
    }

    [Fact]
    public void No_change_begins_during_a_transfer_and_its_target_can_be_removed_after_it()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster[1].Node.TransferLeadership(R(3), cluster.Now);
        Assert.Equal(MembershipOutcome.Busy, cluster.Change(cluster[1], Changes.Remove(3)).Outcome);
        cluster.DeliverAll();
        Assert.True(cluster[3].IsLeader);
        cluster.Complete(Changes.Remove(3));
        Assert.True(!cluster[3].IsLeader && cluster.Leader.Node.Term == T(3), "it handed over what it had just got");
    }

    [Fact]
    public void Added_voters_may_replace_all_that_were_there()
    {
        Cluster cluster = new Cluster(2).Elect(1);
        cluster.AddLearner();
        cluster.AddLearner();
        cluster.Begin(Changes.Swap([3, 4], 1, 2));
        cluster.DeliverAll();
        cluster.Run(3);
        Assert.Equal("3 4", Changes.Shape(cluster.Leader));
        Assert.True(cluster.Leader.Id.Value >= 3);
        cluster.Commit("after");
        cluster.Crash(1);
        cluster.Crash(2);
        cluster.Commit("without them");
    }

    [Fact]
    public void A_promoted_replica_gets_leadership_and_hands_it_back()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        cluster.AddVoter();
        Assert.True(cluster[1].Node.TransferLeadership(R(4), cluster.Now));
        cluster[1].Turn(cluster.Now);
        cluster.DeliverAll();
        Assert.True(cluster[4].IsLeader);
        cluster.Complete(Changes.Remove(4));
        Assert.Equal("1 2 3", Changes.Shape(cluster.Leader));
    }

    [Fact]
    public void The_driver_is_told_of_each_configuration_and_when_it_is_committed()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        Assert.All(cluster.Replicas, replica => Assert.Empty(replica.Told));
        cluster.AddLearner();
        foreach (ulong id in new ulong[] { 1, 2, 3 })
        {
            Assert.Equal([("1 2 3 learns 4", I(2), false), ("1 2 3 learns 4", I(2), true)],
                cluster[id].Told.Select(told => (Changes.Shape(told.Configuration), told.Index, told.IsCommitted)));
        }
    }

    private static bool IsLast(RaftMessage message) => message is AppendEntries append
        && append.Entries.ToArray().Any(entry => entry.Kind == EntryKind.Configuration
            && !Replica.Decoded(entry).IsJoint);
}
