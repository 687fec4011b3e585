namespace Orleans.Raft.Core.Tests;

/// <summary>The cases of MIT 6.5840 lab 3 (2 of 6.824), as far as a network driven by hand reaches.</summary>
public sealed class MitLabTests
{
    [Fact]
    public void Initial_election_takes_less_than_five_seconds_and_lasts()
    {
        var cluster = new Cluster(3);
        TimeSpan start = cluster.Now;
        Term term = cluster.ElectAny().Node.Term;
        Assert.True(cluster.Now - start < TimeSpan.FromSeconds(5));
        cluster.Run(TimeSpan.FromSeconds(2));
        Assert.Equal(term, cluster.Leader.Node.Term);
    }

    [Fact]
    public void Re_election_after_failure_none_without_quorum_and_one_again_after()
    {
        var cluster = new Cluster(3);
        ulong first = cluster.ElectAny().Id.Value;
        cluster.Isolate(first);
        cluster.Run(4);
        ulong second = cluster.Leader.Id.Value;
        Assert.NotEqual(first, second);
        cluster.Heal();
        cluster.Run(2);
        Assert.Equal(second, cluster.Leader.Id.Value);
        cluster.Isolate(second);
        cluster.Isolate(second % 3 + 1);
        cluster.Run(6);
        Assert.DoesNotContain(cluster.Replicas, replica => replica.IsLeader);
        cluster.Heal();
        cluster.ElectAny();
    }

    [Fact]
    public void Many_elections_with_three_of_seven_cut_off()
    {
        var cluster = new Cluster(7);
        cluster.ElectAny();
        var random = new SplitMix64(1);
        for (int round = 0; round < 10; round++)
        {
            ulong start = random.NextBelow(7);
            for (ulong i = 0; i < 3; i++) cluster.Isolate(((start + (i * 2)) % 7) + 1);
            cluster.Run(6);
            Assert.NotNull(cluster.Leader);
            cluster.Heal();
        }

        cluster.ElectAny();
    }

    [Fact]
    public void Basic_agreement_and_no_commit_before_a_proposal()
    {
        var cluster = new Cluster(5);
        cluster.ElectAny();
        for (int i = 0; i < 3; i++)
        {
            Assert.All(cluster.Replicas, replica => Assert.Equal(i, Cluster.Commands(replica).Length));
            cluster.Commit($"{i * 100}");
        }
    }

    [Fact]
    public void Each_command_travels_to_each_peer_just_once()
    {
        var cluster = new Cluster(3);
        cluster.ElectAny();
        long before = cluster.DeliveredPayloadBytes;
        for (int i = 0; i < 10; i++) cluster.Commit(new string('x', 5_000));
        Assert.Equal(2 * 10 * 5_000, cluster.DeliveredPayloadBytes - before);
    }

    [Fact]
    public void Follower_failures_are_survived_until_the_quorum_is_gone()
    {
        var cluster = new Cluster(3);
        ulong leader = cluster.ElectAny().Id.Value;
        cluster.Commit("101");
        cluster.Isolate(Next(leader));
        cluster.Commit("102");
        cluster.Run(2);
        cluster.Commit("103");
        cluster.Isolate(Next(Next(leader)));
        cluster.Propose("104");
        cluster.DeliverAll();
        cluster.Run(4);
        Assert.All(cluster.Replicas, replica => Assert.DoesNotContain("104", Cluster.Commands(replica)));
    }

    [Fact]
    public void Leader_failures_are_survived_until_the_quorum_is_gone()
    {
        var cluster = new Cluster(3);
        ulong first = cluster.ElectAny().Id.Value;
        cluster.Commit("101");
        cluster.Isolate(first);
        cluster.Run(4);
        ulong second = cluster.Leader.Id.Value;
        cluster.Commit("102");
        cluster.Isolate(second);
        EntryId lost = cluster.Propose(cluster[second], "104");
        cluster.Run(6);
        Assert.All(cluster.Replicas, replica => Assert.True(replica.Node.CommitIndex < lost.Index));
    }

    [Fact]
    public void Follower_agrees_after_reconnecting()
    {
        var cluster = new Cluster(3);
        ulong leader = cluster.ElectAny().Id.Value;
        cluster.Commit("101");
        cluster.Isolate(Next(leader));
        foreach (string text in new[] { "102", "103", "104", "105" }) cluster.Commit(text);
        cluster.Run(2);
        cluster.Heal();
        cluster.Commit("106");
        cluster.Run(2);
        cluster.Commit("107");
        Assert.All(cluster.Replicas, replica =>
            Assert.Equal(["101", "102", "103", "104", "105", "106", "107"], Cluster.Commands(replica)));
    }

