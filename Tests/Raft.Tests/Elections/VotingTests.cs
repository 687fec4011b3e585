namespace Orleans.Raft.Core.Tests;

[Trait("Raft", "§5.4.1")]
public sealed class VotingTests
{
    [Fact]
    [Trait("Raft", "§5.2")]
    public void Replica_votes_once_in_a_term()
    {
        var lone = new Lone();
        Assert.Equal([new RequestVoteReply(T(1), true)], lone.Step(2, new RequestVote(T(1), EntryId.Zero, false)));
        Assert.Equal([new RequestVoteReply(T(1), false)], lone.Step(3, new RequestVote(T(1), EntryId.Zero, false)));
        Assert.Equal([new RequestVoteReply(T(1), true)], lone.Step(2, new RequestVote(T(1), EntryId.Zero, false)));
        Assert.Equal([new RequestVoteReply(T(2), true)], lone.Step(3, new RequestVote(T(2), EntryId.Zero, false)));
    }

    [Fact]
    [Trait("Raft", "§5.2")]
    public void Replica_remembers_its_vote_after_a_restart()
    {
        var lone = new Lone();
        lone.Step(2, new RequestVote(T(1), EntryId.Zero, false));
        lone.Replica.Crash();
        lone.Replica.Restart(lone.Now);
        lone.Wait(ElectionTimeout);
        Assert.Equal([new RequestVoteReply(T(1), false)], lone.Step(3, new RequestVote(T(1), EntryId.Zero, false)));
        Assert.Equal([new RequestVoteReply(T(1), true)], lone.Step(2, new RequestVote(T(1), EntryId.Zero, false)));
    }

    [Fact]
    public void Vote_request_carries_the_last_entry()
    {
        var lone = new Lone(disk: TestDisk.With(3, ReplicaId.None, 0, 1, 2, 2));
        lone.BecomePreCandidate();
        Assert.All(lone.Sent(), message => Assert.Equal(new PreVote(T(4), Id(2, 3)), message));
        Assert.All(lone.Step(2, new PreVoteReply(T(4), true)), message =>
            Assert.Equal(new RequestVote(T(4), Id(2, 3), false), message));
    }

    [Theory]
    [InlineData(1, 1, true)]
    [InlineData(1, 2, true)]
    [InlineData(2, 1, true)]
    [InlineData(0, 0, false)]
    public void Voter_with_one_entry_of_term_1_votes_for_logs_as_good(ulong term, ulong index, bool granted) =>
        VoterDecides([1], term, index, granted);

    [Theory]
    [InlineData(1, 1, false)]
    [InlineData(1, 2, true)]
    [InlineData(2, 1, true)]
    public void Voter_with_two_entries_of_term_1_refuses_a_shorter_log(ulong term, ulong index, bool granted) =>
        VoterDecides([1, 1], term, index, granted);

    [Theory]
    [InlineData(1, 1, false)]
    [InlineData(1, 9, false)]
    [InlineData(2, 1, true)]
    [InlineData(3, 1, true)]
    public void Voter_with_an_entry_of_term_2_refuses_an_older_log(ulong term, ulong index, bool granted) =>
        VoterDecides([2], term, index, granted);

    [Fact]
    public void Candidate_with_an_older_log_loses()
    {
        var cluster = new Cluster(3, disk: id => id == 1
            ? TestDisk.With(2, ReplicaId.None, 0, 1)
            : TestDisk.With(2, ReplicaId.None, 0, 1, 2));
        cluster.Campaign(1);
        Assert.False(cluster[1].IsLeader);
        cluster.Elect(2);
    }

    /// <summary>Time is what the driver says it is: ticks that gathered in a pause are one look at the clock.</summary>
    [Fact]
    public void Ticks_in_a_burst_shorten_no_promise()
    {
        var lone = new Lone();
        lone.Step(2, new Heartbeat(T(1), I(0), 1));
        lone.Wait(ElectionTimeout - TimeSpan.FromMilliseconds(1));
        for (int i = 0; i < 1000; i++) Assert.Empty(lone.Tick(TimeSpan.Zero));
        Assert.Equal((Role.Follower, R(2)), (lone.Node.Role, lone.Node.Leader));
        Assert.Equal([new PreVoteReply(T(1), false)], lone.Step(3, new PreVote(T(7), Id(6, 9))));
    }

