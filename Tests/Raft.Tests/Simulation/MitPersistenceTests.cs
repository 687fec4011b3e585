namespace Orleans.Raft.Core.Tests;

/// <summary>The cases of MIT 6.5840 about persistence (lab 2C of 6.824).</summary>
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

    private static ulong Next(ulong id, ulong size = 3, ulong by = 1) => ((id - 1 + by) % size) + 1;
}
