namespace Orleans.Raft.Core.Tests;

[Trait("Raft", "§5.3")]
public sealed class LeaderTests
{
    [Fact]
    [Trait("Raft", "§8")]
    public void New_leader_appends_a_no_op_and_sends_it_at_once()
    {
        Lone lone = new Lone(disk: TestDisk.With(1, ReplicaId.None, 0, 1, 1)).BecomeLeader();
        AppendEntries append = Assert.IsType<AppendEntries>(lone.SentTo(2)[^1]);
        Assert.Equal(Id(1, 2), append.Previous);
        Assert.Equal((EntryKind.NoOp, Id(2, 3), 0),
            (append.Entries.Span[0].Kind, append.Entries.Span[0].Id, append.Entries.Span[0].Payload.Length));
    }

    [Fact]
    public void Leader_appends_a_proposal_and_sends_it_with_what_precedes_it()
    {
        Lone lone = new Lone().BecomeLeader().AcknowledgeAll();
        Assert.Equal(ProposeOutcome.Appended, lone.Propose("x"));
        foreach (ulong other in lone.Others)
        {
            AppendEntries append = Assert.IsType<AppendEntries>(Assert.Single(lone.SentTo(other)));
            Assert.Equal((Id(1, 1), I(1), 1), (append.Previous, append.LeaderCommit, append.Entries.Length));
            Assert.True(append.Entries.Span[0].Payload.Span.SequenceEqual(Bytes("x").Span));
        }
    }

    [Fact]
    public void Proposals_of_one_turn_travel_together()
    {
        Lone lone = new Lone().BecomeLeader().AcknowledgeAll();
        for (int i = 0; i < 10; i++) lone.Node.Propose(Bytes("x"), lone.Now, out _);
        lone.Turn();
        AppendEntries append = Assert.IsType<AppendEntries>(Assert.Single(lone.SentTo(2)));
        Assert.Equal(10, append.Entries.Length);
    }

    [Fact]
    public void Replica_that_does_not_lead_takes_no_proposal()
    {
        var lone = new Lone();
        Assert.Equal(ProposeOutcome.NotLeader, lone.Propose("x"));
        Assert.Equal(ProposeOutcome.NotLeader, lone.BecomePreCandidate().Propose("x"));
        lone.Step(2, new PreVoteReply(T(1), true));
        Assert.Equal(ProposeOutcome.NotLeader, lone.Propose("x"));
        Assert.Equal(EntryId.Zero, lone.Node.LastEntry);
    }

    [Theory]
    [InlineData(1, new ulong[0], true)]
    [InlineData(3, new ulong[0], false)]
    [InlineData(3, new ulong[] { 2 }, true)]
    [InlineData(3, new ulong[] { 2, 3 }, true)]
    [InlineData(5, new ulong[] { 2 }, false)]
    [InlineData(5, new ulong[] { 2, 2, 2 }, false)]
    [InlineData(5, new ulong[] { 2, 3 }, true)]
    [InlineData(5, new ulong[] { 2, 3, 4, 5 }, true)]
    public void Leader_commits_what_a_majority_acknowledged(int size, ulong[] acknowledging, bool commits)
    {
        Lone lone = size == 1 ? new Lone(1) : new Lone(size).BecomeLeader();
        lone.Propose("x");
        foreach (ulong from in acknowledging) lone.Step(from, new AppendEntriesReply(T(1), I(2)));
        Assert.Equal(commits ? I(2) : I(0), lone.Node.CommitIndex);
        Assert.Equal(commits ? ["x"] : [], Cluster.Commands(lone.Replica));
    }

    [Theory]
    [InlineData(new ulong[0])]
    [InlineData(new ulong[] { 2 })]
    [InlineData(new ulong[] { 1, 2 })]
    [InlineData(new ulong[] { 1 })]
    [Trait("Raft", "§5.4.2")]
    public void Leader_commits_the_entries_before_its_own(ulong[] older)
    {
        Lone lone = new Lone(disk: TestDisk.With(2, ReplicaId.None, 0, older)).BecomeLeader();
        lone.AcknowledgeAll();
        Assert.Equal(I((ulong)older.Length + 1), lone.Node.CommitIndex);
        Assert.Equal(older.Length + 1, lone.Replica.Applied.Count);
    }

    [Fact]
    [Trait("Raft", "§5.4.2")]
    public void Leader_does_not_commit_an_older_term_by_counting_replicas()
    {
        Lone lone = new Lone(5, TestDisk.With(2, ReplicaId.None, 0, 1, 2)).BecomeLeader();
        foreach (ulong other in lone.Others) lone.Step(other, new AppendEntriesReply(T(3), I(2)));
        Assert.Equal(I(0), lone.Node.CommitIndex);
        lone.Step(2, new AppendEntriesReply(T(3), I(3)));
        Assert.Equal(I(0), lone.Node.CommitIndex);
        lone.Step(3, new AppendEntriesReply(T(3), I(3)));
        Assert.Equal(I(3), lone.Node.CommitIndex);
    }

