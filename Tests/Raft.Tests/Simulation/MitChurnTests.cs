namespace Orleans.Raft.Core.Tests;

/// <summary>The cases of MIT 6.5840 about unreliable networks, figure 8 and churn (lab 2C of 6.824). The checker looks
/// at every turn.</summary>
public sealed class MitChurnTests
{
    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 5).Select(seed => (ulong)seed)];

    [Theory]
    [MemberData(nameof(Seeds))]
    [Trait("Raft", "Figure 8")]
    public void Figure_8_leaders_crash_at_random_right_after_they_proposed(ulong seed) => CrashLeaders(seed, default);

    /// <summary>Such runs find a leader that commits an entry of an older term because a majority has it.</summary>
    [Fact]
    [Trait("Raft", "Figure 8")]
    public void Figure_8_finds_an_older_terms_entry_that_was_committed_by_counting()
    {
        var bug = new FaultPoints(FaultPoint.CommitByOlderTerm);
        string[] findings = [.. Enumerable.Range(1, 20)
            .Select(seed => Record.Exception(() => CrashLeaders((ulong)seed, bug))?.Message ?? "")];
        Assert.Contains(findings, finding => finding.Contains(" leads t", StringComparison.Ordinal));
    }

    /// <summary>
    /// Messages take their time, several entries are proposed together and travel one by one: a new leader may bring
    /// some of what it has of older terms to a majority and be gone before anything of its own term is there.
    /// </summary>
    private static void CrashLeaders(ulong seed, FaultPoints faults)
    {
        var cluster = new Cluster(5, seed, options => options with { MaxAppendBytes = 1, Faults = faults });
        var network = new SlowNetwork(cluster, seed) { MaxDelay = TimeSpan.FromMilliseconds(60) };
        var random = new SplitMix64(seed);
        int crashes = 0, proposals = 0;
        for (int round = 0; round < 1000; round++)
        {
            Replica[] leaders = [.. cluster.Replicas.Where(replica => replica.IsLeader)];
            foreach (Replica leader in leaders)
            {
                for (int i = 0; i < 4; i++, proposals++)
                    leader.Node.Propose(Bytes($"{round}.{i}"), cluster.Now, out _);
                leader.Turn(cluster.Now);
            }

            network.Run(TimeSpan.FromMilliseconds(random.NextBelow(10) == 0
                ? random.NextBelow(500)
                : random.NextBelow(60)));
            foreach (Replica leader in leaders)
            {
                if (random.NextBelow(3) == 0) continue;
                cluster.Crash(leader.Id.Value);
                crashes++;
            }

            Replica[] down = [.. cluster.Replicas.Where(replica => !replica.IsUp)];
            if (down.Length > 2) cluster.Restart(down[random.NextBelow((ulong)down.Length)].Id.Value);
        }

        End(cluster);
        Assert.True(crashes >= 20 && proposals >= 80, $"{crashes} crashes, {proposals} proposals");
        Assert.True(cluster.Checker.Elections >= 15, $"{cluster.Checker.Elections} elections");
        // Some of the proposals were overwritten by another leader's.
        int kept = Cluster.Commands(cluster[1]).Length - 1;
        Assert.InRange(kept, 10, proposals - 1);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    [Trait("Raft", "Figure 8")]
    public void Figure_8_unreliable(ulong seed)
    {
        var cluster = new Cluster(5, seed);
        SlowNetwork network = SlowNetwork.Unreliable(cluster, seed);
        var random = new SplitMix64(seed);
        int proposals = 0;
        network.Run(4);
        for (int round = 0; round < 1000; round++)
        {
            network.DelaysRepliesLong = round >= 200;
            Replica[] leaders = [.. cluster.Replicas.Where(replica => replica.IsLeader)];
            foreach (Replica leader in leaders)
            {
                leader.Node.Propose(Bytes($"{round}"), cluster.Now, out _);
                leader.Turn(cluster.Now);
                proposals++;
            }

            network.Run(TimeSpan.FromMilliseconds(random.NextBelow(10) == 0
                ? random.NextBelow(500)
                : random.NextBelow(13)));
            foreach (Replica leader in leaders)
                if (random.NextBelow(4) == 0) network.Disconnect(leader.Id);
            if (network.Connected < 3)
            {
                Replica[] away = [.. cluster.Replicas.Where(replica => !network.IsConnected(replica.Id))];
                network.Connect(away[random.NextBelow((ulong)away.Length)].Id);
            }
        }

        network.ConnectAll();
        End(cluster);
        Assert.True(network.Disconnections >= 8 && proposals >= 20,
            $"{network.Disconnections} disconnections, {proposals} proposals");
        Assert.True(network.Lost >= 100 && network.Overtaken >= 50,
            $"{network.Lost} messages lost, {network.Overtaken} overtaken");
        Assert.True(cluster.Checker.Elections >= 5, $"{cluster.Checker.Elections} elections");
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Unreliable_agreement(ulong seed)
    {
        const int Rounds = 50, Concurrent = 5;
        var cluster = new Cluster(5, seed);
        SlowNetwork network = SlowNetwork.Unreliable(cluster, seed);
        for (int round = 0; round < Rounds; round++)
        {
            HashSet<string> missing = [.. Enumerable.Range(0, Concurrent).Select(i => $"{round}.{i}")];
            for (int attempt = 0; missing.Count > 0; attempt++)
            {
                Assert.True(attempt < 50, $"seed {seed}: no agreement on {string.Join(", ", missing)}");
                foreach (Replica leader in cluster.Replicas.Where(replica => replica.IsLeader))
                {
                    foreach (string text in missing) leader.Node.Propose(Bytes(text), cluster.Now, out _);
                    leader.Turn(cluster.Now);
                }

                network.Run(0.5);
                foreach (Replica replica in cluster.Replicas) missing.ExceptWith(Cluster.Commands(replica));
            }
        }

        End(cluster);
        Assert.True(Cluster.Commands(cluster[1]).Distinct().Count() >= Rounds * Concurrent);
        Assert.True(network.Lost >= 50 && network.Overtaken >= 5,
            $"{network.Lost} messages lost, {network.Overtaken} overtaken");
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Reliable_churn(ulong seed) => Churn(seed, cluster => new SlowNetwork(cluster, seed), atLeast: 40);

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Unreliable_churn(ulong seed) =>
        Churn(seed, cluster => SlowNetwork.Unreliable(cluster, seed), atLeast: 20);

    /// <summary>Replicas come and go while clients propose wherever there is a leader; what a leader told a client is
    /// committed stays.</summary>
    private static void Churn(ulong seed, Func<Cluster, SlowNetwork> make, int atLeast)
    {
        var cluster = new Cluster(5, seed);
        SlowNetwork network = make(cluster);
        var random = new SplitMix64(seed);
        var waiting = new List<(Replica Leader, RaftNode Life, EntryId Id, string Text)>();
        HashSet<string> acknowledged = [];
        int proposed = 0, crashes = 0;
        for (int round = 0; round < 40; round++)
        {
            Replica any = cluster[random.NextBelow(5) + 1];
            if (random.NextBelow(1000) < 200) network.Disconnect(any.Id);
            any = cluster[random.NextBelow(5) + 1];
            if (random.NextBelow(1000) < 500)
            {
                if (!any.IsUp) cluster.Restart(any.Id.Value);
                network.Connect(any.Id);
            }

            any = cluster[random.NextBelow(5) + 1];
            if (random.NextBelow(1000) < 200 && any.IsUp)
            {
                cluster.Crash(any.Id.Value);
                crashes++;
            }

            for (int step = 0; step < 10; step++)
            {
                foreach (Replica leader in cluster.Replicas.Where(replica => replica.IsLeader))
                {
                    string text = $"{proposed++}";
                    if (leader.Node.Propose(Bytes(text), cluster.Now, out EntryId id) == ProposeOutcome.Appended)
                        waiting.Add((leader, leader.Node, id, text));
                    leader.Turn(cluster.Now);
                }

                network.Run(0.15);
                // A leader tells its client so while it still leads in the term of the entry.
                foreach ((Replica leader, RaftNode life, EntryId id, string text) in waiting)
                    if (leader.IsLeader && leader.Node == life && life.Term == id.Term && life.CommitIndex >= id.Index)
                        acknowledged.Add(text);
            }
        }

        network.ConnectAll();
        End(cluster);
        Assert.True(acknowledged.Count >= atLeast && crashes >= 3 && network.Disconnections >= 3,
            $"{acknowledged.Count} acknowledged, {crashes} crashes, {network.Disconnections} disconnections");
        Assert.True(network.Loss == 0 || network.Lost >= 50, $"{network.Lost} messages lost");
        Assert.Empty(acknowledged.Except(Cluster.Commands(cluster[1])));
    }

    /// <summary>Everyone is up and connected: all agree, and one more entry commits.</summary>
    private static void End(Cluster cluster)
    {
        cluster.InFlight.Clear();
        foreach (Replica replica in cluster.Replicas.Where(replica => !replica.IsUp)) cluster.Restart(replica.Id.Value);
        cluster.ElectAny();
        cluster.Commit("the end");
        cluster.Run(3);
        cluster.AssertLogsAgree();
        Assert.All(cluster.Replicas, replica => Assert.Equal("the end", Cluster.Commands(replica)[^1]));
    }
}
