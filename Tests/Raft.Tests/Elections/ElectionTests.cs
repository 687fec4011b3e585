namespace Orleans.Raft.Core.Tests;

[Trait("Raft", "§5.2")]
public sealed class ElectionTests
{
    [Fact]
    public void A_replica_that_is_told_to_campaigns_at_once_unless_it_follows_somebody()
    {
        var lone = new Lone();
        lone.Node.CampaignNow(lone.Now);
        Assert.Equal(2, lone.Turn().OfType<PreVote>().Count());
        lone.Node.CampaignNow(lone.Now);
        Assert.Equal(2, lone.Turn().OfType<PreVote>().Count());
        lone.Step(2, new Heartbeat(T(1), LogIndex.Zero, 1));
        lone.Node.CampaignNow(lone.Now);
        Assert.Empty(lone.Turn());
        Assert.Equal(Role.Follower, lone.Node.Role);
    }

    /// <summary>A leader's lease rests on what those who answered it promised, and it counts them: so nobody may be led by
    /// somebody else meanwhile, nor lead.</summary>
    [Fact]
    [Trait("Raft", "Thesis §6.4.1")]
    public void A_replica_that_heard_a_leader_a_moment_ago_does_not_campaign_although_it_is_told_to()
    {
        var lone = new Lone();
        lone.Step(2, new Heartbeat(T(1), LogIndex.Zero, 1));
        lone.PersistAll();
        lone.Step(3, new PreVoteReply(T(2), Granted: false));
        Assert.True(lone.Node.Leader.IsNone);
        lone.Node.CampaignNow(lone.Now);
        Assert.DoesNotContain(lone.Turn(), message => message is PreVote);
        lone.Wait(Make.Options(1).ElectionTimeout);
        lone.Node.CampaignNow(lone.Now);
        Assert.Equal(2, lone.Turn().OfType<PreVote>().Count());
    }

    [Fact]
    public void Replica_starts_as_follower()
    {
        var lone = new Lone();
        Assert.Equal(Role.Follower, lone.Node.Role);
        Assert.Equal(T(0), lone.Node.Term);
        Assert.True(lone.Node.Leader.IsNone);
    }

    [Theory]
    [InlineData(Role.Follower)]
    [InlineData(Role.PreCandidate)]
    [InlineData(Role.Candidate)]
    [InlineData(Role.Leader)]
    [Trait("Raft", "§5.1")]
    public void Replica_takes_over_a_newer_term_from_a_message(Role role)
    {
        Lone lone = In(role);
        lone.Step(2, Append(lone.Node.Term.Value + 5, EntryId.Zero, 0));
        Assert.Equal(Role.Follower, lone.Node.Role);
        Assert.Equal(R(2), lone.Node.Leader);
        Assert.Equal(lone.Node.Term, lone.Replica.Disk.HardState.Term);
    }

    [Fact]
    public void Replica_ignores_messages_of_older_terms()
    {
        Lone lone = new Lone().BecomeLeader();
        Term term = lone.Node.Term;
        lone.Step(2, Append(term.Value + 3, EntryId.Zero, 0));
        LogIndex last = lone.Node.LastEntry.Index;
        lone.Step(3, Append(term.Value, EntryId.Zero, 0, 1));
        lone.Step(3, new AppendEntriesReply(term, I(9)));
        lone.Step(3, new TimeoutNow(term));
        lone.Step(3, new HeartbeatReply(term, 1, I(9)));
        Assert.Equal((term.Value + 3, R(2), last), (lone.Node.Term.Value, lone.Node.Leader, lone.Node.LastEntry.Index));
    }

    [Fact]
    public void Leader_sends_heartbeats_every_interval()
    {
        Lone lone = new Lone().BecomeLeader().AcknowledgeAll();
        Assert.Empty(lone.Tick(HeartbeatInterval - TimeSpan.FromMilliseconds(1)));
        Assert.Equal(2, lone.Tick(TimeSpan.FromMilliseconds(1)).OfType<Heartbeat>().Count());
        Assert.Empty(lone.Tick(TimeSpan.FromMilliseconds(50)));
        Assert.Equal(2, lone.Tick(TimeSpan.FromMilliseconds(50)).OfType<Heartbeat>().Count());
    }

    [Fact]
    public void Follower_without_a_leader_campaigns()
    {
        Lone lone = new Lone().BecomePreCandidate();
        Assert.Equal([new PreVote(T(1), EntryId.Zero), new PreVote(T(1), EntryId.Zero)], lone.Sent());
        Assert.Equal(T(0), lone.Node.Term);
        List<RaftMessage> sent = lone.Step(2, new PreVoteReply(T(1), true));
        Assert.Equal(Role.Candidate, lone.Node.Role);
        Assert.Equal(new HardState(T(1), R(1), I(0)), lone.Replica.Disk.HardState);
        Assert.Equal([new RequestVote(T(1), EntryId.Zero, false), new RequestVote(T(1), EntryId.Zero, false)], sent);
    }