    [Fact]
    [Trait("Thesis", "§4.2.3")]
    public void Follower_that_hears_a_leader_refuses_votes_and_keeps_its_term()
    {
        var lone = new Lone();
        lone.Step(2, new Heartbeat(T(1), I(0), 1));
        lone.Wait(ElectionTimeout - TimeSpan.FromMilliseconds(1));
        Assert.Empty(lone.Step(3, new RequestVote(T(7), Id(6, 9), false)));
        Assert.Equal([new PreVoteReply(T(1), false)], lone.Step(3, new PreVote(T(7), Id(6, 9))));
        Assert.Equal((T(1), R(2)), (lone.Node.Term, lone.Node.Leader));
        lone.Wait(TimeSpan.FromMilliseconds(1));
        Assert.Equal([new PreVoteReply(T(7), true)], lone.Step(3, new PreVote(T(7), Id(6, 9))));
        Assert.Equal([new RequestVoteReply(T(7), true)], lone.Step(3, new RequestVote(T(7), Id(6, 9), false)));
    }

    [Fact]
    [Trait("Thesis", "§4.2.3")]
    public void Leader_is_not_disrupted_by_a_candidate_with_a_higher_term()
    {
        Lone lone = new Lone().BecomeLeader();
        Assert.Empty(lone.Step(3, new RequestVote(T(9), Id(8, 9), false)));
        Assert.Equal([new PreVoteReply(T(1), false)], lone.Step(3, new PreVote(T(9), Id(8, 9))));
        Assert.Equal((Role.Leader, T(1)), (lone.Node.Role, lone.Node.Term));
    }

    [Fact]
    [Trait("Thesis", "§3.10")]
    public void Follower_votes_for_a_transfer_although_it_hears_the_leader()
    {
        var lone = new Lone();
        lone.Step(2, new Heartbeat(T(1), I(0), 1));
        Assert.Equal([new RequestVoteReply(T(2), true)], lone.Step(3, new RequestVote(T(2), EntryId.Zero, true)));
    }

    [Fact]
    public void Restarted_replica_refuses_votes_for_one_election_timeout()
    {
        var lone = new Lone(disk: TestDisk.With(4, ReplicaId.None, 0));
        lone.Wait(ElectionTimeout - TimeSpan.FromMilliseconds(1));
        Assert.Empty(lone.Step(2, new RequestVote(T(5), EntryId.Zero, false)));
        Assert.Equal([new RequestVoteReply(T(4), false)], lone.Step(2, new RequestVote(T(4), EntryId.Zero, false)));
        Assert.Equal([new PreVoteReply(T(4), false)], lone.Step(2, new PreVote(T(5), EntryId.Zero)));
        Assert.Equal([], lone.Tick(TimeSpan.Zero));
        lone.Wait(TimeSpan.FromMilliseconds(1));
        Assert.Equal([new RequestVoteReply(T(5), true)], lone.Step(2, new RequestVote(T(5), EntryId.Zero, false)));
    }

    [Fact]
    public void New_replica_votes_at_once() =>
        Assert.Equal([new RequestVoteReply(T(1), true)], new Lone()
            .Step(2, new RequestVote(T(1), EntryId.Zero, false)));

    [Fact]
    public void Own_campaign_waits_an_election_timeout_after_the_leader_was_heard()
    {
        for (ulong seed = 0; seed < 100; seed++)
        {
            var lone = new Lone(seed: seed);
            lone.Tick(TimeSpan.FromMilliseconds(499));
            lone.Step(2, new Heartbeat(T(1), I(0), 1));
            Assert.Empty(lone.Tick(ElectionTimeout - TimeSpan.FromMilliseconds(1)));
            Assert.Equal(Role.Follower, lone.Node.Role);
        }
    }

