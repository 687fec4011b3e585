namespace Orleans.Raft.Core.Tests;

[Trait("Thesis", "§4.2.1")]
public sealed class LearnerTests
{
    private static readonly Configuration s_learns = Configuration.Create(1, [M(2), M(3)], [M(1)]);

    [Fact]
    public void A_replica_without_configuration_takes_a_leaders_messages_and_asks_nobody()
    {
        var lone = new Lone(configuration: Configuration.None);
        Assert.Empty(lone.Tick(20 * ElectionTimeout));
        RaftMessage[] refused = [new TimeoutNow(T(3)), new RequestVoteReply(T(3), true), new ReadIndexRequest(T(3), 1, 1)];
        foreach (RaftMessage message in refused) Assert.Empty(lone.Step(2, message));
        Assert.Equal((3L, T(0), Role.Follower), (lone.Node.RefusedMessages, lone.Node.Term, lone.Node.Role));
        Assert.Equal([new HeartbeatReply(T(3), 1, I(0))], lone.Step(2, new Heartbeat(T(3), I(7), 1)));
        Assert.Equal(R(2), lone.Node.Leader);
    }

    [Fact]
    public void A_replica_without_configuration_gives_its_vote_once_in_a_term()
    {
        var lone = new Lone(configuration: Configuration.None);
        lone.Tick(20 * ElectionTimeout);
        Assert.Equal([new PreVoteReply(T(3), true)], lone.Step(2, new PreVote(T(3), Id(2, 9))));
        Assert.Equal([new RequestVoteReply(T(3), true)], lone.Step(2, new RequestVote(T(3), Id(2, 9), false)));
        Assert.Equal([new RequestVoteReply(T(3), false)], lone.Step(3, new RequestVote(T(3), Id(2, 9), false)));
        Assert.Empty(lone.Tick(20 * ElectionTimeout));
        Assert.Equal((T(3), Role.Follower), (lone.Node.Term, lone.Node.Role));
    }

    [Fact]
    public void A_new_replica_begins_with_a_snapshot_however_short_the_log_is()
    {
        var lone = new Lone(configuration: Configuration.None);
        Assert.Equal([new AppendEntriesRejection(T(1), I(0), T(0), I(0))], lone.Step(2, Append(1, EntryId.Zero, 0, 1)));
        Assert.Equal(EntryId.Zero, lone.Node.LastEntry);
        lone.Step(2, new InstallSnapshot(T(1), Id(1, 2), s_learns));
        Assert.Equal((Id(1, 2), s_learns), (lone.Node.LastEntry, lone.Node.Configuration));
        Assert.Equal([new AppendEntriesReply(T(1), I(3))], lone.Step(2, Append(1, Id(1, 2), 0, 1)));
    }

