namespace Orleans.Raft.Core.Tests;

[Trait("Raft", "§7")]
public sealed class SnapshotTests
{
    [Fact]
    public void Replica_restarts_with_its_term_vote_log_and_commit()
    {
        var lone = new Lone(disk: TestDisk.With(3, R(2), 1, 1, 2));
        Assert.Equal((T(3), I(1), Id(2, 2), I(2)),
            (lone.Node.Term, lone.Node.CommitIndex, lone.Node.LastEntry, lone.Node.DurableIndex));
        Assert.Equal(I(1), lone.Node.LastApplied);
        lone.Wait(ElectionTimeout);
        Assert.Equal([new RequestVoteReply(T(3), false)], lone.Step(3, new RequestVote(T(3), Id(2, 2), false)));
    }

    [Fact]
    public void Replica_restarts_from_a_snapshot()
    {
        var lone = new Lone();
        lone.Step(2, Append(1, EntryId.Zero, 3, 1, 1, 1, 1));
        lone.Replica.TakeSnapshot();
        lone.Replica.Crash();
        lone.Replica.Restart(lone.Now);
        Assert.Equal((Id(1, 3), I(4), I(3), Id(1, 4)),
            (lone.Node.Compacted, lone.Node.FirstKept, lone.Node.LastApplied, lone.Node.LastEntry));
        Assert.Equal([new AppendEntriesReply(T(1), I(5))], lone.Step(2, Append(1, Id(1, 4), 0, 1)));
    }

    [Fact]
    public void Snapshot_replaces_the_log_and_is_acknowledged_once_durable()
    {
        var lone = new Lone(disk: TestDisk.With(1, ReplicaId.None, 1, 1, 1, 1));
        lone.Replica.PersistsAtOnce = false;
        Assert.Empty(lone.Step(2, new InstallSnapshot(T(2), Id(2, 7), Simple(3))));
        Assert.Equal((Id(2, 7), I(7), I(7), Id(2, 7)),
            (lone.Node.Compacted, lone.Node.CommitIndex, lone.Node.LastApplied, lone.Node.LastEntry));
        PersistRequest write = Assert.Single(lone.Replica.Writes);
        Assert.Equal((Id(2, 7), new HardState(T(2), ReplicaId.None, I(7)), 0),
            (write.Snapshot, write.HardState, write.Entries.Length));
        Assert.Equal([new AppendEntriesReply(T(2), I(7))], lone.PersistOne());
        Assert.Equal([new AppendEntriesReply(T(2), I(8))], Persist(lone, Append(2, Id(2, 7), 0, 2)));
    }

    [Fact]
    public void Old_snapshot_is_only_acknowledged()
    {
        var lone = new Lone(disk: TestDisk.With(2, ReplicaId.None, 3, 1, 1, 2, 2));
        Assert.Equal([new AppendEntriesReply(T(2), I(3))],
            lone.Step(2, new InstallSnapshot(T(2), Id(1, 2), Simple(3))));
        Assert.Equal((Id(2, 4), I(3), EntryId.Zero),
            (lone.Node.LastEntry, lone.Node.CommitIndex, lone.Replica.Disk.Snapshot));
    }

    [Fact]
    public void Snapshot_whose_last_entry_the_log_has_keeps_the_log()
    {
        var lone = new Lone(disk: TestDisk.With(2, ReplicaId.None, 1, 1, 1, 2, 2));
        Assert.Equal([new AppendEntriesReply(T(2), I(3))],
            lone.Step(2, new InstallSnapshot(T(2), Id(2, 3), Simple(3))));
        Assert.Equal((Id(2, 4), I(3), EntryId.Zero),
            (lone.Node.LastEntry, lone.Node.CommitIndex, lone.Replica.Disk.Snapshot));
    }

    [Fact]
    public void Snapshot_contradicting_a_committed_entry_is_an_invariant_violation()
    {
        var lone = new Lone(disk: TestDisk.With(2, ReplicaId.None, 2, 1, 1));
        Assert.Throws<InvariantViolationException>(() => lone.Step(2, new InstallSnapshot(T(2), Id(2, 2), Simple(3))));
    }

    [Fact]
    public void Newer_snapshot_replaces_one_not_yet_taken_by_the_disk()
    {
        var node = new RaftNode(Options(1), Fresh(3), TimeSpan.Zero);
        node.Step(R(2), new InstallSnapshot(T(1), Id(1, 5), Simple(3)), TimeSpan.Zero);
        node.Step(R(2), new InstallSnapshot(T(1), Id(1, 9), Simple(3)), TimeSpan.Zero);
        Assert.Equal(Id(1, 9), node.TakeReady().Write!.Snapshot);
        Assert.False(node.HasReady);
    }

