using Orleans.Raft.Core;
using Orleans.Raft.Core.Tests;
using static Orleans.Raft.Core.Tests.Make;

namespace Orleans.Raft.Mutations;

/// <summary>Bugs in replication, commitment, persistence and snapshots of the core.</summary>
public sealed class CoreMutations
{
    [Fact]
    public void A_followers_acknowledgement_before_its_flush_is_found() => Mutation.IsFound(
        FaultPoint.AcknowledgementBeforeFlush, "r1 acknowledges i1; durable is i0", faults =>
    {
        Lone lone = Start(faults);
        lone.Step(2, new Heartbeat(T(1), I(0), 1));
        lone.Replica.PersistsAtOnce = false;
        lone.Step(2, Append(1, EntryId.Zero, 0, 1));
        Assert.Equal([new AppendEntriesReply(T(1), I(1))], lone.PersistOne());
    });

    [Fact]
    public void A_leader_that_counts_itself_before_its_flush_is_found() => Mutation.IsFound(
        FaultPoint.LeaderCountsUnflushed, "durable on 1 of 3", faults =>
    {
        Cluster cluster = StartCluster(faults).Elect(1);
        cluster.Isolate(3);
        cluster[1].PersistsAtOnce = false;
        EntryId id = cluster.Propose("x");
        cluster.DeliverAll();
        Assert.True(cluster[1].Node.CommitIndex < id.Index);
        cluster[1].PersistAll(cluster.Now);
        cluster[1].Turn(cluster.Now);
        Assert.Equal(id.Index, cluster[1].Node.CommitIndex);
    });

    [Fact]
    public void A_durable_mark_that_a_truncation_did_not_lower_is_found() => Mutation.IsFound(
        FaultPoint.DurableMarkKeptByTruncation, "r1 takes i3 as durable with t2; the disk has t1", faults =>
    {
        Lone lone = Start(faults, disk: TestDisk.With(1, ReplicaId.None, 0, 1, 1, 1));
        lone.Step(2, new Heartbeat(T(2), I(0), 1));
        lone.Replica.PersistsAtOnce = false;
        lone.Step(2, Append(2, Id(1, 1), 0, 2, 2));
        lone.PersistOne();
        Assert.Equal(I(3), lone.Node.DurableIndex);
    });

    [Fact]
    public void A_completion_that_counts_for_entries_written_over_is_found() => Mutation.IsFound(
        FaultPoint.OverwrittenWriteCounts, "r1 takes i3 as durable with t2; the disk has t1", faults =>
    {
        Lone lone = Start(faults);
        lone.Step(2, new Heartbeat(T(1), I(0), 1));
        lone.Replica.PersistsAtOnce = false;
        lone.Step(2, Append(1, EntryId.Zero, 0, 1, 1, 1));
        lone.Step(3, Append(2, Id(1, 1), 0, 2, 2));
        lone.PersistOne();
        Assert.Equal(I(1), lone.Node.DurableIndex);
        lone.PersistAll();
        Assert.Equal(I(3), lone.Node.DurableIndex);
    });

    [Fact]
    public void An_append_after_an_entry_of_another_term_is_found() => Mutation.IsFound(
        FaultPoint.PreviousTermUnchecked, "log matching: r2 has", faults =>
    {
        Cluster cluster = StartCluster(faults, disk: id => id == 3
            ? TestDisk.With(2, ReplicaId.None, 0, 1)
            : TestDisk.With(2, ReplicaId.None, 0, 1, id));
        cluster.Cut(1, 2);
        cluster.Elect(1);
        cluster.Heal();
        cluster.Run(1);
        cluster.AssertLogsAgree();
    });

    [Fact]
    public void A_log_truncated_by_a_late_append_is_found() => Mutation.IsFound(FaultPoint.LogTruncatedOnMatch,
        "r2 leads t2 with an entry of t2 instead of", faults =>
    {
        Cluster cluster = StartCluster(faults).Elect(1);
        cluster.Isolate(3);
        cluster.Propose("a");
        EntryId second = cluster.Propose("b");
        EntryId third = cluster.Propose("c");
        AppendEntries late = cluster.InFlight.Select(sent => sent.Message).OfType<AppendEntries>()
            .First(append => append.Entries.Span[0].Index == second.Index);
        cluster.DeliverAll();
        Assert.True(cluster[1].Node.CommitIndex == third.Index && cluster[2].Node.CommitIndex < second.Index);
        cluster.Hand(R(1), R(2), late);
        cluster.Crash(1);
        cluster.Heal();
        cluster.Elect(2);
    });

