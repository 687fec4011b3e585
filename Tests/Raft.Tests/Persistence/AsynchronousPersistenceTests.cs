namespace Orleans.Raft.Core.Tests;

/// <summary>What may leave a replica, and what may count, while its disk still writes.</summary>
[Trait("Thesis", "§10.2.1")]
public sealed class AsynchronousPersistenceTests
{
    [Fact]
    public void Leader_sends_entries_while_its_own_disk_writes()
    {
        Lone lone = SlowLeader();
        lone.Propose("x");
        Assert.Equal(2, lone.Sent().OfType<AppendEntries>().Count());
        Assert.Single(lone.Replica.Writes);
    }

    [Fact]
    public void Leader_counts_itself_only_once_durable()
    {
        Lone lone = SlowLeader(5);
        lone.Propose("x");
        lone.Step(2, new AppendEntriesReply(T(1), I(2)));
        lone.Step(3, new AppendEntriesReply(T(1), I(2)));
        Assert.Equal(I(1), lone.Node.CommitIndex);
        lone.PersistOne();
        Assert.Equal(I(2), lone.Node.CommitIndex);
    }

    [Fact]
    public void Leader_commits_by_its_followers_before_its_own_disk()
    {
        Lone lone = SlowLeader();
        lone.Propose("x");
        lone.AcknowledgeAll();
        Assert.Equal((I(2), I(1)), (lone.Node.CommitIndex, lone.Node.DurableIndex));
    }

    [Fact]
    public void The_commit_index_is_written_when_the_driver_asks_for_it()
    {
        Lone lone = SlowLeader();
        lone.Propose("x");
        lone.PersistAll();
        lone.AcknowledgeAll();
        Assert.Equal(I(2), lone.Node.CommitIndex);
        lone.Turn();
        Assert.Empty(lone.Replica.Writes);
        lone.Node.PersistCommit();
        lone.Turn();
        Assert.Equal(I(2), Assert.Single(lone.Replica.Writes).HardState?.Commit);
        lone.PersistAll();
        lone.Turn();
        Assert.Empty(lone.Replica.Writes);
    }

    [Fact]
    public void Several_writes_are_in_flight_and_each_counts_for_its_entries()
    {
        Lone lone = SlowLeader();
        lone.Step(2, new AppendEntriesReply(T(1), I(1)));
        for (int i = 0; i < 3; i++) lone.Propose("x");
        Assert.Equal([2ul, 3, 4], lone.Replica.Writes.Select(write => write.Entries.Span[0].Index.Value));
        lone.PersistOne();
        Assert.Equal(I(2), lone.Node.DurableIndex);
        lone.PersistOne();
        Assert.Equal(I(3), lone.Node.DurableIndex);
        lone.Step(2, new AppendEntriesReply(T(1), I(4)));
        Assert.Equal(I(3), lone.Node.CommitIndex);
        lone.PersistOne();
        Assert.Equal(I(4), lone.Node.CommitIndex);
    }

    [Fact]
    public void One_completion_stands_for_all_writes_before_it()
    {
        Lone lone = SlowLeader();
        for (int i = 0; i < 3; i++) lone.Propose("x");
        PersistRequest last = lone.Replica.Writes.Last();
        while (lone.Replica.Writes.Count > 0) lone.Replica.WriteWithoutTelling();
        lone.Node.PersistCompleted(last.Number, lone.Now);
        lone.Node.PersistCompleted(last.Number, lone.Now);
        lone.Node.PersistCompleted(last.Number - 2, lone.Now);
        Assert.Equal(I(4), lone.Node.DurableIndex);
        Assert.Throws<ArgumentOutOfRangeException>(() => lone.Node.PersistCompleted(last.Number + 1, lone.Now));
    }

    [Fact]
    public void Vote_requests_leave_and_the_own_vote_counts_once_durable()
    {
        var lone = new Lone();
        lone.Replica.PersistsAtOnce = false;
        lone.BecomePreCandidate();
        Assert.Empty(lone.Step(2, new PreVoteReply(T(1), true)));
        Assert.Equal(Role.Candidate, lone.Node.Role);
        lone.Step(3, new RequestVoteReply(T(1), true));
        Assert.Equal(Role.Candidate, lone.Node.Role);
        List<RaftMessage> sent = lone.PersistOne();
        Assert.Equal(2, sent.Count(message => message is RequestVote));
        Assert.Equal(Role.Leader, lone.Node.Role);
    }

    [Fact]
    public void Completion_of_an_earlier_write_does_not_count_the_own_vote()
    {
        Lone lone = SlowFollower();
        lone.Step(2, Append(1, EntryId.Zero, 0, 1));
        lone.BecomePreCandidate();
        lone.Step(2, new PreVoteReply(T(2), true));
        Assert.Equal(2, lone.Replica.Writes.Count);
        Assert.Empty(lone.PersistOne());
        lone.Step(3, new RequestVoteReply(T(2), true));
        Assert.Equal(Role.Candidate, lone.Node.Role);
        lone.PersistOne();
        Assert.Equal(Role.Leader, lone.Node.Role);
    }