    [Fact]
    public void Applied_of_entries_a_snapshot_overtook_is_ignored()
    {
        var lone = new Lone();
        lone.Replica.AppliesAtOnce = false;
        lone.Step(2, Append(1, EntryId.Zero, 2, 1, 1));
        ReadOnlyMemory<LogEntry> taken = lone.Node.NextCommitted(100);
        lone.Step(2, new InstallSnapshot(T(1), Id(1, 5), Simple(3)));
        Assert.Equal([Id(1, 1), Id(1, 2)], taken.ToArray().Select(entry => entry.Id));
        lone.Node.Applied(I(2));
        Assert.Equal(I(5), lone.Node.LastApplied);
    }

    [Fact]
    public void Follower_that_needs_compacted_entries_gets_a_snapshot_and_then_the_rest()
    {
        var cluster = new Cluster(3).Elect(1);
        cluster.Isolate(3);
        for (int i = 0; i < 5; i++) cluster.Commit($"{i}");
        cluster[1].TakeSnapshot();
        cluster.Propose("after");
        cluster.DeliverAll();
        cluster.Heal();
        cluster.Run(4 * HeartbeatInterval);
        Assert.Equal(Id(1, 6), cluster[3].Disk.Snapshot);
        Assert.Equal(["after"], Cluster.Commands(cluster[3]));
        Assert.Equal(ReplicationState.Replicate, cluster[1].Node.GetProgress(R(3))!.Value.State);
    }

    [Fact]
    public void Nothing_else_is_sent_while_a_snapshot_is_under_way()
    {
        Lone lone = NeedsSnapshot();
        Assert.Equal([R(2)], lone.Replica.SnapshotsToSend);
        lone.Propose("x");
        Assert.Empty(lone.SentTo(2));
        Assert.Equal(ReplicationState.Snapshot, lone.Node.GetProgress(R(2))!.Value.State);
    }

    [Fact]
    public void Failed_snapshot_is_tried_again_after_the_next_heartbeat_answer()
    {
        Lone lone = NeedsSnapshot();
        lone.Node.ReportSnapshotEnded(R(2), lone.Now);
        lone.Turn();
        Assert.Single(lone.Replica.SnapshotsToSend);
        lone.Tick(HeartbeatInterval);
        ulong round = lone.SentTo(2).OfType<Heartbeat>().Single().Round;
        lone.Step(2, new HeartbeatReply(T(2), round, I(0)));
        Assert.Equal([R(2), R(2)], lone.Replica.SnapshotsToSend);
        lone.Node.ReportSnapshotEnded(R(3), lone.Now);
        lone.Node.ReportSnapshotEnded(R(9), lone.Now);
    }

    [Fact]
    public void Lost_answer_to_a_snapshot_is_noticed_by_the_heartbeat()
    {
        Lone lone = NeedsSnapshot();
        lone.Tick(HeartbeatInterval);
        List<RaftMessage> sent = lone.Step(2, new HeartbeatReply(T(2), 1, I(3)));
        Assert.Equal(Id(1, 3), Assert.IsType<AppendEntries>(Assert.Single(sent)).Previous);
    }

    [Fact]
    public void Answer_to_an_installed_snapshot_resumes_the_pipeline()
    {
        Lone lone = NeedsSnapshot();
        List<RaftMessage> sent = lone.Step(2, new AppendEntriesReply(T(2), I(3)));
        Assert.Equal(I(4), Assert.IsType<AppendEntries>(Assert.Single(sent)).Entries.Span[0].Index);
        Assert.Equal(ReplicationState.Replicate, lone.Node.GetProgress(R(2))!.Value.State);
    }

    [Fact]
    public void Whole_cluster_restarts_from_snapshots()
    {
        var cluster = new Cluster(3).Elect(1);
        for (int i = 0; i < 5; i++) cluster.Commit($"{i}");
        foreach (Replica replica in cluster.Replicas) replica.TakeSnapshot();
        cluster.Commit("last");
        for (ulong id = 1; id <= 3; id++) cluster.Crash(id);
        for (ulong id = 1; id <= 3; id++) cluster.Restart(id);
        cluster.ElectAny();
        cluster.Run(1);
        Assert.All(cluster.Replicas, replica => Assert.Equal(["last"], Cluster.Commands(replica)));
    }

    // r1 leads t2 with i1..i3 compacted; r2 has nothing.
    private static Lone NeedsSnapshot()
    {
        var disk = TestDisk.With(1, ReplicaId.None, 3, 1, 1, 1);
        disk.RecordSnapshot(Id(1, 3), Simple(3));
        Lone lone = new Lone(disk: disk).BecomeLeader();
        lone.Step(2, new AppendEntriesRejection(T(2), I(3), T(0), I(1)));
        return lone;
    }

    private static List<RaftMessage> Persist(Lone lone, RaftMessage message)
    {
        Assert.Empty(lone.Step(2, message));
        return lone.PersistAll();
    }
}
