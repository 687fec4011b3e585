namespace Orleans.Raft.Core.Tests;

/// <summary>The cases of MIT 6.5840 about persistence, churn and snapshots (labs 2C and 2D of 6.824).</summary>
public sealed class MitPersistenceTests
{
    [Fact]
    public void Persistence_survives_restarts_of_all_of_one_and_of_the_leader()
    {
        var cluster = new Cluster(3);
        cluster.ElectAny();
        cluster.Commit("11");
        for (ulong id = 1; id <= 3; id++) cluster.Crash(id);
        for (ulong id = 1; id <= 3; id++) cluster.Restart(id);
        ulong leader = cluster.ElectAny().Id.Value;
        cluster.Commit("12");
        cluster.Crash(leader);
        cluster.Restart(leader);
        leader = cluster.ElectAny().Id.Value;
        cluster.Commit("13");
        cluster.Crash(leader);
        cluster.Run(4);
        cluster.Commit("14");
        cluster.Restart(leader);
        cluster.Run(2);
        ulong follower = Next(cluster.Leader.Id.Value);
        cluster.Crash(follower);
        cluster.Commit("15");
        cluster.Restart(follower);
        cluster.Run(2);
        cluster.Commit("16");
        Assert.All(cluster.Replicas, replica =>
            Assert.Equal(["11", "12", "13", "14", "15", "16"], Cluster.Commands(replica)));
    }

    [Fact]
    public void More_persistence_with_rolling_crashes_of_five()
    {
        var cluster = new Cluster(5);
        int committed = 0;
        for (int round = 0; round < 5; round++)
        {
            ulong leader = cluster.ElectAny().Id.Value;
            cluster.Commit($"{committed++}");
            cluster.Isolate(Next(leader, 5));
            cluster.Isolate(Next(Next(leader, 5), 5));
            cluster.Commit($"{committed++}");
            foreach (ulong id in new[] { leader, Next(leader, 5, 3), Next(leader, 5, 4) }) cluster.Crash(id);
            cluster.Heal();
            cluster.Restart(Next(leader, 5, 3));
            cluster.Run(4);
            cluster.Restart(Next(leader, 5, 4));
            cluster.ElectAny();
            cluster.Commit($"{committed++}");
            cluster.Restart(leader);
            cluster.Run(2);
        }

        cluster.Commit("1000");
        cluster.Run(1);
        cluster.AssertLogsAgree();
        Assert.Equal(committed + 1, Cluster.Commands(cluster[1]).Distinct().Count());
    }

    [Fact]
    public void Partitioned_leader_and_one_follower_crash_and_the_leader_restarts()
    {
        var cluster = new Cluster(3);
        ulong leader = cluster.ElectAny().Id.Value;
        cluster.Commit("101");
        cluster.Isolate(Next(Next(leader)));
        cluster.Commit("102");
        cluster.Crash(leader);
        cluster.Crash(Next(leader));
        cluster.Heal();
        cluster.Restart(leader);
        cluster.ElectAny();
        cluster.Commit("103");
        cluster.Restart(Next(leader));
        cluster.Commit("104");
        cluster.Run(2);
        cluster.AssertLogsAgree();
        Assert.Equal(["101", "102", "103", "104"], Cluster.Commands(cluster[Next(leader)]));
    }

    [Fact]
    public void Unreliable_agreement()
    {
        for (ulong seed = 0; seed < 10; seed++)
        {
            Cluster cluster = Unreliable(5, seed, 0.1);
            Assert.True(Churn(cluster, seed, rounds: 30, crashes: false) >= 20, $"seed {seed}");
        }
    }

    [Fact]
    public void Reliable_churn()
    {
        for (ulong seed = 0; seed < 10; seed++)
            Assert.True(Churn(new Cluster(5, seed), seed, rounds: 30, crashes: true) >= 10, $"seed {seed}");
    }

    [Fact]
    public void Unreliable_churn_and_figure_8_unreliable()
    {
        for (ulong seed = 0; seed < 10; seed++)
        {
            Cluster cluster = Unreliable(5, seed, 0.25);
            Assert.True(Churn(cluster, seed, rounds: 40, crashes: true) >= 5, $"seed {seed}");
        }
    }