    [Fact]
    public void Candidate_that_wins_nothing_campaigns_again()
    {
        Lone lone = new Lone().BecomeCandidate();
        List<RaftMessage> sent = lone.Tick(2 * ElectionTimeout);
        Assert.Equal(Role.PreCandidate, lone.Node.Role);
        Assert.All(sent, message => Assert.Equal(T(2), Assert.IsType<PreVote>(message).Term));
        lone.Step(3, new PreVoteReply(T(2), true));
        Assert.Equal((Role.Candidate, T(2)), (lone.Node.Role, lone.Node.Term));
    }

    [Theory]
    [InlineData(3, 0, 0, Role.Candidate)]
    [InlineData(3, 1, 0, Role.Leader)]
    [InlineData(3, 0, 1, Role.Candidate)]
    [InlineData(3, 0, 2, Role.Follower)]
    [InlineData(5, 1, 0, Role.Candidate)]
    [InlineData(5, 2, 0, Role.Leader)]
    [InlineData(5, 2, 2, Role.Leader)]
    [InlineData(5, 1, 3, Role.Follower)]
    [InlineData(5, 1, 2, Role.Candidate)]
    [InlineData(4, 1, 0, Role.Candidate)]
    [InlineData(4, 2, 0, Role.Leader)]
    [InlineData(2, 1, 0, Role.Leader)]
    public void Election_is_decided_in_one_round_by_majority(int size, int granted, int refused, Role role)
    {
        Lone lone = new Lone(size).BecomeCandidate();
        ulong from = 2;
        for (int i = 0; i < granted; i++) lone.Step(from++, new RequestVoteReply(T(1), true));
        for (int i = 0; i < refused; i++) lone.Step(from++, new RequestVoteReply(T(1), false));
        Assert.Equal(role, lone.Node.Role);
    }

    [Fact]
    public void Vote_counts_once_however_often_it_arrives()
    {
        Lone lone = new Lone(5).BecomeCandidate();
        for (int i = 0; i < 5; i++) lone.Step(2, new RequestVoteReply(T(1), true));
        Assert.Equal(Role.Candidate, lone.Node.Role);
        lone.Step(3, new RequestVoteReply(T(1), true));
        Assert.Equal(Role.Leader, lone.Node.Role);
    }

    [Theory]
    [InlineData(Role.PreCandidate)]
    [InlineData(Role.Candidate)]
    public void Candidate_falls_back_when_a_leader_of_its_term_appears(Role role)
    {
        foreach (RaftMessage message in new RaftMessage[] { Append(1, EntryId.Zero, 0), new Heartbeat(T(1), I(0), 1) })
        {
            Lone lone = In(role);
            lone.Step(3, message);
            Assert.Equal((Role.Follower, R(3), T(1)), (lone.Node.Role, lone.Node.Leader, lone.Node.Term));
        }
    }

    [Fact]
    public void Election_timeouts_are_random_between_one_and_two_timeouts()
    {
        var candidate = new HashSet<int>();
        var follower = new HashSet<int>();
        for (ulong seed = 0; seed < 300; seed++)
        {
            var lone = new Lone(seed: seed);
            follower.Add(MillisecondsUntilCampaign(lone, T(1)));
            lone.Step(2, new PreVoteReply(T(1), true));
            candidate.Add(MillisecondsUntilCampaign(lone, T(2)));
        }

        foreach (HashSet<int> waits in new[] { follower, candidate })
        {
            Assert.All(waits, wait => Assert.InRange(wait, 500, 1_000));
            Assert.True(waits.Min() < 530 && waits.Max() > 970 && waits.Count > 40, $"{waits.Count} different waits");
        }
    }

    [Fact]
    public void Elections_rarely_collide()
    {
        int collisions = 0;
        for (ulong seed = 0; seed < 500; seed++)
        {
            int[] waits = [.. Enumerable.Range(1, 5)
                .Select(id => MillisecondsUntilCampaign(new Lone(seed: (seed * 10) + (ulong)id), T(1)))];
            if (waits.Count(wait => wait == waits.Min()) > 1) collisions++;
        }

        Assert.True(collisions < 150, $"{collisions} of 500");
    }

    [Fact]
    public void Every_replica_can_be_elected_in_turn()
    {
        var cluster = new Cluster(3);
        for (ulong round = 0; round < 6; round++)
        {
            ulong id = (round % 3) + 1;
            cluster.Elect(id);
            Assert.All(cluster.Replicas, replica => Assert.Equal(R(id), replica.Node.Leader));
        }
    }

