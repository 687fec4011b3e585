namespace Orleans.Raft.Core.Tests;

/// <summary>The cases of MIT 6.5840 about snapshots (lab 2D of 6.824).</summary>
[Trait("Raft", "§7")]
public sealed class MitSnapshotTests
{
    private const int Rounds = 10;

    /// <summary>A snapshot is due after so many commands of at most three bytes.</summary>
    private const int Interval = 10;
    private const int LogLimitBytes = Interval * 3;

    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 5).Select(seed => (ulong)seed)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Snapshots_basic(ulong seed) => Run(seed, loss: 0, victim: null);

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Snapshots_are_installed_after_a_disconnection(ulong seed) => Run(seed, loss: 0, Victim.Disconnected);

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Snapshots_are_installed_after_a_disconnection_over_an_unreliable_network(ulong seed) =>
        Run(seed, loss: 0.1, Victim.Disconnected);

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Snapshots_are_installed_after_a_crash(ulong seed) => Run(seed, loss: 0, Victim.Crashed);

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Snapshots_are_installed_after_a_crash_over_an_unreliable_network(ulong seed) =>
        Run(seed, loss: 0.1, Victim.Crashed);

    [Fact]
    public void All_crash_and_restart_from_snapshots()
    {
        var cluster = new Cluster(3);
        for (int round = 0; round < 5; round++)
        {
            cluster.ElectAny();
            for (int i = 0; i < Interval; i++) cluster.Commit($"{round}.{i}");
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

    /// <summary>Every round one replica misses what makes a snapshot necessary, and gets it.</summary>
    private static void Run(ulong seed, double loss, Victim? victim)
    {
        var cluster = new Cluster(3, seed);
        var random = new SplitMix64(seed + 77);
        int sent = 0, lost = 0, snapshots = 0;
        cluster.Lose = (_, _, message) =>
        {
            if (random.NextUnit() < loss)
            {
                lost++;
                return true;
            }

            if (message is InstallSnapshot) sent++;
            return false;
        };
        for (int round = 0; round < Rounds; round++)
        {
            ulong leader = cluster.ElectAny().Id.Value;
            // Every third time it is the leader.
            ulong missing = ((leader + (ulong)(round % 3)) % 3) + 1;
            if (victim is Victim.Disconnected) cluster.Isolate(missing);
            if (victim is Victim.Crashed) cluster.Crash(missing);
            cluster.Run(4);
            for (int i = 0; i < Interval; i++)
            {
                cluster.Propose(cluster.ElectAny(), $"{round}.{i}");
                cluster.Run(0.2);
            }

            foreach (Replica replica in cluster.Replicas.Where(replica => replica.IsUp))
            {
                EntryId before = replica.Disk.Snapshot;
                if (replica.TakeSnapshot() != before) snapshots++;
            }

            cluster.Heal();
            if (victim is Victim.Crashed) cluster.Restart(missing);
            CatchUp(cluster);
            Assert.All(cluster.Replicas, replica =>
            {
                Assert.InRange(replica.Node.LogBytes, 0, 8 * LogLimitBytes);
                Assert.InRange(replica.Disk.LogBytes, 0, 8 * LogLimitBytes);
            });
        }

        cluster.Lose = (_, _, _) => false;
        CatchUp(cluster);
        Assert.All(cluster.Replicas, replica =>
            Assert.Equal(cluster.Leader.Node.LastApplied, replica.Node.LastApplied));
        Assert.True(cluster.Leader.Node.LastApplied >= I(Rounds * Interval));
        Assert.True(snapshots >= 2 * Rounds, $"{snapshots} snapshots taken");
        Assert.True(victim is null ? loss > 0 || sent == 0 : sent >= Rounds / 2, $"{sent} snapshots sent");
        Assert.True(loss == 0 || lost >= 5 * Rounds, $"{lost} messages lost");
    }

    private static void CatchUp(Cluster cluster)
    {
        for (int i = 0; i < 3; i++)
        {
            cluster.Run(2);
            // That a snapshot was lost is the driver's to notice.
            foreach (Replica replica in cluster.Replicas)
            {
                foreach (Replica other in cluster.Replicas)
                    replica.Node.ReportSnapshotEnded(other.Id, cluster.Now);
            }
        }
    }

    private enum Victim
    {
        Disconnected,
        Crashed,
    }
}