    [Fact]
    [Trait("Raft", "Figure 8")]
    public void An_older_terms_entry_committed_by_counting_is_found() => Mutation.IsFound(
        FaultPoint.CommitByOlderTerm, "r3 leads t5 without i3@t2", faults =>
    {
        var cluster = new Cluster(3, disk: id => id switch
        {
            1 => TestDisk.With(3, ReplicaId.None, 0, 2, 2, 2),
            2 => TestDisk.With(3, ReplicaId.None, 0),
            _ => TestDisk.With(3, ReplicaId.None, 0, 3),
        }, change: options => options with { MaxAppendBytes = 1, Faults = faults });
        // r1 leads t4 and brings r2 its entries of t2, but nothing of t4 that r2 could take.
        cluster.Isolate(3);
        cluster.Lose = (_, _, message) => message is AppendEntries { Entries: var entries }
            && cluster[2].Disk.LastIndex > I(0) && entries.ToArray().Any(entry => entry.Term == T(4));
        cluster.Elect(1);
        cluster.Run(1);
        Assert.Equal((T(4), I(3)), (cluster[1].Node.Term, cluster[2].Disk.LastIndex));
        cluster.Crash(1);
        cluster.Heal();
        cluster.Lose = (_, _, _) => false;
        // r3 hears of t4 first, then leads t5 and overwrites them.
        cluster.Campaign(3);
        cluster.Elect(3);
        cluster.Run(1);
    });

    [Fact]
    public void A_follower_that_commits_past_its_match_is_found() => Mutation.IsFound(FaultPoint.CommitPastMatch,
        "r1 committed i3 of t2; the leader of t3 has t3 there", faults =>
    {
        Lone lone = Start(faults, disk: TestDisk.With(2, ReplicaId.None, 0, 1, 1, 2, 2));
        // The leader of t3 has committed up to 3, and its first append ends before that.
        lone.Step(2, Append(3, Id(1, 1), 3, 1));
        lone.Step(2, Append(3, Id(1, 2), 3, 3));
        Assert.Equal(I(3), lone.Node.CommitIndex);
    });

    [Fact]
    public void A_match_index_lowered_by_a_late_acknowledgement_is_found() => Mutation.IsFound(
        FaultPoint.MatchIndexLowered, "the match index fell to i2", faults =>
    {
        Lone lone = Start(faults).BecomeLeader();
        lone.Propose("x");
        lone.Propose("y");
        lone.Step(2, new AppendEntriesReply(T(1), I(3)));
        lone.Step(2, new AppendEntriesReply(T(1), I(2)));
        LogIndex match = lone.Node.GetProgress(R(2))!.Value.Match;
        Assert.True(match == I(3), $"the match index fell to {match}");
    });

    [Fact]
    public void A_read_before_the_no_op_is_found() => Mutation.IsFound(FaultPoint.ReadIndexBeforeNoOp,
        "was committed when the read began", faults =>
    {
        Cluster cluster = StartCluster(faults).Elect(1);
        cluster.Run(1);
        cluster.Isolate(3);
        cluster.Propose("x");
        cluster.DeliverAll();
        // r2 has it, but does not know that it is committed.
        cluster.Crash(1);
        cluster.Heal();
        cluster.Lose = (_, _, message) => message is AppendEntries;
        cluster.Elect(2);
        LogIndex floor = BeginRead(cluster, 2);
        cluster.DeliverAll();
        RequireReads(cluster[2], floor);
        cluster.Lose = (_, _, _) => false;
        cluster.Run(1);
        RequireReads(cluster[2], floor);
        Assert.Single(cluster[2].ReadsReady);
    });

    [Fact]
    public void A_read_confirmed_by_a_round_from_before_it_is_found() => Mutation.IsFound(
        FaultPoint.ReadJoinsEarlierRound, "was committed when the read began", faults =>
    {
        Cluster cluster = StartCluster(faults).Elect(1);
        cluster.Run(1);
        List<RaftMessage> answers = HoldHeartbeatAnswers(cluster, 2);
        cluster.Isolate(1);
        cluster.Elect(2);
        cluster.Propose(cluster[2], "new");
        cluster.DeliverAll();
        // r1 has not noticed yet, and what r2 said before it voted arrives now.
        LogIndex floor = BeginRead(cluster, 1);
        foreach (RaftMessage answer in answers) cluster.Hand(R(2), R(1), answer);
        RequireReads(cluster[1], floor);
    });