    [Fact]
    public void No_agreement_without_a_majority_and_the_orphan_is_replaced()
    {
        var cluster = new Cluster(5);
        ulong leader = cluster.ElectAny().Id.Value;
        cluster.Commit("10");
        ulong[] others = [.. Enumerable.Range(1, 5).Select(id => (ulong)id).Where(id => id != leader)];
        cluster.Partition(others[0], others[1], others[2]);
        EntryId orphan = cluster.Propose(cluster[leader], "20");
        cluster.DeliverAll();
        Assert.True(cluster[leader].Node.CommitIndex < orphan.Index);
        cluster.Run(5);
        cluster.Heal();
        cluster.ElectAny();
        cluster.Commit("1000");
        cluster.Run(1);
        Assert.All(cluster.Replicas, replica => Assert.Equal("1000", Cluster.Commands(replica)[^1]));
        cluster.AssertLogsAgree();
    }

    [Fact]
    public void Concurrent_proposals_of_one_term_all_commit()
    {
        var cluster = new Cluster(3);
        Replica leader = cluster.ElectAny();
        for (int i = 0; i < 5; i++) leader.Node.Propose(Bytes($"{100 + i}"), cluster.Now, out _);
        leader.Turn(cluster.Now);
        cluster.DeliverAll();
        cluster.Run(HeartbeatInterval);
        Assert.All(cluster.Replicas, replica =>
            Assert.Equal(["100", "101", "102", "103", "104"], Cluster.Commands(replica)));
    }

    [Fact]
    public void Partitioned_leader_rejoins_and_its_entries_go()
    {
        var cluster = new Cluster(3);
        ulong first = cluster.ElectAny().Id.Value;
        cluster.Commit("101");
        cluster.Isolate(first);
        foreach (string text in new[] { "102", "103", "104" }) cluster.Propose(cluster[first], text);
        cluster.Run(4);
        ulong second = cluster.Leader.Id.Value;
        cluster.Propose("103b");
        cluster.DeliverAll();
        cluster.Run(1);
        cluster.Isolate(second);
        cluster.HealAndForget();
        cluster.Isolate(second);
        cluster.Run(6);
        cluster.Commit("104b");
        cluster.HealAndForget();
        cluster.Run(3);
        cluster.Commit("105b");
        cluster.Run(1);
        Assert.All(cluster.Replicas, replica =>
            Assert.Equal(["101", "103b", "104b", "105b"], Cluster.Commands(replica)));
    }

    [Fact]
    public void Fast_backup_over_incorrect_logs()
    {
        var cluster = new Cluster(5, change: options => options with { MaxInFlightBytes = 1 << 20 });
        ulong first = cluster.ElectAny().Id.Value;
        cluster.Commit("start");
        ulong[] ids = [first, .. Enumerable.Range(1, 5).Select(id => (ulong)id).Where(id => id != first)];
        cluster.Partition(ids[0], ids[1]);
        for (int i = 0; i < 50; i++) cluster.Propose(cluster[first], $"lost a{i}");
        cluster.DeliverAll();
        cluster.Run(5);
        for (int i = 0; i < 50; i++) cluster.Commit($"kept b{i}");
        Replica second = cluster.Leader;
        ulong other = ids[2..].First(id => id != second.Id.Value);
        cluster.Isolate(other);
        cluster.Partition(second.Id.Value);
        for (int i = 0; i < 50; i++) cluster.Propose(second, $"lost c{i}");
        cluster.DeliverAll();
        for (ulong id = 1; id <= 5; id++) cluster.Crash(id);
        cluster.Heal();
        cluster.InFlight.Clear();
        ulong last = ids[2..].First(id => id != second.Id.Value && id != other);
        foreach (ulong id in new[] { ids[0], ids[1], other, last }) cluster.Restart(id);
        cluster.ElectAny();
        for (int i = 0; i < 50; i++) cluster.Commit($"kept d{i}");
        cluster.Restart(second.Id.Value);
        cluster.Run(3);
        cluster.Commit("end");
        cluster.Run(1);
        cluster.AssertLogsAgree();
        string[] commands = Cluster.Commands(cluster[second.Id.Value]);
        Assert.Equal(102, commands.Length);
        Assert.DoesNotContain(commands, command => command.StartsWith("lost", StringComparison.Ordinal));
    }

    [Fact]
    public void Agreement_needs_few_messages()
    {
        var cluster = new Cluster(3);
        int start = cluster.Delivered;
        cluster.ElectAny();
        Assert.InRange(cluster.Delivered - start, 1, 30);
        cluster.Run(1);
        start = cluster.Delivered;
        for (int i = 0; i < 10; i++) cluster.Propose($"{i}");
        cluster.DeliverAll();
        Assert.True(cluster.Leader.Node.CommitIndex >= I(11));
        Assert.InRange(cluster.Delivered - start, 1, 42);
        start = cluster.Delivered;
        cluster.Run(TimeSpan.FromSeconds(1));
        Assert.InRange(cluster.Delivered - start, 1, 60);
    }

    private static ulong Next(ulong id, ulong size = 3, ulong by = 1) => ((id - 1 + by) % size) + 1;
}