    [Theory]
    [InlineData(false, 0, false)]
    [InlineData(true, 0, false)]
    [InlineData(true, 0.1, false)]
    [InlineData(true, 0, true)]
    [InlineData(true, 0.1, true)]
    [Trait("Raft", "§7")]
    public void Snapshots_basic_installed_unreliable_and_with_crashes(bool cutOff, double loss, bool crash)
    {
        for (ulong seed = 0; seed < 5; seed++)
        {
            Cluster cluster = Unreliable(3, seed, loss);
            cluster.ElectAny();
            for (int round = 0; round < 10; round++)
            {
                ulong victim = Next(cluster.ElectAny().Id.Value, 3, 1 + ((ulong)round % 2));
                if (cutOff && !crash) cluster.Isolate(victim);
                if (crash) cluster.Crash(victim);
                for (int i = 0; i < 10; i++)
                {
                    cluster.Propose(cluster.ElectAny(), $"{round}.{i}");
                    cluster.Run(0.2);
                }

                foreach (Replica replica in cluster.Replicas.Where(replica => replica.IsUp)) replica.TakeSnapshot();
                cluster.Heal();
                if (crash) cluster.Restart(victim);
                cluster.Run(3);
                foreach (Replica replica in cluster.Replicas)
                {
                    // A lost snapshot is the driver's to notice.
                    foreach (Replica other in cluster.Replicas) replica.Node.ReportSnapshotEnded(other.Id, cluster.Now);
                }

                Assert.All(cluster.Replicas, replica =>
                    Assert.True(replica.Node.LogBytes < 400, $"seed {seed}: {replica.Node.LogBytes}"));
            }

            cluster.Lose = (_, _, _) => false;
            cluster.Run(6);
            Assert.All(cluster.Replicas, replica =>
                Assert.Equal(cluster.Leader.Node.LastApplied, replica.Node.LastApplied));
            Assert.True(cluster.Leader.Node.LastApplied >= I(50), $"seed {seed}: {cluster.Leader.Node.LastApplied}");
        }
    }

    [Fact]
    [Trait("Raft", "§7")]
    public void All_crash_and_restart_from_snapshots()
    {
        var cluster = new Cluster(3);
        for (int round = 0; round < 5; round++)
        {
            cluster.ElectAny();
            for (int i = 0; i < 10; i++) cluster.Commit($"{round}.{i}");
            foreach (Replica replica in cluster.Replicas) replica.TakeSnapshot();
            cluster.Commit($"{round}.after");
            LogIndex before = cluster.Leader.Node.CommitIndex;
            for (ulong id = 1; id <= 3; id++) cluster.Crash(id);
            for (ulong id = 1; id <= 3; id++) cluster.Restart(id);
            cluster.ElectAny();
            cluster.Run(1);
            Assert.All(cluster.Replicas, replica => Assert.True(replica.Node.LastApplied >= before));
        }
    }

    private static ulong Next(ulong id, ulong size = 3, ulong by = 1) => ((id - 1 + by) % size) + 1;

    private static Cluster Unreliable(int size, ulong seed, double loss)
    {
        var random = new SplitMix64(seed + 77);
        return new Cluster(size, seed) { Lose = (_, _, _) => random.NextBelow(1_000) < loss * 1_000 };
    }

    // Proposes, cuts off and restarts at random; returns how many commands committed, after checking that everyone
    // agrees.
    private static int Churn(Cluster cluster, ulong seed, int rounds, bool crashes)
    {
        var random = new SplitMix64(seed);
        ulong size = (ulong)cluster.Replicas.Count;
        for (int round = 0; round < rounds; round++)
        {
            foreach (Replica leader in cluster.Replicas.Where(replica => replica.IsLeader))
            {
                leader.Node.Propose(Bytes($"{round} by {leader.Id}"), cluster.Now, out _);
                leader.Turn(cluster.Now);
            }

            cluster.Run(random.NextBelow(10) / 5.0);
            if (!crashes) continue;
            ulong victim = random.NextBelow(size) + 1;
            if (!cluster[victim].IsUp) cluster.Restart(victim);
            else if (random.NextBelow(3) != 0 && cluster.Replicas.Count(replica => !replica.IsUp) < 2)
                cluster.Crash(victim);
        }

        cluster.Lose = (_, _, _) => false;
        foreach (Replica replica in cluster.Replicas.Where(replica => !replica.IsUp)) cluster.Restart(replica.Id.Value);
        cluster.ElectAny();
        cluster.Commit("the end");
        cluster.Run(2);
        cluster.AssertLogsAgree();
        return Cluster.Commands(cluster[1]).Length;
    }
}
