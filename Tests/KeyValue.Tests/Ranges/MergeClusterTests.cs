using Orleans.Raft.Core;
using Orleans.Raft.KeyValue.Tests.Client;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.Ranges.SplitClusterTests;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Ranges;

/// <summary>Groups merge while clients use them and nodes fail.</summary>
public sealed class MergeClusterTests
{
    private static readonly MergeId M1 = new(1);

    public static TheoryData<ulong> Seeds => [1, 2];

    public static TheoryData<string, int> Crashes
    {
        get
        {
            var crashes = new TheoryData<string, int>();
            foreach (string whose in new[] { "source", "target", "all" })
                foreach (MergeStep step in Enum.GetValues<MergeStep>()) crashes.Add(whose, (int)step);
            return crashes;
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_neighbour_takes_over_all_and_clients_with_old_routes_find_their_way(bool takesUpper)
    {
        StoreCluster cluster = StartSplit(1);
        KvClient client = cluster.CreateClient();
        foreach (string key in new[] { "a", "l", "m", "z" }) cluster.Put(client, key, key);
        (GroupId source, GroupId target) = takesUpper ? (Second, First) : (First, Second);
        MergeOutcome outcome = cluster.Run(() => new MergeDrive(cluster, M1, source, target).RunAsync());
        Assert.Equal(MergeOutcome.Taken, outcome);
        foreach (string key in new[] { "a", "l", "m", "z" }) Assert.Equal(key, cluster.Get(client, key));
        foreach (string key in new[] { "a", "l", "m", "z" }) cluster.Put(client, key, key + key);
        Assert.Equal(["a=aa", "l=ll", "m=mm", "z=zz"], Scan(cluster, client));
        Assert.Equal(["z=zz", "m=mm", "l=ll", "a=aa"], Scan(cluster, cluster.CreateClient(), reverse: true));
        foreach (StoreNode node in cluster.Nodes.Values)
        {
            Assert.Equal(target, Assert.Single(node.Ranges.Groups).Group);
            Assert.Equal(4 * 3, node.Find(target)!.KeyValueBytes);
        }
        RequireEqual(cluster, target);
        // And what was learned of the load before has no meaning any more.
        Assert.Equal(SplitStatus.Split, Split(cluster, target, "m", new GroupId(9)).Status);
        Assert.Equal(4, Scan(cluster, client).Count);
    }

    [Fact]
    public void While_a_group_is_frozen_all_wait_but_stale_readers_and_no_call_fails()
    {
        StoreCluster cluster = StartSplit(1);
        KvClient client = cluster.CreateClient();
        KvClient other = cluster.CreateClient();
        cluster.Put(client, "a", "1");
        cluster.Put(client, "z", "1");
        Replica leader = cluster.ReplicaOn(cluster.Leader(Second), Second);
        Assert.Equal(MergeStatus.Done, cluster.Run(() => leader.FreezeAsync(M1, First, leader.Descriptor.RangeVersion)).Status);
        cluster.RunFor(Seconds(1));
        LogIndex before = leader.Status.Commit;
        foreach (NodeName node in cluster.Names)
        {
            Replica replica = cluster.ReplicaOn(node, Second);
            foreach (RequestKind kind in new[] { RequestKind.LinearizableRead, RequestKind.LeaseRead })
                Assert.Equal(AnswerStatus.Frozen, cluster.Execute(replica, ReadOf("z", kind)).Only().Status);
            Assert.Equal("1", cluster.Execute(replica, ReadOf("z", RequestKind.StaleRead)).ValueText());
        }
        Assert.Equal(AnswerStatus.Frozen, cluster.Execute(leader, Unsessioned(Operation.OpenSession(1000))).Only().Status);
        Running<bool>[] waiting =
        [
            cluster.Begin(() => client.AppendAsync(Bytes.Of("z"), Bytes.Of("2"))),
            cluster.Begin(() => other.PutAsync(Bytes.Of("y"), Bytes.Of("new"))),
            cluster.Begin(async () =>
            {
                Assert.NotNull(await client.GetAsync(Bytes.Of("z")));
            }),
            cluster.Begin(async () =>
            {
                int rows = 0;
                await foreach (KeyValueEntry _ in client.ScanAsync(default, default)) rows++;
                Assert.InRange(rows, 2, 3);
            }),
        ];
        cluster.RunFor(Seconds(5));
        Assert.DoesNotContain(waiting, call => call.HasEnded);
        cluster.Put(client, "a", "2");
        // None of that went through the log.
        Assert.Equal(before, leader.Status.Commit);
        Assert.Equal(MergeStatus.Done, cluster.Run(() => cluster.ReplicaOn(cluster.Leader()).AbandonAsync(M1)).Status);
        Assert.Equal(MergeStatus.Done, cluster.Run(() => cluster.ReplicaOn(cluster.Leader(Second), Second).ThawAsync(M1)).Status);
        cluster.RunFor(Seconds(1));
        foreach (Running<bool> call in waiting) Assert.True(call.Result);
        Assert.Equal(["a=2", "y=new", "z=12"], Scan(cluster, client));
    }

    [Fact]
    public void Silent_groups_merge()
    {
        StoreCluster cluster = StartSplit(1);
        KvClient client = cluster.CreateClient();
        foreach (string key in new[] { "a", "z" }) cluster.Put(client, key, key);
        foreach (MergeStep step in new[] { MergeStep.Freeze, MergeStep.Absorb, MergeStep.TakeOver })
        {
            cluster.RunUntil(() => Replicas(cluster, First).Concat(Replicas(cluster, Second)).All(r => r.IsAsleep),
                Seconds(20), "both groups are silent");
            Replica source = cluster.ReplicaOn(cluster.Leader(Second), Second);
            Replica target = cluster.ReplicaOn(cluster.Leader());
            MergeAnswer answer = step switch
            {
                MergeStep.Freeze => cluster.Run(() => source.FreezeAsync(M1, First, source.Descriptor.RangeVersion)),
                MergeStep.Absorb => cluster.Run(async () =>
                    await target.AbsorbAsync((await source.CutForMergeAsync(M1))!.ChunkAt(0)!)),
                _ => cluster.Run(() => target.TakeOverAsync(M1)),
            };
            Assert.Equal((MergeStatus.Done, null), (answer.Status, answer.Reason));
        }
        Assert.Equal(["a=a", "z=z"], Scan(cluster, client));
    }

    [Fact]
    public void A_step_that_does_not_fit_is_refused_with_the_reason_and_clients_cannot_ask_for_one()
    {
        StoreCluster cluster = StartSplit(1);
        Replica lower = cluster.ReplicaOn(cluster.Leader());
        Replica upper = cluster.ReplicaOn(cluster.Leader(Second), Second);
        ulong version = upper.Descriptor.RangeVersion;
        cluster.RunFor(Seconds(1));
        Refused(() => upper.FreezeAsync(M1, Second, version), "cannot be merged");
        Refused(() => upper.FreezeAsync(M1, First, version + 1), "not of version");
        Refused(() => lower.TakeOverAsync(M1), "nothing of m1");
        Assert.Null(cluster.Run(() => upper.CutForMergeAsync(M1)));
        Replica follower = cluster.ReplicaOn(cluster.Names.First(name => name != cluster.Leader(Second)), Second);
        Assert.Equal(MergeStatus.NotLeader, cluster.Run(() => follower.FreezeAsync(M1, First, version)).Status);
        Assert.Equal(MergeStatus.Done, cluster.Run(() => upper.FreezeAsync(M1, First, version)).Status);
        Assert.Null(cluster.Run(() => upper.CutForMergeAsync(new MergeId(2))));
        SplitAnswer split = Split(cluster, Second, "x", new GroupId(3));
        Assert.Contains("take g2 over", split.Reason!, StringComparison.Ordinal);
        foreach (byte[] step in new[] { Operation.Freeze(M1, Second, 1), Operation.Thaw(M1), Operation.Abandon(M1) })
            Assert.Equal(GroupReplyStatus.Malformed, cluster.Execute(upper, Unsessioned(step)).Status);
        Assert.Equal(MergeStatus.Done, cluster.Run(() => upper.ThawAsync(M1)).Status);
        Refused(() => upper.FreezeAsync(M1, First, version), "m1 has ended");

        void Refused(Func<Task<MergeAnswer>> ask, string reason)
        {
            MergeAnswer answer = cluster.Run(ask);
            Assert.Equal(MergeStatus.Refused, answer.Status);
            Assert.Contains(reason, answer.Reason!, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Crashes))]
    public void A_crash_after_any_step_loses_nothing_and_the_merge_goes_on_or_is_undone(string whose, int after)
    {
        StoreCluster cluster = StartSplit(3, logBytes: 1 << 12);
        var load = new AppendLoad(cluster, 4, after);
        cluster.RunFor(Seconds(3));
        bool crashed = false;
        bool isGivenUp = (MergeStep)after >= MergeStep.Abandon;
        int parts = 0;
        NodeName[] down = [];
        var drive = new MergeDrive(cluster, M1, Second, First)
        {
            MostParts = isGivenUp ? 2 : int.MaxValue,
            Done = step =>
            {
                if (crashed || (int)step != after || (step == MergeStep.Absorb && ++parts < 2)) return;
                crashed = true;
                GroupId group = whose == "source" ? Second : First;
                down = whose == "all" ? [.. cluster.Names] : [cluster.Leader(group)];
            },
        };
        Running<MergeOutcome> merge = cluster.Begin(drive.RunAsync);
        cluster.RunUntil(() => down.Length > 0, Seconds(30), "the step was done");
        foreach (NodeName node in down) cluster.CrashNode(node);
        cluster.RunFor(TimeSpan.FromMilliseconds(700));
        foreach (NodeName node in down) cluster.StartNode(node);
        cluster.RunUntil(() => merge.HasEnded, Seconds(90), "the merge ended");
        Assert.Equal(isGivenUp ? MergeOutcome.Abandoned : MergeOutcome.Taken, merge.Result);
        cluster.RunFor(Seconds(3));
        if (!isGivenUp) cluster.Run(drive.RetireAsync);
        load.Stop();
        load.Check();
        if (isGivenUp) RequireEqual(cluster, First, Second);
        else RequireEqual(cluster, First);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Splits_and_merges_under_load_lose_and_double_nothing(ulong seed) => RunLoad(seed, (_, _) => { });

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Splits_and_merges_under_load_on_an_unreliable_network(ulong seed) => RunLoad(seed, Disturbances.Loss(0.05));

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Splits_and_merges_under_load_while_nodes_are_parted(ulong seed) => RunLoad(seed, Disturbances.Part);

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Splits_and_merges_under_load_while_nodes_crash(ulong seed) => RunLoad(seed, Disturbances.Crash);

    [Fact]
    public void A_scan_in_pages_goes_on_where_it_was_across_merges()
    {
        foreach (bool reverse in new[] { false, true })
        {
            StoreCluster cluster = StartSplit(1, at: "k20");
            KvClient client = cluster.CreateClient();
            string[] keys = [.. Enumerable.Range(0, 60).Select(i => $"k{i:D2}")];
            foreach (string key in keys) cluster.Put(client, key, new string('v', 100));
            Split(cluster, Second, "k40", new GroupId(3));
            cluster.RunUntil(() => cluster.LeaderOf(new GroupId(3)) is not null, Seconds(5), "the third has a leader");
            var found = new List<string>();
            ulong merges = 0;
            // The middle one goes to a neighbour, and then that one to the other.
            (GroupId From, GroupId To)[] plan = reverse
                ? [(Second, new GroupId(3)), (new GroupId(3), First)]
                : [(Second, First), (First, new GroupId(3))];
            cluster.Run(async () =>
            {
                await foreach (KeyValueEntry row in client.ScanAsync(default, default, new ScanOptions(Reverse: reverse)))
                {
                    found.Add(Bytes.Text(row.Key.Span));
                    if (found.Count is not (7 or 31)) continue;
                    (GroupId from, GroupId to) = plan[merges++];
                    Assert.Equal(MergeOutcome.Taken, await new MergeDrive(cluster, new MergeId(merges), from, to).RunAsync());
                }
            });
            Assert.Equal(reverse ? keys.Reverse() : keys, found);
            Assert.Equal(2UL, merges);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_write_whose_answer_was_lost_before_the_merge_is_applied_once(bool arrived)
    {
        StoreCluster cluster = StartSplit(1);
        var connection = new WrappedConnection(cluster);
        var client = new KvClient(connection, cluster.Time, cluster.Scheduler,
            new KvClientOptions { Timeout = Seconds(30) }, 1);
        cluster.Put(client, "a", "1");
        cluster.Put(client, "z", "1");
        Func<Task<GroupReply>>? late = null;
        int first = connection.Attempts + 1;
        connection.Handle = async (number, execute) =>
        {
            if (number < first) return await execute();
            if (number == first && arrived) await execute();
            if (number == first && !arrived) late = execute;
            // Until the merge is over nothing comes through.
            if (number == first || cluster.Nodes.Values.First().Find(Second) is not null)
                return GroupReply.Of(GroupReplyStatus.Unknown);
            return await execute();
        };
        Running<bool> append = cluster.Begin(() => client.AppendAsync(Bytes.Of("z"), Bytes.Of("2")));
        cluster.RunFor(Seconds(1));
        cluster.Run(() => new MergeDrive(cluster, M1, Second, First).RunAsync());
        cluster.RunUntil(() => append.HasEnded, Seconds(20), "the append was answered");
        Assert.True(append.Result);
        if (late is not null) cluster.Run(late);
        Assert.Equal("12", cluster.Get(client, "z"));
    }

    /// <summary>What a group took over since its session was opened is its own, too, and goes on with it when it is
    /// split: where its keys of then are now says nothing of who has its sessions.</summary>
    [Fact]
    public void A_write_whose_answer_was_lost_is_asked_of_the_heir_and_not_of_who_has_the_keys_of_then()
    {
        StoreCluster cluster = StartSplit(1);
        var connection = new WrappedConnection(cluster);
        var client = new KvClient(connection, cluster.Time, cluster.Scheduler,
            new KvClientOptions { Timeout = Seconds(30) }, 1);
        // The session is of m and above; that goes to another group, and what is below comes and stays.
        cluster.Put(client, "z", "1");
        Assert.Equal(MergeOutcome.Taken, cluster.Run(() => new MergeDrive(cluster, M1, First, Second).RunAsync()));
        cluster.Put(client, "a", "1");
        (GroupId upper, GroupId middle) = (new GroupId(3), new GroupId(4));
        Assert.Equal(SplitStatus.Split, Split(cluster, Second, "m", upper).Status);
        Assert.Equal(SplitStatus.Split, Split(cluster, Second, "f", middle).Status);
        cluster.RunUntil(() => cluster.LeaderOf(upper) is not null && cluster.LeaderOf(middle) is not null, Seconds(5),
            "all have leaders");
        cluster.Put(client, "z", "2");
        int first = connection.Attempts + 1;
        connection.Handle = async (number, execute) =>
        {
            if (number == first) await execute();
            bool isOver = number > first && cluster.Nodes.Values.All(node => node.Find(Second) is null);
            return isOver ? await execute() : GroupReply.Of(GroupReplyStatus.Unknown);
        };
        Running<bool> append = cluster.Begin(() => client.AppendAsync(Bytes.Of("a"), Bytes.Of("2")));
        cluster.RunFor(Seconds(1));
        cluster.Run(() => new MergeDrive(cluster, new MergeId(2), Second, middle).RunAsync());
        cluster.RunUntil(() => append.HasEnded, Seconds(20), "the append was answered");
        Assert.True(append.Result);
        Assert.Equal("12", cluster.Get(client, "a"));
    }

    private static IEnumerable<Replica> Replicas(StoreCluster cluster, GroupId group) =>
        cluster.Names.Select(name => cluster.ReplicaOn(name, group));

    private static StoreCluster StartSplit(ulong seed, int logBytes = 32 << 20, string at = "m")
    {
        StoreCluster cluster = Start(seed, logBytes);
        Assert.Equal(SplitStatus.Split, Split(cluster, First, at, Second).Status);
        cluster.RunUntil(() => cluster.LeaderOf(Second) is not null
            && cluster.Names.All(name => cluster.Nodes[name].Find(Second) is not null), Seconds(5), "there are two groups");
        return cluster;
    }

    private static RangeMap RoutesOf(StoreCluster cluster) =>
        cluster.Run(async () => await cluster.GetRoutesAsync())!.Ranges;

    /// <summary>Splits, merges to either side and gives merges up, while clients write and something goes wrong.</summary>
    private static void RunLoad(ulong seed, Action<StoreCluster, Random> disturb)
    {
        var random = new Random((int)seed);
        StoreCluster cluster = Start(seed, logBytes: 1 << 13);
        var load = new AppendLoad(cluster, 5, (int)seed);
        uint groups = 1;
        ulong merges = 0;
        int taken = 0, abandoned = 0;
        List<GroupId> gone = [];
        for (int round = 0; round < 10; round++)
        {
            cluster.RunFor(TimeSpan.FromMilliseconds(random.Next(200, 900)));
            Replica? leader = cluster.Nodes.Values.SelectMany(node => node.Replicas)
                .Where(replica => replica.Status.Role == "leader").MaxBy(replica => replica.KeyValueBytes);
            if (leader is not null)
            {
                var child = new GroupId(++groups);
                _ = cluster.Begin(() => leader.SplitAsync(null, child));
                cluster.RunFor(TimeSpan.FromMilliseconds(random.Next(100, 900)));
            }
            GroupDescriptor[] map = [.. RoutesOf(cluster).Groups];
            if (map.Length < 2) continue;
            int at = random.Next(map.Length - 1);
            (GroupId source, GroupId target) = random.Next(2) == 0
                ? (map[at].Group, map[at + 1].Group)
                : (map[at + 1].Group, map[at].Group);
            var drive = new MergeDrive(cluster, new MergeId(++merges), source, target)
            {
                MostParts = random.Next(4) == 0 ? random.Next(3) : int.MaxValue,
                Patience = Seconds(5),
            };
            Running<MergeOutcome> merge = cluster.Begin(drive.RunAsync);
            cluster.RunFor(TimeSpan.FromMilliseconds(random.Next(100)));
            disturb(cluster, random);
            cluster.RunFor(TimeSpan.FromMilliseconds(random.Next(3000)));
            // A node that was away while a group was split that is gone now needs the new one's leader.
            cluster.Network.Heal();
            cluster.RunUntil(() => merge.HasEnded, Seconds(100), $"the merge of {source} into {target} ended");
            if (merge.Result == MergeOutcome.Abandoned) abandoned++;
            else
            {
                taken++;
                gone.Add(source);
            }
        }
        cluster.Network.Heal();
        cluster.Network.Faults = new NetworkFaults();
        cluster.ClientLoss = 0;
        cluster.RunFor(Seconds(3));
        // Those that were down or away.
        foreach (GroupId group in gone)
            cluster.Run(() => new MergeDrive(cluster, new MergeId(0), group, First).RetireAsync());
        load.Stop();
        load.Check();
        GroupId[] alive = [.. cluster.Nodes.Values.SelectMany(n => n.Replicas).Select(r => r.Group).Distinct()];
        RequireEqual(cluster, alive);
        Assert.True(taken >= 2 && load.Answered > 300, $"{taken} taken over, {abandoned} abandoned, {load.Answered} calls");
        RangeMap known = RoutesOf(cluster);
        Assert.Equal(alive.Order(), known.Groups.Select(group => group.Group).Order());
    }
}
