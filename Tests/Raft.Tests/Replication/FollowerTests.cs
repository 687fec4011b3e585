namespace Orleans.Raft.Core.Tests;

[Trait("Raft", "§5.3")]
public sealed class FollowerTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 2)]
    public void Follower_commits_what_the_leader_committed_as_far_as_it_has_it(ulong leaderCommit, ulong commit)
    {
        var lone = new Lone();
        lone.Step(2, Append(1, EntryId.Zero, leaderCommit, 1, 1));
        Assert.Equal(I(commit), lone.Node.CommitIndex);
        Assert.Equal((int)commit, lone.Replica.Applied.Count);
    }

    [Fact]
    public void Follower_commits_no_further_than_the_message_proves()
    {
        var lone = new Lone(disk: TestDisk.With(1, ReplicaId.None, 0, 1, 1, 1));
        lone.Step(2, Append(2, Id(1, 1), 3));
        Assert.Equal(I(1), lone.Node.CommitIndex);
        lone.Step(2, new Heartbeat(T(2), I(3), 1));
        Assert.Equal(I(1), lone.Node.CommitIndex);
        lone.Step(2, Append(2, Id(1, 1), 3, 1));
        Assert.Equal(I(2), lone.Node.CommitIndex);
    }

    [Fact]
    public void Heartbeat_raises_commit_and_never_lowers_it()
    {
        var lone = new Lone();
        lone.Step(2, Append(1, EntryId.Zero, 0, 1, 1, 1));
        lone.Step(2, new Heartbeat(T(1), I(2), 1));
        Assert.Equal(I(2), lone.Node.CommitIndex);
        lone.Step(2, new Heartbeat(T(1), I(1), 2));
        Assert.Equal(I(2), lone.Node.CommitIndex);
        Assert.Equal([new HeartbeatReply(T(1), 3, I(3))], lone.Step(2, new Heartbeat(T(1), I(9), 3)));
        Assert.Equal(I(3), lone.Node.CommitIndex);
    }

    [Theory]
    [InlineData(0, 0, true, 0, 0)]
    [InlineData(1, 1, true, 0, 0)]
    [InlineData(2, 2, true, 0, 0)]
    [InlineData(1, 2, false, 2, 2)]
    [InlineData(3, 3, false, 0, 3)]
    [InlineData(3, 9, false, 0, 3)]
    public void Follower_checks_the_previous_entry(ulong term, ulong index, bool accepted, ulong conflictTerm,
        ulong conflictFirst)
    {
        var lone = new Lone(disk: TestDisk.With(2, ReplicaId.None, 0, 1, 2));
        RaftMessage answer = Assert.Single(lone.Step(2, Append(4, Id(term, index), 0)));
        RaftMessage expected = accepted
            ? new AppendEntriesReply(T(4), I(index))
            : new AppendEntriesRejection(T(4), I(index), T(conflictTerm), I(conflictFirst));
        Assert.Equal(expected, answer);
        Assert.Equal(I(2), lone.Node.LastEntry.Index);
    }

    [Theory]
    [InlineData(2, 2, new ulong[] { 3 }, new ulong[] { 1, 2, 3 })]
    [InlineData(1, 1, new ulong[] { 3, 4 }, new ulong[] { 1, 3, 4 })]
    [InlineData(0, 0, new ulong[] { 1 }, new ulong[] { 1, 2 })]
    [InlineData(0, 0, new ulong[] { 3 }, new ulong[] { 3 })]
    [InlineData(0, 0, new ulong[] { 1, 2, 2 }, new ulong[] { 1, 2, 2 })]
    public void Follower_appends_and_replaces_only_conflicting_entries(ulong term, ulong index, ulong[] sent,
        ulong[] log)
    {
        var lone = new Lone(disk: TestDisk.With(2, ReplicaId.None, 0, 1, 2));
        lone.Step(2, Append(4, Id(term, index), 0, sent));
        Assert.Equal(log, Cluster.Terms(lone.Replica));
        Assert.Equal(I((ulong)log.Length), lone.Replica.Disk.LastIndex);
    }

    [Fact]
    public void Late_append_of_a_matching_prefix_truncates_nothing()
    {
        var lone = new Lone();
        lone.Step(2, Append(1, EntryId.Zero, 0, 1, 1, 1, 1));
        Assert.Equal([new AppendEntriesReply(T(1), I(4))], lone.Step(2, Append(1, Id(1, 1), 0, 1)));
        Assert.Equal([new AppendEntriesReply(T(1), I(4))], lone.Step(2, Append(1, EntryId.Zero, 0)));
        Assert.Equal(I(4), lone.Node.LastEntry.Index);
    }

    [Fact]
    public void Rejection_names_the_first_index_of_the_conflicting_term()
    {
        var lone = new Lone(disk: TestDisk.With(5, ReplicaId.None, 2, 1, 4, 4, 4, 4));
        Assert.Equal([new AppendEntriesRejection(T(6), I(5), T(4), I(3))], lone.Step(2, Append(6, Id(5, 5), 0)));
        Assert.Equal([new AppendEntriesRejection(T(6), I(8), T(0), I(6))], lone.Step(2, Append(6, Id(5, 8), 0)));
    }

    [Fact]
    public void Append_before_the_commit_index_is_checked_and_accepted()
    {
        var lone = new Lone(disk: TestDisk.With(2, ReplicaId.None, 3, 1, 1, 2, 2));
        Assert.Equal([new AppendEntriesReply(T(2), I(3))], lone.Step(2, Append(2, Id(1, 1), 0, 1)));
        Assert.Equal([new AppendEntriesReply(T(2), I(5))], lone.Step(2, Append(2, EntryId.Zero, 0, 1, 1, 2, 2, 2)));
        Assert.Equal([1ul, 1, 2, 2, 2], Cluster.Terms(lone.Replica));
    }

    [Fact]
    public void Append_that_starts_before_the_compacted_point_is_taken_from_there()
    {
        var lone = new Lone(disk: TestDisk.With(2, ReplicaId.None, 3, 1, 1, 2, 2));
        lone.Replica.TakeSnapshot();
        Assert.Equal(Id(2, 3), lone.Node.Compacted);
        Assert.Equal([new AppendEntriesReply(T(2), I(3))], lone.Step(2, Append(2, Id(1, 1), 0, 1)));
        Assert.Equal([new AppendEntriesReply(T(2), I(6))], lone.Step(2, Append(2, Id(1, 1), 0, 1, 2, 2, 2, 2)));
        Assert.Equal(Id(2, 6), lone.Node.LastEntry);
    }

    [Fact]
    public void Contradicting_a_committed_entry_is_an_invariant_violation()
    {
        foreach (AppendEntries append in new[] { Append(9, Id(1, 1), 0, 3), Append(9, Id(3, 2), 0),
            Append(9, Id(1, 2), 0) })
        {
            var lone = new Lone(disk: TestDisk.With(2, ReplicaId.None, 2, 1, 2, 2));
            Assert.Throws<InvariantViolationException>(() => lone.Step(2, append));
            Assert.Equal(Id(2, 3), lone.Node.LastEntry);
        }
    }

    [Fact]
    public void Follower_drops_appends_beyond_the_unflushed_bound_and_takes_them_later()
    {
        var lone = new Lone(change: options => options with { MaxUnflushedBytes = 6 });
        lone.Replica.PersistsAtOnce = false;
        lone.Step(2, Append(1, EntryId.Zero, 0, 1));
        lone.Step(2, Append(1, Id(1, 1), 0, 1));
        Assert.Empty(lone.Step(2, Append(1, Id(1, 2), 0, 1)));
        Assert.Equal(I(2), lone.Node.LastEntry.Index);
        lone.PersistAll();
        lone.Step(2, Append(1, Id(1, 2), 0, 1));
        Assert.Equal(I(3), lone.Node.LastEntry.Index);
    }

    [Fact]
    public void Empty_disk_bound_lets_one_large_append_through()
    {
        var lone = new Lone(change: options => options with { MaxUnflushedBytes = 1 });
        lone.Step(2, Append(1, EntryId.Zero, 0, 1, 1, 1));
        Assert.Equal(I(3), lone.Node.LastEntry.Index);
    }

    [Fact]
    public void Compaction_stops_at_what_is_durable_and_refuses_what_is_not_applied()
    {
        var lone = new Lone();
        lone.Replica.PersistsAtOnce = false;
        lone.Step(2, Append(1, EntryId.Zero, 3, 1, 1, 1, 1));
        Assert.Equal(I(3), lone.Node.LastApplied);
        lone.Node.Compact(I(3));
        Assert.Equal(I(1), lone.Node.FirstKept);
        Assert.Throws<ArgumentOutOfRangeException>(() => lone.Node.Compact(I(4)));
        lone.PersistAll();
        lone.Node.Compact(I(3));
        Assert.Equal((I(4), Id(1, 3), 3), (lone.Node.FirstKept, lone.Node.Compacted, lone.Node.LogBytes));
    }

    [Fact]
    public void Applying_beyond_the_commit_index_is_an_invariant_violation()
    {
        var lone = new Lone();
        lone.Step(2, Append(1, EntryId.Zero, 1, 1, 1));
        Assert.Throws<InvariantViolationException>(() => lone.Node.Applied(I(2)));
    }
}