    [Fact]
    public void An_answer_to_an_earlier_life_is_found() => Mutation.IsFound(FaultPoint.EarlierLifeAnswered,
        "was asked for by an earlier life", faults =>
    {
        Lone lone = Start(faults);
        ReadIndexRequest first = Ask(lone);
        lone.Replica.Crash();
        lone.Replica.Restart(lone.Now);
        ReadIndexRequest second = Ask(lone);
        Assert.Equal(first.Number, second.Number);
        lone.Step(2, new ReadIndexReply(T(1), first.BootNonce, first.Number, I(1)));
        Assert.True(lone.Replica.ReadsReady.Count == 0, "a read index was taken that was asked for by an earlier life");
        lone.Step(2, new ReadIndexReply(T(1), second.BootNonce, second.Number, I(1)));
        Assert.Single(lone.Replica.ReadsReady);
    });

    [Fact]
    public void A_snapshot_over_newer_state_is_found() => Mutation.IsFound(FaultPoint.SnapshotOverNewerState,
        "r1 went from commit i4 to i2", faults =>
    {
        Lone lone = Start(faults);
        lone.Step(2, Append(1, EntryId.Zero, 4, 1, 1, 1, 1));
        lone.Replica.TakeSnapshot();
        lone.Replica.PersistsAtOnce = false;
        lone.Step(2, new InstallSnapshot(T(1), Id(1, 2), Simple(3)));
        Assert.Equal(I(4), lone.Node.LastApplied);
    });

    [Fact]
    public void An_entry_that_is_not_applied_is_found() => Mutation.IsFound(FaultPoint.ApplySkipsEntry,
        "r3 applied b c", faults =>
    {
        Cluster cluster = StartCluster(faults).Elect(1);
        cluster.Run(1);
        string[] commands = ["a", "b", "c"];
        foreach (string command in commands) cluster.Propose(command);
        cluster.Run(1);
        foreach (Replica replica in cluster.Replicas.Reverse())
        {
            string applied = string.Join(' ', Cluster.Commands(replica));
            Assert.True(applied == "a b c", $"{replica.Id} applied {applied}");
        }
    });

    internal static Lone Start(FaultPoints faults, TestDisk? disk = null) =>
        new(disk: disk, change: options => options with { Faults = faults });

    internal static Cluster StartCluster(FaultPoints faults, Func<ulong, TestDisk>? disk = null) =>
        new(3, change: options => options with { Faults = faults }, disk: disk);

    /// <summary>The leader, r1, starts a round; what a follower answers is taken from the network.</summary>
    internal static List<RaftMessage> HoldHeartbeatAnswers(Cluster cluster, ulong follower)
    {
        var held = new List<RaftMessage>();
        cluster.Lose = (from, to, message) =>
        {
            if (from == R(follower) && to == R(1)) held.Add(message);
            return to == R(1);
        };
        cluster.Now += HeartbeatInterval;
        cluster[1].Tick(cluster.Now);
        cluster.DeliverAll();
        cluster.Lose = (_, _, _) => false;
        Assert.Contains(held, message => message is HeartbeatReply);
        return held;
    }

    // Returns what was committed when it began.
    private static LogIndex BeginRead(Cluster cluster, ulong id)
    {
        Assert.True(cluster[id].IsLeader);
        cluster[id].Node.ReadIndex(7, cluster.Now);
        cluster[id].Turn(cluster.Now);
        cluster.Collect();
        return cluster.Checker.LastCommitted.Index;
    }

    private static void RequireReads(Replica replica, LogIndex floor)
    {
        foreach (ReadReady read in replica.ReadsReady)
            Assert.True(read.Index >= floor, $"{read} is served; {floor} was committed when the read began");
    }

    private static ReadIndexRequest Ask(Lone lone)
    {
        lone.Step(2, new Heartbeat(T(1), I(0), 1));
        lone.Node.ReadIndex(7, lone.Now);
        return lone.Turn().OfType<ReadIndexRequest>().Single();
    }
}
