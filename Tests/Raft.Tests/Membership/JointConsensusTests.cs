namespace Orleans.Raft.Core.Tests;

[Trait("Raft", "§6")]
public sealed class JointConsensusTests
{
    // r1 to r3 decide, and r1, r4 and r5 too.
    private static readonly Configuration s_joint =
        Configuration.Create(2, [M(1), M(4), M(5)], [], [M(1), M(2), M(3)]);

    [Fact]
    public void A_change_of_voters_goes_through_a_joint_configuration_and_leaves_it_by_itself()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Complete(Changes.Swap([4, 5], 2, 3));
        Assert.Equal("1 4 5", Changes.Shape(cluster[1]));
        Assert.Equal(["1 4 5 was 1 2 3 no", "1 4 5 no", "1 4 5 yes"], Told(cluster[1])[^3..]);
        Assert.Equal(5ul, cluster[1].Node.Configuration.Version);
        Assert.Equal(cluster[1].Node.Configuration, cluster[5].Configuration);
        EntryId id = cluster.Commit("after");
        Assert.Equal(id.Index, cluster[4].Node.CommitIndex);
    }

    [Fact]
    public void Entries_commit_only_with_a_majority_of_each_configuration()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Partition(1, 4, 5);
        EntryId joint = cluster.Begin(Changes.Swap([4, 5], 2, 3));
        EntryId after = cluster.Propose("x");
        cluster.DeliverAll();
        Assert.Equal((after, after), (cluster[4].Node.LastEntry, cluster[5].Node.LastEntry));
        Assert.True(cluster[1].Node.CommitIndex < joint.Index, "committed by the new majority alone");
        cluster.Heal();
        cluster.Partition(1, 2, 3);
        cluster.Run(0.8);
        Assert.True(cluster[1].IsLeader && cluster[2].Node.LastEntry.Index >= after.Index);
        Assert.True(cluster[1].Node.CommitIndex >= after.Index, "both majorities acknowledged it by now");
    }

    [Fact]
    public void The_majority_before_alone_commits_nothing()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Partition(1, 2, 3);
        EntryId joint = cluster.Begin(Changes.Swap([4, 5], 2, 3));
        cluster.DeliverAll();
        Assert.Equal((joint, joint), (cluster[2].Node.LastEntry, cluster[3].Node.LastEntry));
        Assert.True(cluster[1].Node.CommitIndex < joint.Index);
        cluster.Heal();
        cluster.Isolate(3);
        cluster.Isolate(5);
        cluster.Run(0.8);
        Assert.True(cluster[1].Node.CommitIndex >= joint.Index, "two of each are enough");
    }

    [Fact]
    public void A_candidate_needs_a_majority_of_each_configuration()
    {
        var lone = new Lone(5, configuration: s_joint);
        lone.BecomePreCandidate();
        Assert.Equal([R(2), R(3), R(4), R(5)], lone.Replica.Sent.Select(sent => sent.To));
        Grant(lone, new PreVoteReply(T(1), true), 4, 5);
        Assert.Equal(Role.PreCandidate, lone.Node.Role);
        Grant(lone, new PreVoteReply(T(1), true), 3);
        Assert.Equal(Role.Candidate, lone.Node.Role);
        Grant(lone, new RequestVoteReply(T(1), true), 2, 3);
        Assert.Equal(Role.Candidate, lone.Node.Role);
        Grant(lone, new RequestVoteReply(T(1), true), 5);
        Assert.Equal(Role.Leader, lone.Node.Role);
    }

    [Fact]
    public void A_candidate_that_either_majority_refuses_gives_up()
    {
        Lone lone = new Lone(5, configuration: s_joint).BecomeCandidate();
        Grant(lone, new RequestVoteReply(T(1), false), 2);
        Assert.Equal(Role.Candidate, lone.Node.Role);
        Grant(lone, new RequestVoteReply(T(1), false), 3);
        Assert.Equal(Role.Follower, lone.Node.Role);
    }

    [Fact]
    public void A_leader_stays_in_office_only_while_a_majority_of_each_answers()
    {
        foreach ((ulong first, ulong second, bool stays) in
            new[] { (4ul, 5ul, false), (2ul, 3ul, false), (2ul, 4ul, true) })
        {
            Lone lone = new Lone(5, configuration: s_joint).BecomeLeader();
            for (ulong round = 1; round <= 6; round++)
            {
                lone.Tick(HeartbeatInterval);
                if (lone.Node.Role == Role.Leader)
                    Grant(lone, new HeartbeatReply(T(1), round, I(0)), first, second);
            }

            Assert.Equal(stays, lone.Node.Role == Role.Leader);
        }
    }

    [Fact]
    public void A_read_needs_a_majority_of_each_configuration()
    {
        foreach (ulong[] silent in new ulong[][] { [2, 3], [4, 5] })
        {
            Cluster cluster = Changes.WithTwoLearners();
            cluster.Run(2);
            cluster.Lose = (_, _, message) => message is AppendEntriesReply;
            cluster.Begin(Changes.Swap([4, 5], 2, 3));
            cluster.Lose = (from, _, message) => message is AppendEntriesReply || silent.Contains(from.Value);
            cluster.Now += 0.95 * ElectionTimeout;
            cluster[1].Node.ReadIndex(7, cluster.Now);
            cluster[1].Turn(cluster.Now);
            cluster.DeliverAll();
            Assert.Empty(cluster[1].ReadsReady);
            Assert.False(cluster[1].Node.HasLease(cluster.Now));
            cluster.Lose = (from, _, message) => message is AppendEntriesReply || silent[0] == from.Value;
            cluster[1].Tick(cluster.Now);
            cluster.DeliverAll();
            Assert.Single(cluster[1].ReadsReady);
            Assert.True(cluster[1].Node.HasLease(cluster.Now));
        }
    }

    [Fact]
    public void A_configuration_is_in_force_as_soon_as_it_is_appended()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Isolate(3);
        cluster.Lose = (_, _, message) => message is AppendEntriesReply;
        cluster.Begin(Changes.Promote(4));
        Assert.Equal("1 2 3 4 was 1 2 3 learns 5", Changes.Shape(cluster[1]));
        cluster.DeliverAll();
        Assert.Equal("1 2 3 4 was 1 2 3 learns 5", Changes.Shape(cluster[2]));
        Assert.False(cluster[1].Node.IsConfigurationCommitted || cluster[2].Node.IsConfigurationCommitted);
        Assert.Equal("1 2 3 learns 4 5", Changes.Shape(cluster[3]));
        Assert.Equal("1 2 3 learns 4 5", Changes.Shape(cluster[2].Configuration));
    }

    [Fact]
    public void Truncating_its_entry_undoes_a_configuration()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Isolate(1);
        cluster.Begin(Changes.Promote(4));
        cluster.DeliverAll();
        Assert.Equal("1 2 3 4 was 1 2 3 learns 5", Changes.Shape(cluster[1]));
        cluster.Elect(2);
        cluster.Commit("instead");
        cluster.Heal();
        cluster.Run(2);
        Assert.Equal("1 2 3 learns 4 5", Changes.Shape(cluster[1]));
        Assert.Equal("1 2 3 learns 4 5 yes", Told(cluster[1])[^1]);
        Assert.Equal(cluster[2].Node.LastEntry, cluster[1].Node.LastEntry);
        cluster.Complete(Changes.Promote(5));
        Assert.Equal("1 2 3 5 learns 4", Changes.Shape(cluster[4]));
    }

    [Fact]
    public void A_new_leader_that_finds_a_committed_joint_configuration_leaves_it()
    {
        Cluster cluster = Joint();
        cluster.Crash(1);
        cluster.Lose = (_, _, _) => false;
        cluster.ElectAny();
        cluster.Run(1);
        Assert.Equal("1 4 5", Changes.Shape(cluster.Leader));
        Assert.True(cluster.Leader.Node.IsConfigurationCommitted);
        Assert.True(cluster.Leader.Id.Value >= 4, "only they are voters now");
    }

    [Fact]
    public void A_joint_configuration_that_was_not_committed_is_finished_or_undone_with_its_leader()
    {
        foreach (bool reached in new[] { true, false })
        {
            Cluster cluster = Changes.WithTwoLearners();
            if (!reached) cluster.Isolate(1);
            cluster.Lose = (_, _, message) => message is AppendEntriesReply;
            cluster.Begin(Changes.Swap([4, 5], 2, 3));
            cluster.DeliverAll();
            cluster.Crash(1);
            cluster.Lose = (_, _, _) => false;
            cluster.ElectAny();
            cluster.Run(2);
            Assert.Equal(reached ? "1 4 5" : "1 2 3 learns 4 5", Changes.Shape(cluster.Leader));
            cluster.Commit("after");
        }
    }

    [Fact]
    public void The_joint_configuration_is_left_only_when_it_is_committed()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Partition(1, 4, 5);
        cluster.Begin(Changes.Swap([4, 5], 2, 3));
        cluster.DeliverAll();
        Assert.True(cluster[1].Node.Configuration.IsJoint && cluster[5].Node.Configuration.IsJoint);
        cluster.Heal();
        cluster.Run(0.8);
        Assert.Equal("1 4 5", Changes.Shape(cluster[1]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_cluster_that_restarts_in_the_middle_of_a_change_completes_it(bool isJointCommitted)
    {
        Cluster cluster = isJointCommitted ? Joint() : Changes.WithTwoLearners();
        if (!isJointCommitted)
        {
            cluster.Lose = (_, _, message) => message is AppendEntriesReply;
            cluster.Begin(Changes.Swap([4, 5], 2, 3));
            cluster.DeliverAll();
        }

        for (ulong id = 1; id <= 5; id++) cluster.Crash(id);
        cluster.Lose = (_, _, _) => false;
        for (ulong id = 1; id <= 5; id++) cluster.Restart(id);
        Assert.All(cluster.Replicas.Skip(1), replica => Assert.Equal("1 4 5 was 1 2 3", Changes.Shape(replica)));
        cluster.ElectAny();
        cluster.Run(3);
        Assert.Equal("1 4 5", Changes.Shape(cluster.Leader));
        cluster.Commit("after");
    }

    [Fact]
    public void A_replica_restarts_with_the_configuration_of_its_log_or_else_of_its_snapshot()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Complete(Changes.Promote(4));
        cluster[2].TakeSnapshot();
        cluster.Complete(Changes.Promote(5));
        foreach (ulong id in new ulong[] { 2, 3 })
        {
            cluster.Crash(id);
            cluster.Restart(id);
            Assert.Equal("1 2 3 4 5", Changes.Shape(cluster[id]));
        }

        cluster.Run(0.5);
        cluster[2].TakeSnapshot();
        cluster.Crash(2);
        cluster.Restart(2);
        Assert.Equal(("1 2 3 4 5", true), (Changes.Shape(cluster[2]), cluster[2].Node.IsConfigurationCommitted));
    }

    [Fact]
    public void A_snapshot_brings_the_configuration_as_of_its_end()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Isolate(3);
        cluster.Complete(Changes.Promote(4));
        cluster[1].TakeSnapshot();
        cluster.Complete(Changes.Promote(5));
        cluster.Heal();
        cluster.Run(1);
        Assert.Contains("1 2 3 4 learns 5 yes", Told(cluster[3]));
        Assert.Equal("1 2 3 4 5", Changes.Shape(cluster[3]));
        Assert.Equal("1 2 3 4 learns 5", Changes.Shape(cluster[3].Disk.Configuration));
    }

    [Fact]
    public void Compacting_the_log_keeps_the_configuration()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Complete(Changes.Swap([4, 5], 2, 3));
        cluster.Commit("x");
        cluster[1].TakeSnapshot();
        Assert.Equal(cluster[1].Node.LastEntry, cluster[1].Node.Compacted);
        Assert.Equal("1 4 5", Changes.Shape(cluster[1]));
        cluster.Commit("y");
    }

    // r1 leads; the joint configuration is committed and cannot be left.
    private static Cluster Joint()
    {
        Cluster cluster = Changes.WithTwoLearners();
        cluster.Lose = (_, _, message) => message is AppendEntries append && append.Entries.ToArray().Any(IsLast);
        cluster.Begin(Changes.Swap([4, 5], 2, 3));
        cluster.DeliverAll();
        Assert.Equal("1 4 5", Changes.Shape(cluster[1]));
        cluster.Run(HeartbeatInterval);
        Assert.All(cluster.Replicas.Skip(1), replica => Assert.Equal("1 4 5 was 1 2 3", Changes.Shape(replica)));
        return cluster;
    }

    private static bool IsLast(LogEntry entry) =>
        entry.Kind == EntryKind.Configuration && Changes.Shape(Replica.Decoded(entry)) == "1 4 5";

    private static string[] Told(Replica replica) =>
        [.. replica.Told.Select(told => $"{Changes.Shape(told.Configuration)} {(told.IsCommitted ? "yes" : "no")}")];

    private static void Grant(Lone lone, RaftMessage answer, params ulong[] from)
    {
        foreach (ulong id in from) lone.Step(id, answer);
    }
}