    [Fact]
    [Trait("Raft", "§5.4.2")]
    public void Earlier_entries_commit_only_with_an_entry_of_the_new_term()
    {
        var cluster = new Cluster(5);
        cluster.Elect(1);
        cluster.Commit("first");
        cluster.Partition(1, 2);
        cluster.Propose(cluster[1], "orphan");
        cluster.DeliverAll();
        Assert.Equal(I(2), cluster[1].Node.CommitIndex);
        cluster.Heal();
        cluster.Lose = (_, _, message) => message is AppendEntries;
        cluster.Elect(2);
        Assert.Equal(I(2), cluster[2].Node.CommitIndex);
        cluster.Lose = (_, _, _) => false;
        cluster.Run(1);
        Assert.Contains("orphan", Cluster.Commands(cluster[5]));
        cluster.AssertLogsAgree();
    }

    [Fact]
    public void Sole_voter_commits_once_its_write_is_durable()
    {
        var lone = new Lone(1);
        lone.Replica.PersistsAtOnce = false;
        lone.Propose("x");
        Assert.Equal(I(1), lone.Node.CommitIndex);
        lone.PersistOne();
        Assert.Equal(I(2), lone.Node.CommitIndex);
    }

    [Fact]
    public void Leader_raises_match_and_next_only_by_newer_acknowledgements()
    {
        Lone lone = new Lone().BecomeLeader().AcknowledgeAll();
        for (int i = 0; i < 5; i++) lone.Propose("x");
        Assert.Equal((I(1), I(7), ReplicationState.Replicate), See(lone, 2));
        lone.Step(2, new AppendEntriesReply(T(1), I(5)));
        lone.Step(2, new AppendEntriesReply(T(1), I(3)));
        lone.Step(2, new AppendEntriesReply(T(1), I(1)));
        Assert.Equal((I(5), I(7), ReplicationState.Replicate), See(lone, 2));
        Assert.Equal(I(5), lone.Node.CommitIndex);
        Assert.Equal(1, lone.Node.GetProgress(R(2))!.Value.InFlightAppends);
        Assert.Null(lone.Node.GetProgress(R(9)));
        Assert.Null(new Lone().Node.GetProgress(R(2)));
    }

    [Fact]
    public void Rejection_that_is_late_is_ignored()
    {
        Lone lone = new Lone().BecomeLeader().AcknowledgeAll();
        lone.Propose("x");
        lone.Step(2, new AppendEntriesReply(T(1), I(2)));
        Assert.Empty(lone.Step(2, new AppendEntriesRejection(T(1), I(1), T(0), I(1))));
        Assert.Empty(lone.Step(2, new AppendEntriesRejection(T(1), I(0), T(0), I(1))));
        Assert.Equal((I(2), I(3), ReplicationState.Replicate), See(lone, 2));
    }

    [Fact]
    public void Rejection_of_an_earlier_probe_is_ignored()
    {
        Lone lone = new Lone(disk: TestDisk.With(5, ReplicaId.None, 0, 1, 2, 3, 4, 5)).BecomeLeader();
        lone.Step(2, new AppendEntriesRejection(T(6), I(5), T(0), I(3)));
        Assert.Equal((I(0), I(3), ReplicationState.Probe), See(lone, 2));
        Assert.Empty(lone.Step(2, new AppendEntriesRejection(T(6), I(5), T(0), I(1))));
        Assert.Equal((I(0), I(3), ReplicationState.Probe), See(lone, 2));
    }

    [Fact]
    public void Probe_sends_one_append_at_a_time()
    {
        Lone lone = new Lone().BecomeLeader();
        Assert.Single(lone.SentTo(2).OfType<AppendEntries>());
        lone.Propose("x");
        Assert.Empty(lone.SentTo(2));
        lone.Step(2, new AppendEntriesReply(T(1), I(1)));
        Assert.Equal(1, Assert.IsType<AppendEntries>(Assert.Single(lone.SentTo(2))).Entries.Length);
        lone.Propose("y");
        Assert.Single(lone.SentTo(2));
        lone.Propose("z");
        Assert.Single(lone.SentTo(2));
    }