    [Fact]
    public void Sole_voter_leads_only_once_its_vote_is_durable()
    {
        RaftOptions options = Options(1);
        var node = new RaftNode(options, Fresh(1), TimeSpan.Zero);
        Assert.Equal((Role.Candidate, true), (node.Role, node.HasReady));
        PersistRequest write = node.TakeReady().Write!;
        Assert.Equal(new HardState(T(1), R(1), I(0)), write.HardState);
        node.Tick(10 * ElectionTimeout);
        Assert.Equal((Role.Candidate, T(1), false), (node.Role, node.Term, node.HasReady));
        node.PersistCompleted(write.Number, TimeSpan.Zero);
        Assert.Equal((Role.Leader, I(0)), (node.Role, node.CommitIndex));
        node.PersistCompleted(node.TakeReady().Write!.Number, TimeSpan.Zero);
        Assert.Equal(I(1), node.CommitIndex);
    }

    [Fact]
    public void Vote_leaves_once_durable()
    {
        Lone lone = SlowFollower();
        Assert.Empty(lone.Step(2, new RequestVote(T(1), EntryId.Zero, false)));
        Assert.Empty(lone.Step(2, new RequestVote(T(1), EntryId.Zero, false)));
        Assert.Equal([new RequestVoteReply(T(1), true)], lone.PersistOne());
    }

    [Fact]
    public void Vote_that_a_newer_term_overtook_never_leaves()
    {
        Lone lone = SlowFollower();
        lone.Step(2, new RequestVote(T(1), EntryId.Zero, false));
        lone.Step(3, new RequestVote(T(2), EntryId.Zero, false));
        Assert.Empty(lone.PersistOne());
        Assert.Equal([new RequestVoteReply(T(2), true)], lone.PersistOne());
    }

    [Fact]
    public void Votes_requested_for_a_term_that_was_lost_never_leave()
    {
        var lone = new Lone();
        lone.Replica.PersistsAtOnce = false;
        lone.BecomePreCandidate();
        lone.Step(2, new PreVoteReply(T(1), true));
        lone.Step(3, Append(1, EntryId.Zero, 0));
        Assert.DoesNotContain(lone.PersistAll(), message => message is RequestVote);
        Assert.Equal(Role.Follower, lone.Node.Role);
    }

    [Fact]
    public void Acknowledgement_leaves_once_the_entries_are_durable()
    {
        Lone lone = SlowFollower();
        Assert.Empty(lone.Step(2, Append(1, EntryId.Zero, 0, 1)));
        Assert.Empty(lone.Step(2, Append(1, Id(1, 1), 0, 1)));
        Assert.Equal([new AppendEntriesReply(T(1), I(1))], lone.PersistOne());
        Assert.Equal([new AppendEntriesReply(T(1), I(2))], lone.PersistOne());
    }

    [Fact]
    public void Acknowledgement_of_known_entries_waits_for_the_term()
    {
        var lone = new Lone(disk: TestDisk.With(1, ReplicaId.None, 0, 1));
        lone.Replica.PersistsAtOnce = false;
        Assert.Empty(lone.Step(2, Append(2, Id(1, 1), 0)));
        Assert.Equal([new AppendEntriesReply(T(2), I(1))], lone.PersistOne());
    }

    [Fact]
    public void Heartbeat_answer_and_rejection_wait_for_the_term()
    {
        Lone lone = SlowFollower();
        Assert.Empty(lone.Step(2, new Heartbeat(T(3), I(0), 7)));
        Assert.Empty(lone.Step(2, new Heartbeat(T(3), I(0), 8)));
        Assert.Empty(lone.Step(2, Append(3, Id(2, 5), 0)));
        Assert.Equal([new HeartbeatReply(T(3), 8, I(0)), new AppendEntriesRejection(T(3), I(5), T(0), I(1))],
            lone.PersistAll());
    }

    [Fact]
    public void Leader_of_an_older_term_hears_of_the_new_one_once_it_is_durable()
    {
        Lone lone = SlowFollower();
        lone.Step(3, new Heartbeat(T(3), I(0), 7));
        Assert.Empty(lone.Step(2, new Heartbeat(T(2), I(0), 1)));
        Assert.Contains(new OutboundMessage(R(2), new AppendEntriesRejection(T(3), I(0), T(0), I(1))), Persisted(lone));
    }