    [Theory]
    [InlineData(Role.Follower)]
    [InlineData(Role.PreCandidate)]
    [InlineData(Role.Candidate)]
    [InlineData(Role.Leader)]
    public void Replica_votes_whatever_its_role(Role role)
    {
        Lone lone = In(role);
        // A leader lets go only for a transfer; the others hear of no leader.
        bool isTransfer = role == Role.Leader;
        List<RaftMessage> sent =
            lone.Step(2, new RequestVote(lone.Node.Term.Next(), Id(9, 9) with { Term = lone.Node.Term }, isTransfer));
        Assert.Contains(new RequestVoteReply(lone.Node.Term, true), sent);
        Assert.Equal(Role.Follower, lone.Node.Role);
        Assert.Equal(R(2), lone.Replica.Disk.HardState.VotedFor);
    }

    [Fact]
    public void Sole_voter_leads_after_its_write()
    {
        var lone = new Lone(1);
        Assert.Equal((Role.Leader, T(1)), (lone.Node.Role, lone.Node.Term));
        Assert.Equal(I(1), lone.Node.CommitIndex);
    }

    [Fact]
    public void Partitioned_candidate_follows_the_leader_of_a_newer_term_when_it_hears_it()
    {
        foreach (bool byAppend in new[] { false, true })
        {
            var cluster = new Cluster(3);
            cluster.Isolate(3);
            cluster.Elect(1);
            cluster.Run(3);
            Assert.Equal(Role.PreCandidate, cluster[3].Node.Role);
            cluster.Heal();
            if (byAppend) cluster.Propose("x");
            cluster.Run(HeartbeatInterval);
            cluster.Run(HeartbeatInterval);
            Assert.Equal((Role.Follower, R(1)), (cluster[3].Node.Role, cluster[3].Node.Leader));
            cluster.AssertLogsAgree();
        }
    }

    [Fact]
    public void Leader_does_not_campaign_while_a_quorum_answers()
    {
        var cluster = new Cluster(3);
        cluster.ElectAny();
        Term term = cluster.Leader.Node.Term;
        cluster.Run(20);
        Assert.Equal(term, cluster.Leader.Node.Term);
        Assert.Equal(1, cluster.Checker.Elections);
    }

    [Fact]
    public void Split_vote_is_decided_by_a_later_election()
    {
        Lone one = new Lone(4).BecomeCandidate();
        one.Step(2, new RequestVoteReply(T(1), true));
        one.Step(3, new RequestVoteReply(T(1), false));
        one.Step(4, new RequestVoteReply(T(1), false));
        Assert.Equal(Role.Candidate, one.Node.Role);

        var cluster = new Cluster(4);
        cluster.Now += 2 * ElectionTimeout;
        foreach (Replica replica in cluster.Replicas) replica.Tick(cluster.Now);
        cluster.ElectAny();
    }

    [Fact]
    public void Duelling_candidates_one_concedes()
    {
        var cluster = new Cluster(3);
        cluster.Cut(1, 3);
        cluster.Campaign(1);
        Assert.True(cluster[1].IsLeader);
        cluster.Campaign(3);
        Assert.Equal(Role.Follower, cluster[2].Node.Role);
        Assert.NotEqual(Role.Leader, cluster[3].Node.Role);
        cluster.Heal();
        cluster.Run(4);
        Assert.Single(cluster.Replicas, replica => replica.IsLeader);
        cluster.Commit("after");
        cluster.AssertLogsAgree();
    }

    [Fact]
    public void Candidate_concedes_and_takes_the_winners_log()
    {
        var cluster = new Cluster(3);
        cluster.Isolate(1);
        cluster.Campaign(1);
        cluster.Elect(3);
        cluster.Commit("data");
        cluster.Heal();
        cluster.Run(1);
        Assert.Equal(Role.Follower, cluster[1].Node.Role);
        Assert.Equal(["data"], Cluster.Commands(cluster[1]));
    }

    private static Lone In(Role role)
    {
        // All in term 1.
        var lone = new Lone(disk: TestDisk.With(role is Role.Candidate or Role.Leader ? 0ul : 1, ReplicaId.None, 0));
        lone.Wait(ElectionTimeout);
        return role switch
        {
            Role.PreCandidate => lone.BecomePreCandidate(),
            Role.Candidate => lone.BecomeCandidate(),
            Role.Leader => lone.BecomeLeader(),
            _ => lone,
        };
    }

    private static int MillisecondsUntilCampaign(Lone lone, Term asked)
    {
        for (int waited = 10; ; waited += 10)
        {
            if (lone.Tick(TimeSpan.FromMilliseconds(10)).Contains(new PreVote(asked, EntryId.Zero))) return waited;
        }
    }
}