    [Fact]
    [Trait("Thesis", "§9.6")]
    public void PreVote_changes_nothing_at_the_receiver()
    {
        var lone = new Lone();
        Assert.Equal([new PreVoteReply(T(1), true)], lone.Step(2, new PreVote(T(1), EntryId.Zero)));
        Assert.Equal([new PreVoteReply(T(1), true)], lone.Step(3, new PreVote(T(1), EntryId.Zero)));
        Assert.Equal(T(0), lone.Node.Term);
        Assert.Equal(default, lone.Replica.Disk.HardState);
    }

    [Fact]
    [Trait("Thesis", "§9.6")]
    public void PreVote_is_refused_to_an_older_log_and_to_an_older_term()
    {
        var lone = new Lone(disk: TestDisk.With(4, ReplicaId.None, 0, 1, 3));
        lone.Wait(ElectionTimeout);
        Assert.Equal([new PreVoteReply(T(4), false)], lone.Step(2, new PreVote(T(5), Id(3, 1))));
        Assert.Equal([new PreVoteReply(T(4), false)], lone.Step(2, new PreVote(T(4), Id(3, 9))));
        Assert.Equal([new PreVoteReply(T(5), true)], lone.Step(2, new PreVote(T(5), Id(3, 2))));
    }

    [Fact]
    [Trait("Thesis", "§9.6")]
    public void Pre_candidate_that_votes_for_another_gives_up_its_own_campaign()
    {
        Lone lone = new Lone(disk: TestDisk.With(1, ReplicaId.None, 0)).BecomePreCandidate();
        Assert.Equal([new RequestVoteReply(T(1), true)], lone.Step(2, new RequestVote(T(1), EntryId.Zero, false)));
        lone.Step(3, new PreVoteReply(T(2), true));
        Assert.Equal((Role.Follower, T(1)), (lone.Node.Role, lone.Node.Term));
    }

    [Fact]
    [Trait("Thesis", "§9.6")]
    public void Isolated_replica_keeps_its_term_and_disrupts_nobody_when_it_returns()
    {
        var cluster = new Cluster(3);
        cluster.Elect(1);
        Term term = cluster.Leader.Node.Term;
        cluster.Isolate(3);
        cluster.Run(10);
        Assert.Equal(term, cluster[3].Node.Term);
        cluster.Heal();
        cluster.Run(3);
        Assert.Equal((term, R(1)), (cluster[3].Node.Term, cluster[3].Node.Leader));
        Assert.Equal(1, cluster.Checker.Elections);
    }

    [Fact]
    public void Replica_stuck_in_a_higher_term_rejoins_although_the_leader_lives()
    {
        var cluster = new Cluster(3, disk: id => TestDisk.With(id == 3 ? 10ul : 1, ReplicaId.None, 0));
        cluster.Isolate(3);
        cluster.Elect(1);
        cluster.Heal();
        cluster.Run(6);
        Assert.All(cluster.Replicas, replica => Assert.True(replica.Node.Term > T(10)));
        cluster.Commit("together");
        cluster.AssertLogsAgree();
    }

    [Fact]
    public void Pre_candidates_do_not_block_each_other_when_the_higher_term_has_the_older_log()
    {
        var cluster = new Cluster(2, disk: id => id == 1
            ? TestDisk.With(5, ReplicaId.None, 0, 1, 5)
            : TestDisk.With(10, ReplicaId.None, 0, 1));
        cluster.ElectAny();
        Assert.True(cluster[1].IsLeader);
    }

    [Fact]
    [Trait("Thesis", "§6.2")]
    public void Leader_steps_down_when_no_quorum_answers_within_an_election_timeout()
    {
        var cluster = new Cluster(5);
        cluster.Elect(1);
        cluster.Partition(1, 2);
        cluster.Run(1.1);
        Assert.Equal(Role.Follower, cluster[1].Node.Role);
        Assert.True(cluster[1].Node.Leader.IsNone);
        Assert.Equal(ProposeOutcome.NotLeader, cluster[1].Node.Propose(Bytes("x"), cluster.Now, out _));
    }