    [Fact]
    public void A_leader_sends_a_snapshot_to_a_new_replica_and_then_the_rest()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        cluster.Commit("before");
        Replica added = cluster.AddLearner();
        cluster.Commit("after");
        Assert.True(added.Disk.Snapshot.Index > I(0));
        Assert.Equal(EntryId.Zero, cluster[2].Disk.Snapshot);
        Assert.Equal(["after"], Cluster.Commands(added));
        Assert.Equal("1 2 3 learns 4", Changes.Shape(added));
        Assert.Equal((false, true, ReplicationState.Replicate), State(cluster, 4));
    }

    [Fact]
    public void A_snapshot_that_was_lost_on_its_way_to_a_new_replica_is_sent_again()
    {
        Cluster cluster = new Cluster(3).Elect(1);
        cluster.StartNew();
        int sent = 0;
        cluster.Lose = (_, _, message) => message is InstallSnapshot && ++sent < 3;
        cluster.Begin(Changes.Add(4));
        for (int i = 0; i < 4; i++)
        {
            cluster.Run(HeartbeatInterval);
            cluster[1].Node.ReportSnapshotEnded(R(4), cluster.Now);
            cluster[1].Turn(cluster.Now);
        }

        cluster.Run(1);
        Assert.Equal((3, cluster[1].Node.LastEntry), (sent, cluster[4].Node.LastEntry));
    }

    [Fact]
    public void Learners_count_for_no_commit()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Isolate(2);
        cluster.Isolate(3);
        EntryId id = cluster.Propose("x");
        cluster.DeliverAll();
        Assert.Equal((id, id), (cluster[4].Node.LastEntry, cluster[5].Node.LastEntry));
        Assert.True(cluster[1].Node.CommitIndex < id.Index);
        cluster.Heal();
        cluster.Run(1);
        Assert.Equal(id.Index, cluster[5].Node.CommitIndex);
    }

    [Fact]
    public void Learners_keep_no_leader_in_office_and_confirm_no_read()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Isolate(2);
        cluster.Isolate(3);
        cluster[1].Node.ReadIndex(7, cluster.Now);
        cluster[1].Turn(cluster.Now);
        cluster.DeliverAll();
        Assert.Empty(cluster[1].ReadsReady);
        cluster.Run(1.5);
        Assert.False(cluster[1].IsLeader);
        Assert.Equal([7ul], cluster[1].ReadsFailed);
    }

    [Fact]
    public void A_learner_reads_by_asking_the_leader()
    {
        Cluster cluster = Changes.WithTwoLearners();
        EntryId id = cluster.Commit("x");
        cluster[4].Node.ReadIndex(3, cluster.Now);
        cluster[4].Turn(cluster.Now);
        cluster.DeliverAll();
        Assert.Equal([new ReadReady(3, id.Index)], cluster[4].ReadsReady);
    }

    [Fact]
    public void A_learner_never_campaigns_not_even_when_told_to()
    {
        var lone = new Lone(configuration: s_learns);
        lone.Step(2, new Heartbeat(T(1), I(0), 1));
        Assert.Empty(lone.Step(2, new TimeoutNow(T(1))));
        Assert.Equal(1, lone.Node.RefusedMessages);
        Assert.Empty(lone.Tick(20 * ElectionTimeout));
        Assert.Equal((Role.Follower, T(1), ReplicaId.None), (lone.Node.Role, lone.Node.Term, lone.Node.Leader));
    }

    [Fact]
    public void A_learner_votes_when_a_candidate_knows_it_as_voter()
    {
        // The candidate has the entry that promotes it, and needs it; the learner has not heard of that yet.
        var lone = new Lone(configuration: s_learns);
        Assert.Equal([new RequestVoteReply(T(1), true)], lone.Step(2, new RequestVote(T(1), Id(0, 0), false)));
    }

    [Fact]
    public void A_learner_is_no_target_of_a_transfer()
    {
        Cluster cluster = Changes.WithTwoLearners();
        Assert.False(cluster[1].Node.TransferLeadership(R(4), cluster.Now));
        Assert.False(cluster[1].Node.IsTransferringLeadership);
    }

    [Fact]
    public void Learners_do_not_elect()
    {
        var lone = new Lone(configuration: Configuration.Create(1, [M(1), M(2), M(3)], [M(4), M(5)]));
        Assert.Equal([R(2), R(3)], Asked(lone));
        lone.Step(4, new PreVoteReply(T(1), true));
        lone.Step(5, new PreVoteReply(T(1), true));
        Assert.Equal(Role.PreCandidate, lone.Node.Role);
        lone.Step(3, new PreVoteReply(T(1), true));
        Assert.Equal(Role.Candidate, lone.Node.Role);
        lone.Step(4, new RequestVoteReply(T(1), true));
        lone.Step(5, new RequestVoteReply(T(1), true));
        Assert.Equal(Role.Candidate, lone.Node.Role);
    }

    [Fact]
    public void A_learner_is_promoted_only_when_it_has_what_was_committed_an_election_timeout_ago()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Isolate(4);
        cluster.Commit("old");
        cluster.Run(1.5);
        cluster.Heal();
        cluster.Lose = (_, to, message) => to == R(4) && message is AppendEntries { Entries.IsEmpty: false };
        cluster.Run(0.5);
        Assert.Equal((false, false, ReplicationState.Probe), State(cluster, 4));
        MembershipAnswer answer = cluster.Change(cluster[1], Changes.Promote(4));
        Assert.Equal(MembershipOutcome.NotCaughtUp, answer.Outcome);
        Assert.Equal($"r4 lags by more than {ElectionTimeout}.", answer.Problem);
        Assert.Equal("1 2 3 learns 4 5", Changes.Shape(cluster[1]));
        cluster.Lose = (_, _, _) => false;
        cluster.Run(0.5);
        cluster.Complete(Changes.Promote(4));
        Assert.Equal("1 2 3 4 learns 5", Changes.Shape(cluster[1]));
    }

    [Fact]
    public void What_was_committed_just_now_keeps_no_learner_back()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Run(2);
        cluster.Cut(1, 4);
        cluster.Commit("new");
        Assert.True(cluster[1].Node.GetProgress(R(4))!.Value.Match < cluster[1].Node.CommitIndex);
        Assert.Equal(MembershipOutcome.Accepted, cluster.Change(cluster[1], Changes.Promote(4)).Outcome);
    }

    [Fact]
    public void A_learner_that_does_not_answer_is_not_promoted()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Crash(4);
        cluster.Run(1.5);
        Assert.Equal(MembershipOutcome.NotCaughtUp, cluster.Change(cluster[1], Changes.Promote(4)).Outcome);
        cluster.Restart(4);
        cluster.Run(0.5);
        Assert.Equal(MembershipOutcome.Accepted, cluster.Change(cluster[1], Changes.Promote(4)).Outcome);
    }

    [Fact]
    public void A_learner_is_removed_by_one_entry()
    {
        Cluster cluster = Changes.WithTwoLearners();
        LogIndex before = cluster[1].Node.LastEntry.Index;
        cluster.Complete(Changes.Remove(4));
        Assert.Equal(("1 2 3 learns 5", before.Next()), (Changes.Shape(cluster[1]), cluster[1].Node.LastEntry.Index));
        Assert.Null(cluster[1].Node.GetProgress(R(4)));
    }

    private static (bool IsVoter, bool IsCaughtUp, ReplicationState State) State(Cluster cluster, ulong id)
    {
        ProgressInfo info = cluster.Leader.Node.GetProgress(R(id))!.Value;
        return (info.IsVoter, info.IsCaughtUp, info.State);
    }

    private static IEnumerable<ReplicaId> Asked(Lone lone)
    {
        lone.BecomePreCandidate();
        return lone.Replica.Sent.Select(sent => sent.To);
    }
}