    [Fact]
    public void Truncation_lowers_the_durable_mark_at_once()
    {
        var lone = new Lone(disk: TestDisk.With(1, ReplicaId.None, 0, 1, 1, 1));
        lone.Replica.PersistsAtOnce = false;
        Assert.Equal(I(3), lone.Node.DurableIndex);
        lone.Step(2, Append(2, Id(1, 1), 0, 2));
        Assert.Equal((I(1), Id(2, 2)), (lone.Node.DurableIndex, lone.Node.LastEntry));
        lone.PersistOne();
        Assert.Equal(I(2), lone.Node.DurableIndex);
    }

    [Fact]
    public void Completion_does_not_count_for_entries_a_later_write_overwrote()
    {
        Lone lone = SlowFollower();
        lone.Step(2, Append(1, EntryId.Zero, 0, 1, 1, 1));
        lone.Step(3, Append(2, Id(1, 1), 0, 2, 2));
        Assert.Empty(lone.PersistOne());
        Assert.Equal(I(1), lone.Node.DurableIndex);
        Assert.Equal([new AppendEntriesReply(T(2), I(3))], lone.PersistOne());
    }

    [Fact]
    public void Same_entries_written_again_count_only_with_the_second_write()
    {
        // i2 of t1 is written, overwritten by t2, and written again: the first completion proves nothing about it.
        Lone lone = SlowFollower();
        lone.Step(2, Append(1, EntryId.Zero, 0, 1, 1));
        lone.Step(3, Append(2, Id(1, 1), 0, 2));
        lone.Step(2, Append(3, Id(1, 1), 0, 1));
        Assert.Equal((3, Id(1, 2)), (lone.Replica.Writes.Count, lone.Node.LastEntry));
        lone.PersistOne();
        Assert.Equal(I(1), lone.Node.DurableIndex);
        Assert.Empty(lone.PersistOne());
        Assert.Equal(I(1), lone.Node.DurableIndex);
        Assert.Equal([new AppendEntriesReply(T(3), I(2))], lone.PersistOne());
    }

    [Fact]
    public void Overwriting_before_the_first_write_was_taken_counts_right()
    {
        var node = new RaftNode(Options(1), Fresh(3), TimeSpan.Zero);
        node.Step(R(2), Append(1, EntryId.Zero, 0, 1, 1), TimeSpan.Zero);
        node.Step(R(3), Append(2, Id(1, 1), 0, 2), TimeSpan.Zero);
        PersistRequest write = node.TakeReady().Write!;
        Assert.Equal([Id(1, 1), Id(2, 2)], write.Entries.ToArray().Select(entry => entry.Id));
        Assert.False(node.HasReady);
        node.PersistCompleted(write.Number, TimeSpan.Zero);
        Assert.Equal(I(2), node.DurableIndex);
    }

    [Fact]
    public void Snapshot_lowers_the_durable_mark_until_it_is_written()
    {
        Lone lone = SlowFollower();
        lone.Step(2, Append(1, EntryId.Zero, 1, 1, 1, 1));
        lone.Step(2, new InstallSnapshot(T(1), Id(1, 9), Simple(3)));
        Assert.Equal(I(0), lone.Node.DurableIndex);
        // Of the old log only what was committed still counts.
        Assert.Equal([new AppendEntriesReply(T(1), I(1))], lone.PersistOne());
        Assert.Equal(I(1), lone.Node.DurableIndex);
        Assert.Equal([new AppendEntriesReply(T(1), I(9))], lone.PersistOne());
        Assert.Equal(I(9), lone.Node.DurableIndex);
    }

    [Fact]
    public void Persisted_commit_never_exceeds_the_log_on_disk()
    {
        Lone lone = SlowFollower();
        lone.Step(2, Append(1, EntryId.Zero, 9, 1, 1));
        PersistRequest write = Assert.Single(lone.Replica.Writes);
        Assert.Equal(I(2), write.HardState!.Value.Commit);

        // Committed while the entry is not handed out yet: the term's write goes without it.
        RaftNode node = new(Options(1),
            Fresh(3) with { HardState = new HardState(T(1), ReplicaId.None, I(0)), Entries = Entries(0, 1) },
            TimeSpan.Zero);
        node.Step(R(2), new InstallSnapshot(T(1), Id(1, 5), Simple(3)), TimeSpan.Zero);
        node.Step(R(2), Append(1, Id(1, 5), 7, 1, 1), TimeSpan.Zero);
        PersistRequest first = node.TakeReady().Write!;
        Assert.Equal((Id(1, 5), I(5), 0), (first.Snapshot!.Value, first.HardState!.Value.Commit, first.Entries.Length));
        PersistRequest second = node.TakeReady().Write!;
        Assert.Equal((I(7), 2), (second.HardState!.Value.Commit, second.Entries.Length));
        Assert.False(node.HasReady);
    }