    [Fact]
    [Trait("Thesis", "§6.2")]
    public void Leader_stays_when_a_bare_quorum_answers()
    {
        var cluster = new Cluster(5);
        cluster.Elect(1);
        cluster.Partition(4, 5);
        cluster.Run(10);
        Assert.True(cluster[1].IsLeader);
    }

    [Fact]
    public void Replica_that_stepped_down_does_not_campaign_for_a_full_timeout()
    {
        Lone lone = new Lone().BecomeLeader();
        Term term = lone.Node.Term;
        lone.Node.StepDown(lone.Now);
        lone.Turn();
        Assert.Equal((Role.Follower, term), (lone.Node.Role, lone.Node.Term));
        Assert.Empty(lone.Tick(ElectionTimeout - TimeSpan.FromMilliseconds(1)));
        lone.BecomePreCandidate();
    }

    [Fact]
    public void Strangers_and_nonsense_are_refused_and_counted()
    {
        Lone lone = new Lone().BecomeLeader();
        (ulong From, RaftMessage Message)[] refused =
        [
            (0, new Heartbeat(T(9), I(0), 1)),
            (1, new RequestVoteReply(T(9), true)),
            (2, new SnapshotChunk(T(9), Id(1, 1), 0, 1, 0, default)),
            (2, new SnapshotChunkReply(T(9), Id(1, 1), 0)),
            (2, new Unheard(T(9))),
            (2, new Heartbeat(T(0), I(0), 1)),
            (2, new Heartbeat(T(ulong.MaxValue), I(0), 1)),
            (2, new RequestVote(T(9), Id(9, 4), true)),
            (2, new RequestVote(T(9), Id(0, 4), true)),
            (2, new AppendEntries(T(9), Id(1, 1), Entries(2, 1), I(0))),
            (2, new AppendEntries(T(9), Id(2, 1), Entries(1, 1), I(0))),
            (2, new AppendEntries(T(9), Id(1, 1), Entries(1, 10), I(0))),
            (2, new AppendEntries(T(9), Id(1, ulong.MaxValue), default, I(0))),
            (2, new InstallSnapshot(T(9), Id(0, 0), Simple(3))),
            (2, new InstallSnapshot(T(9), Id(10, 5), Simple(3))),
            (2, new AppendEntriesReply(T(1), I(99))),
            (2, new HeartbeatReply(T(1), 99, I(0))),
            (2, new TimeoutNow(T(1))),
        ];
        foreach ((ulong from, RaftMessage message) in refused)
        {
            long before = lone.Node.RefusedMessages;
            lone.Step(from, message);
            Assert.True(lone.Node.RefusedMessages == before + 1, $"{message} was taken");
        }

        Assert.Equal((Role.Leader, T(1)), (lone.Node.Role, lone.Node.Term));
    }

    [Fact]
    public void Two_leaders_in_a_term_are_an_invariant_violation()
    {
        Lone leader = new Lone().BecomeLeader();
        Assert.Throws<InvariantViolationException>(() => leader.Step(2, new Heartbeat(T(1), I(0), 1)));
        var follower = new Lone();
        follower.Step(2, new Heartbeat(T(1), I(0), 1));
        Assert.Throws<InvariantViolationException>(() => follower.Step(3, new Heartbeat(T(1), I(0), 1)));
    }

    private static void VoterDecides(ulong[] log, ulong term, ulong index, bool granted)
    {
        var lone = new Lone(disk: TestDisk.With(3, ReplicaId.None, 0, log));
        lone.Wait(ElectionTimeout);
        Assert.Equal([new RequestVoteReply(T(4), granted)],
            lone.Step(2, new RequestVote(T(4), Id(term, index), false)));
    }

    private sealed record Unheard(Term Term) : RaftMessage(Term);
}