    [Fact]
    public void Lost_probe_is_repeated_after_a_later_heartbeat_is_answered()
    {
        Lone lone = new Lone().BecomeLeader();
        lone.Tick(HeartbeatInterval);
        Assert.IsType<AppendEntries>(Assert.Single(lone.Step(2, new HeartbeatReply(T(1), 1, I(0)))));
        Assert.Empty(lone.Step(2, new HeartbeatReply(T(1), 1, I(0))));
    }

    [Fact]
    public void Window_bounds_the_appends_in_flight()
    {
        Lone lone = new Lone(change: options => options with { MaxInFlightAppends = 3 }).BecomeLeader()
            .AcknowledgeAll();
        for (int i = 0; i < 10; i++) lone.Propose("x");
        Assert.Equal(3, lone.Node.GetProgress(R(2))!.Value.InFlightAppends);
        List<RaftMessage> sent = lone.Step(2, new AppendEntriesReply(T(1), I(2)));
        Assert.Equal(7, Assert.IsType<AppendEntries>(Assert.Single(sent)).Entries.Length);
        Assert.Equal(3, lone.Node.GetProgress(R(2))!.Value.InFlightAppends);
    }

    [Fact]
    public void Window_bounds_the_bytes_in_flight_and_a_large_entry_travels_alone()
    {
        Lone lone = new Lone(change: options => options with { MaxInFlightBytes = 100, MaxAppendBytes = 60 })
            .BecomeLeader().AcknowledgeAll();
        foreach (int size in new[] { 40, 40, 40, 500, 10 }) lone.Node.Propose(new byte[size], lone.Now, out _);
        lone.Turn();
        Assert.Equal([40, 40], Sizes(lone));
        lone.Step(2, new AppendEntriesReply(T(1), I(2)));
        Assert.Equal([40], Sizes(lone));
        lone.Step(2, new AppendEntriesReply(T(1), I(4)));
        Assert.Equal([500], Sizes(lone));
        lone.Step(2, new AppendEntriesReply(T(1), I(5)));
        Assert.Equal([10], Sizes(lone));
        Assert.Equal(10, lone.Node.GetProgress(R(2))!.Value.InFlightBytes);
    }

    [Fact]
    public void Leader_answers_busy_beyond_the_uncommitted_bound_and_recovers()
    {
        Lone lone = new Lone(change: options => options with { MaxUncommittedBytes = 100 }).BecomeLeader()
            .AcknowledgeAll();
        Assert.Equal(ProposeOutcome.Appended, lone.Node.Propose(new byte[300], lone.Now, out _));
        Assert.Equal(ProposeOutcome.Busy, lone.Node.Propose(new byte[1], lone.Now, out EntryId id));
        Assert.Equal(EntryId.Zero, id);
        lone.Turn();
        lone.AcknowledgeAll();
        Assert.Equal(ProposeOutcome.Appended, lone.Node.Propose(new byte[60], lone.Now, out _));
        Assert.Equal(ProposeOutcome.Appended, lone.Node.Propose(new byte[40], lone.Now, out _));
        Assert.Equal(ProposeOutcome.Busy, lone.Node.Propose(new byte[1], lone.Now, out _));
    }

    [Fact]
    public void New_leader_counts_the_uncommitted_entries_it_inherits()
    {
        Lone lone = new Lone(disk: TestDisk.With(1, ReplicaId.None, 1, 1, 1, 1), change: options =>
            options with { MaxUncommittedBytes = 10 }).BecomeLeader();
        Assert.Equal(ProposeOutcome.Appended, lone.Propose("1234"));
        Assert.Equal(ProposeOutcome.Busy, lone.Propose("1"));
        lone.AcknowledgeAll();
        Assert.Equal(ProposeOutcome.Appended, lone.Propose("1234567890"));
    }

    [Fact]
    public void Heartbeat_commits_no_further_than_the_follower_is_known_to_match()
    {
        Lone lone = new Lone().BecomeLeader();
        lone.Propose("x");
        lone.Step(2, new AppendEntriesReply(T(1), I(2)));
        Assert.Equal(I(2), lone.Node.CommitIndex);
        lone.Tick(HeartbeatInterval);
        Assert.Equal(I(2), Assert.IsType<Heartbeat>(lone.SentTo(2)[^1]).Commit);
        Assert.Equal(I(0), Assert.IsType<Heartbeat>(lone.SentTo(3)[^1]).Commit);
    }

    private static (LogIndex Match, LogIndex Next, ReplicationState State) See(Lone lone, ulong follower)
    {
        ProgressInfo progress = lone.Node.GetProgress(R(follower))!.Value;
        return (progress.Match, progress.Next, progress.State);
    }

    private static int[] Sizes(Lone lone) =>
        [.. lone.SentTo(2).OfType<AppendEntries>().SelectMany(append => append.Entries.ToArray())
            .Select(entry => entry.Payload.Length)];
}