    [Fact]
    public void Commit_alone_is_no_reason_to_write()
    {
        var lone = new Lone();
        lone.Step(2, Append(1, EntryId.Zero, 0, 1, 1));
        lone.Replica.PersistsAtOnce = false;
        lone.Step(2, new Heartbeat(T(1), I(2), 1));
        Assert.Equal(I(2), lone.Node.CommitIndex);
        Assert.Empty(lone.Replica.Writes);
        lone.Step(2, Append(1, Id(1, 2), 2, 1));
        Assert.Equal(new HardState(T(1), ReplicaId.None, I(2)), Assert.Single(lone.Replica.Writes).HardState);
    }

    [Fact]
    public void Unchanged_hard_state_is_not_written_again()
    {
        var lone = new Lone();
        lone.Step(2, Append(1, EntryId.Zero, 0, 1));
        lone.Replica.PersistsAtOnce = false;
        lone.Step(2, Append(1, Id(1, 1), 0, 1));
        Assert.Null(Assert.Single(lone.Replica.Writes).HardState);
    }

    [Fact]
    public void Leader_answers_busy_beyond_the_unflushed_bound()
    {
        Lone lone = SlowLeader(change: options => options with { MaxUnflushedBytes = 100 });
        Assert.Equal(ProposeOutcome.Appended, lone.Propose(new string('x', 80)));
        lone.AcknowledgeAll();
        Assert.Equal(ProposeOutcome.Appended, lone.Propose(new string('x', 20)));
        lone.AcknowledgeAll();
        Assert.Equal(ProposeOutcome.Busy, lone.Propose("x"));
        lone.PersistOne();
        Assert.Equal(ProposeOutcome.Appended, lone.Propose("x"));
    }

    [Fact]
    public void Crash_loses_only_what_was_not_promised()
    {
        var cluster = new Cluster(3).Elect(1);
        cluster[1].PersistsAtOnce = false;
        EntryId id = cluster.Propose("by the followers");
        cluster.DeliverAll();
        Assert.Equal(id.Index, cluster[1].Node.CommitIndex);
        cluster.Crash(1);
        Assert.Equal(I(1), cluster[1].Disk.LastIndex);
        cluster[1].PersistsAtOnce = true;
        cluster.Restart(1);
        cluster.ElectAny();
        cluster.Run(1);
        Assert.All(cluster.Replicas, replica => Assert.Equal(["by the followers"], Cluster.Commands(replica)));
    }

    [Fact]
    public void Recovered_state_that_contradicts_itself_stops_the_replica()
    {
        (HardState State, EntryId Snapshot, LogEntry[] Entries)[] broken =
        [
            (new HardState(T(1), R(0), I(0)), EntryId.Zero, [Entry(1, 1), Entry(1, 3)]),
            (new HardState(T(1), R(0), I(0)), Id(1, 4), [Entry(1, 4)]),
            (new HardState(T(2), R(0), I(0)), EntryId.Zero, [Entry(2, 1), Entry(1, 2)]),
            (new HardState(T(1), R(0), I(0)), EntryId.Zero, [Entry(2, 1)]),
            (new HardState(T(1), R(0), I(2)), EntryId.Zero, [Entry(1, 1)]),
            (new HardState(T(1), R(0), I(0)), Id(0, 4), []),
            (new HardState(T(1), R(0), I(0)), EntryId.Zero, [Entry(0, 1)]),
            (new HardState(T(1), R(0), I(0)), EntryId.Zero, [Entry(1, 1) with { Kind = EntryKind.Configuration }]),
        ];
        foreach ((HardState state, EntryId snapshot, LogEntry[] entries) in broken)
        {
            var recovered = new RaftState(state, snapshot, entries) { Configuration = Simple(3) };
            Assert.Throws<InvariantViolationException>(() => new RaftNode(Options(1), recovered, TimeSpan.Zero));
        }
    }

    [Fact]
    public void Wrong_options_are_all_named()
    {
        RaftOptions options = Options(1) with { MaxAppendBytes = 0, Id = R(0) };
        string message =
            Assert.Throws<ArgumentException>(() => new RaftNode(options, RaftState.Empty, TimeSpan.Zero)).Message;
        Assert.Contains("MaxAppendBytes", message, StringComparison.Ordinal);
        Assert.Contains("Id", message, StringComparison.Ordinal);
    }

    private static Lone SlowLeader(int size = 3, Func<RaftOptions, RaftOptions>? change = null)
    {
        Lone lone = new Lone(size, change: change).BecomeLeader();
        lone.AcknowledgeAll();
        lone.Replica.PersistsAtOnce = false;
        return lone;
    }

    private static Lone SlowFollower()
    {
        var lone = new Lone();
        lone.Replica.PersistsAtOnce = false;
        return lone;
    }

    private static List<OutboundMessage> Persisted(Lone lone)
    {
        lone.PersistAll();
        return lone.Replica.Sent;
    }
}
