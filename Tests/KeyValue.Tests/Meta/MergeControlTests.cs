using Orleans.Raft.Core;
using Orleans.Raft.KeyValue.Tests.Ranges;
using Orleans.Raft.Testing;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Meta;

/// <summary>The real store merges groups because the controller says so, whatever fails meanwhile.</summary>
public sealed class MergeControlTests
{
    private static readonly GroupId Second = new(2);
    private static readonly ControllerOptions Options = new()
    {
        IsBalanceOn = false,
        Placement = new PlacementOptions { GoneAfter = Seconds(300) },
    };

    [Fact]
    public void Two_groups_become_one_and_nothing_of_the_other_is_left()
    {
        StoreCluster cluster = Start(nodes: 5, groups: 4);
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 90; i++) cluster.Put(client, $"{(char)('!' + i)}", $"v{i}");
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new MergeGroupsRequest(Second, new(3))).Status);
        GroupId gone = Gone(cluster, Second, new(3));
        GroupId left = gone == Second ? new(3) : Second;
        for (int i = 0; i < 90; i++) Assert.Equal($"v{i}", cluster.Get(client, $"{(char)('!' + i)}"));
        cluster.RunUntil(() => !cluster.GroupIds().Contains(gone), Seconds(20), "its replicas are gone");
        IReadOnlyList<GroupOverview> groups = cluster.Administer(new ListGroupsRequest()).Groups;
        Assert.Equal(3, groups.Count);
        Assert.Equal(left, groups[1].Descriptor.Group);
        Assert.Equal(groups[0].Descriptor.End, groups[1].Descriptor.Start);
        Assert.Equal(groups[1].Descriptor.End, groups[2].Descriptor.Start);
        Assert.All(groups, group => Assert.Null(group.Operation));
        BalanceOverview balance = cluster.Administer(new BalanceStatusRequest()).Balance!;
        Assert.Empty(balance.UnderWay);
        Assert.Contains(balance.Recent, text => text.Contains($"{gone} is no more", StringComparison.Ordinal));
        // Asked again, it is done, and no third group goes.
        Assert.Equal(AdministrationStatus.Done, cluster.Administer(new MergeGroupsRequest(Second, new(3))).Status);
        cluster.RunFor(Seconds(5));
        Assert.Equal(3, cluster.GroupIds().Length);
    }

    [Fact]
    public void Silent_groups_are_merged_too()
    {
        StoreCluster cluster = Start(nodes: 3, groups: 2);
        cluster.Put(cluster.CreateClient(), "a", "1");
        cluster.RunUntil(() => cluster.Nodes.Values.All(n => n.Replicas.All(r => r.Group == GroupId.Meta || r.IsAsleep)),
            Seconds(60), "the groups are silent");
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new MergeGroupsRequest(First, Second)).Status);
        cluster.RunUntil(() => cluster.GroupIds().Length == 1, Seconds(20), "its replicas are gone");
        Assert.Equal("1", cluster.Get(cluster.CreateClient(), "a"));
    }

    [Fact]
    public void A_replica_that_was_away_during_the_merge_goes_when_it_comes_back()
    {
        StoreCluster cluster = Start(nodes: 3, groups: 2);
        cluster.Put(cluster.CreateClient(), "a", "1");
        NodeName away = cluster.Names.First(n => n != cluster.LeaderOf(GroupId.Meta) && n != cluster.Leader()
            && n != cluster.Leader(Second));
        cluster.CrashNode(away);
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new MergeGroupsRequest(First, Second)).Status);
        GroupId gone = Gone(cluster, First, Second);
        cluster.RunUntil(() => !cluster.GroupIds().Contains(gone), Seconds(20), "the other replicas are gone");
        cluster.RunFor(Seconds(100));
        cluster.StartNode(away);
        cluster.RunUntil(() => cluster.Nodes.TryGetValue(away, out StoreNode? node) && node.Replicas.Count > 0,
            Seconds(10), "it is up");
        cluster.RunUntil(() => !cluster.GroupIds().Contains(gone), Seconds(20), "its replica is gone");
        // For good.
        cluster.CrashNode(away);
        cluster.StartNode(away);
        cluster.RunFor(Seconds(5));
        Assert.DoesNotContain(gone, cluster.GroupIds());
        Assert.Equal("1", cluster.Get(cluster.CreateClient(), "a"));
    }

    public static TheoryData<ulong> Seeds => [1, 3];

    /// <summary>Groups are merged and split again and again while clients append, read and scan: nothing is lost, nothing
    /// is there twice, and no call fails.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void Merges_under_load_lose_and_double_nothing(ulong seed) => RunLoad(seed, (_, _) => { });

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Merges_under_load_on_an_unreliable_network(ulong seed) => RunLoad(seed, Disturbances.Loss(0.03));

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Merges_under_load_while_nodes_crash(ulong seed) => RunLoad(seed, Disturbances.Crash);

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Merges_under_load_while_controllers_take_turns(ulong seed) => RunLoad(seed, (cluster, random) =>
    {
        if (cluster.LeaderOf(GroupId.Meta) is not { } leader) return;
        NodeName next = cluster.Names.First(n => n != leader && cluster.Nodes[n].Find(GroupId.Meta) is not null);
        cluster.Begin(() => cluster.ReplicaOn(leader, GroupId.Meta).TransferLeadershipAsync(next));
    });

    /// <summary>How far a merge is when its controller dies.</summary>
    public enum Moment
    {
        Planned,
        Frozen,
        Sending,
        Taken,
        Noted,
    }

    public static TheoryData<Moment> Moments => [.. Enum.GetValues<Moment>()];

    /// <summary>At each moment the controller's node dies, and another goes on from the rows.</summary>
    [Theory]
    [MemberData(nameof(Moments))]
    public void A_merge_is_finished_by_the_next_controller_wherever_the_first_one_died(Moment moment)
    {
        StoreCluster cluster = Start(nodes: 5, groups: 2);
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "A", "1");
        cluster.Put(client, "z", "2");
        NodeName controller = cluster.LeaderOf(GroupId.Meta)!.Value;
        PlannedMerge merge = Plan(cluster);
        cluster.RunUntil(() => MomentOf(cluster, merge) == moment, Seconds(20), $"the merge is {moment}");
        cluster.CrashNode(controller);
        WaitForNextController(cluster, controller);
        AdministrationAnswer answer = cluster.Complete(new MergeGroupsRequest(First, Second) { IsRepeat = true });
        Assert.Equal(AdministrationStatus.Done, answer.Status);
        Assert.Single(cluster.Administer(new ListGroupsRequest()).Groups);
        cluster.StartNode(controller);
        cluster.RunUntil(() => cluster.GroupIds().Length == 1, Seconds(30), "no replica of the other is left");
        Assert.Equal(("1", "2"), (cluster.Get(client, "A"), cluster.Get(client, "z")));
    }

    /// <summary>The same while it is given up.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_merge_that_is_given_up_is_undone_by_the_next_controller_wherever_the_first_one_died(
        bool targetHasSaidSo)
    {
        (StoreCluster cluster, NodeName[] lost) = StartApart();
        KvClient client = cluster.CreateClient(new KvClientOptions { Timeout = Seconds(120) });
        cluster.Put(client, "A", "1");
        NodeName controller = cluster.LeaderOf(GroupId.Meta)!.Value;
        PlannedMerge merge = Plan(cluster);
        foreach (NodeName node in lost) cluster.CrashNode(node);
        WaitForPhase(MergePhase.Abandoning);
        if (targetHasSaidSo)
        {
            foreach (NodeName node in lost) cluster.StartNode(node);
            WaitForPhase(MergePhase.Abandoned);
        }
        Assert.NotNull(MergesOf(cluster, merge.Source)!.Frozen);
        cluster.CrashNode(controller);
        if (!targetHasSaidSo) foreach (NodeName node in lost) cluster.StartNode(node);
        WaitForNextController(cluster, controller);
        cluster.RunUntil(() => Controller(cluster).Registry!.Merges.Count == 0, Seconds(60), "the merge is over");
        Assert.Null(Controller(cluster).Registry!.MergedInto(merge.Source));
        Assert.Null(MergesOf(cluster, merge.Source)!.Frozen);
        cluster.Put(client, "B", "2");
        Assert.Equal(("1", "2"), (cluster.Get(client, "A"), cluster.Get(client, "B")));

        void WaitForPhase(MergePhase phase) => cluster.RunUntil(
            () => Controller(cluster).Registry!.Merges.Values.Single().Row.Phase == phase, Seconds(60),
            $"it is {phase}");
    }

    /// <summary>The target's log alone decides: as long as that cannot be written, the source waits, and says so; then
    /// it serves again, and nothing is lost on either side.</summary>
    [Fact]
    public void Without_a_majority_of_the_target_the_source_waits_and_goes_on_when_it_has_one()
    {
        (StoreCluster cluster, NodeName[] lost) = StartApart();
        KvClient client = cluster.CreateClient(new KvClientOptions { Timeout = Seconds(120) });
        for (int i = 0; i < 9; i++) cluster.Put(client, $"A{i}", $"{i}");
        Plan(cluster);
        MergeEntry merge = Controller(cluster).Registry!.Merges.Values.Single();
        Assert.Equal((First, Second), (merge.Row.Source, merge.Row.Target));
        foreach (NodeName node in lost) cluster.CrashNode(node);
        cluster.RunUntil(() => merge.Row.Phase == MergePhase.Abandoning, Seconds(60), "it is given up");
        cluster.RunFor(Seconds(20));
        Assert.Equal(MergePhase.Abandoning, merge.Row.Phase);
        Assert.Contains("g2 has no leader, and only it can say that it did not take g1, which waits",
            Assert.Single(cluster.Administer(new BalanceStatusRequest()).Balance!.UnderWay), StringComparison.Ordinal);
        Running<string?> read = cluster.Begin(() => GetAsync(client, "A1"));
        Running<bool> append = cluster.Begin(() => client.AppendAsync(Bytes.Of("A0"), Bytes.Of("+")));
        cluster.RunFor(Seconds(2));
        Assert.False(read.HasEnded || append.HasEnded);
        foreach (NodeName node in lost) cluster.StartNode(node);
        cluster.RunUntil(() => read.HasEnded && append.HasEnded, Seconds(60), "the source serves again");
        Assert.Equal(("1", true), (read.Result, append.Result));
        cluster.RunUntil(() => Controller(cluster).Registry!.Merges.Count == 0, Seconds(30), "the merge is over");
        Assert.Null(Controller(cluster).Registry!.MergedInto(First));
        Assert.Equal((null, null), (MergesOf(cluster, First)!.Frozen, MergesOf(cluster, Second)!.Incoming));
        AdministrationAnswer answer = Ask(cluster, isRepeat: true);
        Assert.Equal(AdministrationStatus.Refused, answer.Status);
        Assert.Contains("go on as they were", answer.Text, StringComparison.Ordinal);
        Assert.Equal(2, cluster.GroupIds().Length);
        RequireAll();
        // From anew it succeeds.
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new MergeGroupsRequest(First, Second)).Status);
        RequireAll();

        void RequireAll()
        {
            Assert.Equal("0+", cluster.Get(client, "A0"));
            for (int i = 1; i < 9; i++) Assert.Equal($"{i}", cluster.Get(client, $"A{i}"));
            for (int i = 0; i < 9; i++) Assert.Equal(100, cluster.Get(client, $"z{i}")!.Length);
        }
    }

    [Fact]
    public void A_group_is_split_and_merged_at_the_same_key_again_and_again()
    {
        StoreCluster cluster = Start(nodes: 3, groups: 1);
        KvClient client = cluster.CreateClient();
        foreach (string key in new[] { "a", "m", "z" }) cluster.Put(client, key, key);
        for (int round = 0; round < 4; round++)
        {
            Assert.Equal(AdministrationStatus.Done, cluster.Complete(new SplitRequest(Bytes.Of("m"))).Status);
            cluster.Put(client, round % 2 == 0 ? "a" : "z", $"{round}");
            GroupId[] groups = Groups(cluster);
            Assert.Equal(2, groups.Length);
            Assert.Equal(AdministrationStatus.Done,
                cluster.Complete(new MergeGroupsRequest(groups[0], groups[1])).Status);
            cluster.Put(client, "m", $"m{round}");
            Assert.Equal($"m{round}", cluster.Get(client, "m"));
            Assert.Single(Groups(cluster));
        }
        Assert.Equal(("2", "3"), (cluster.Get(client, "a"), cluster.Get(client, "z")));
        Assert.True(Controller(cluster).Registry!.NextGroup >= 6);
    }

    [Fact]
    public void Small_groups_become_one_by_themselves_and_stay_one()
    {
        StoreCluster cluster = Start(nodes: 3, groups: 6, options: Options with
        {
            IsBalanceOn = true,
            Placement = Options.Placement with { MergeBytes = 10_000, SplitBytes = 20_000 },
        });
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 90; i++) cluster.Put(client, $"{(char)('!' + i)}", new string('v', 250));
        // Each has about 4,000 bytes: two fit together, three do not.
        cluster.RunUntil(() => Groups(cluster).Length < 6, Seconds(200), "two small ones are merged");
        cluster.RunFor(Seconds(600));
        GroupOverview[] groups = [.. cluster.Administer(new ListGroupsRequest()).Groups];
        Assert.Equal(4, groups.Length);
        for (int i = 1; i < groups.Length; i++) Assert.True(groups[i - 1].Bytes + groups[i].Bytes >= 10_000);
        // One that has fallen silent does nothing.
        Assert.All(groups, group => Assert.Equal(0, group.OperationsPerSecond));
        for (int i = 0; i < 90; i++) Assert.Equal(250, cluster.Get(client, $"{(char)('!' + i)}")!.Length);
    }

    [Fact]
    public void A_group_that_is_too_large_once_it_is_cut_goes_on()
    {
        StoreCluster cluster = Start(nodes: 3, groups: 2);
        KvClient client = cluster.CreateClient();
        // As keys and values just below what may be merged, above it with all that is around them.
        for (int i = 10; i < 43; i++)
        {
            cluster.Put(client, $"A{i}", new string('v', 254_190));
            cluster.Put(client, $"z{i}", new string('v', 254_300));
        }
        cluster.RunFor(Seconds(3));
        Assert.InRange(cluster.Administer(new ListGroupsRequest()).Groups[0].Bytes, MergeContent.MaxBytes - 1000,
            MergeContent.MaxBytes);
        AdministrationAnswer answer = cluster.Complete(new MergeGroupsRequest(First, Second));
        Assert.Equal(AdministrationStatus.Refused, answer.Status);
        Assert.Contains("go on as they were: g1 would take", answer.Text, StringComparison.Ordinal);
        cluster.Put(client, "A10", new string('v', 250_000));
        cluster.RunFor(Seconds(3));
        // What fits, fits in full.
        Assert.Equal(AdministrationStatus.Done, cluster.Complete(new MergeGroupsRequest(First, Second)).Status);
        for (int i = 11; i < 43; i++) Assert.Equal(254_190, cluster.Get(client, $"A{i}")!.Length);
        Assert.Equal(254_300, cluster.Get(client, "z42")!.Length);
    }

    private static void RunLoad(ulong seed, Action<StoreCluster, Random> disturb)
    {
        var random = new Random((int)seed);
        StoreCluster cluster = Start(nodes: 3, groups: 1, seed);
        var load = new AppendLoad(cluster, clients: 4, (int)seed);
        int merges = 0;
        for (int round = 0; round < 6; round++)
        {
            byte[] key = Bytes.Of($"{(char)('b' + random.Next(24))}");
            Running<AdministrationStatus> split = Try(cluster, new SplitRequest(key));
            disturb(cluster, random);
            cluster.RunUntil(() => split.HasEnded, Seconds(100), "the split ended");
            if (Groups(cluster) is not [var left, var right, ..]) continue;
            Running<AdministrationStatus> merge = Try(cluster, new MergeGroupsRequest(left, right));
            cluster.RunFor(TimeSpan.FromMilliseconds(random.Next(300)));
            disturb(cluster, random);
            cluster.RunUntil(() => merge.HasEnded, Seconds(150), "the merge ended");
            if (merge.Result == AdministrationStatus.Done) merges++;
        }
        cluster.Network.Heal();
        cluster.Network.Faults = new NetworkFaults();
        cluster.ClientLoss = 0;
        load.Stop();
        Assert.True(merges >= 3, $"only {merges} merges succeeded");
        Assert.True(load.Answered > 300, $"only {load.Answered} calls were answered");
        load.Check();
        cluster.RunUntil(() => cluster.GroupIds().Length == Groups(cluster).Length, Seconds(60), "no replica is left over");
        foreach (GroupId group in Groups(cluster)) SplitClusterTests.RequireEqual(cluster, group);
    }

    /// <summary>As an administrator does who goes on until there is an answer.</summary>
    private static Running<AdministrationStatus> Try(StoreCluster cluster, AdministrationRequest request) =>
        cluster.Begin(async () =>
        {
            var client = new AdministrationClient(cluster, cluster.Time, Seconds(60));
            while (true)
            {
                AdministrationAnswer answer = await client.AskAsync(request);
                if (answer.Status != AdministrationStatus.UnderWay) return answer.Status;
                request = request with { IsRepeat = true };
                await Task.Delay(Seconds(0.2), cluster.Time);
            }
        });

    /// <summary>Asks for the merge of the two until it is planned.</summary>
    private static PlannedMerge Plan(StoreCluster cluster)
    {
        cluster.RunUntil(() => Ask(cluster, isRepeat: false).Text.Contains("is merged into", StringComparison.Ordinal),
            Seconds(20), "the merge is planned");
        return Controller(cluster).Registry!.Merges.Values.Single().Row;
    }

    private static Moment MomentOf(StoreCluster cluster, PlannedMerge merge)
    {
        if (!Controller(cluster).Registry!.Merges.ContainsKey(merge.Id)) return Moment.Noted;
        if (MergesOf(cluster, merge.Target) is { } target)
        {
            if (target.Last == merge.Id && target.Outcome == MergeOutcome.Taken) return Moment.Taken;
            if (target.Incoming is not null) return Moment.Sending;
        }
        return MergesOf(cluster, merge.Source)?.Frozen is null ? Moment.Planned : Moment.Frozen;
    }

    private static MergeState? MergesOf(StoreCluster cluster, GroupId group) =>
        cluster.LeaderOf(group) is { } leader ? cluster.ReplicaOn(leader, group).Merges : null;

    private static void WaitForNextController(StoreCluster cluster, NodeName before) => cluster.RunUntil(
        () => cluster.LeaderOf(GroupId.Meta) is { } next && next != before
            && cluster.Nodes.Values.Any(node => node.Meta!.Controller.IsActive), Seconds(20), "another one controls");

    private static AdministrationAnswer Ask(StoreCluster cluster, bool isRepeat) =>
        cluster.Administer(new MergeGroupsRequest(First, Second) { IsRepeat = isRepeat });

    private static GroupId[] Groups(StoreCluster cluster) =>
        [.. cluster.Administer(new ListGroupsRequest()).Groups.Select(group => group.Descriptor.Group)];

    private static async Task<string?> GetAsync(KvClient client, string key) =>
        await client.GetAsync(Bytes.Of(key)) is { } found ? Bytes.Text(found.Span) : null;

    /// <summary>Two groups on nodes of their own as far as majorities go, the second one larger; and nodes without which it
    /// has none.</summary>
    private static (StoreCluster Cluster, NodeName[] Lost) StartApart()
    {
        StoreCluster cluster = Start(nodes: 7, groups: 2);
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 9; i++) cluster.Put(client, $"z{i}", new string('v', 100));
        NodeName[] used =
        [
            .. cluster.DescriptorOf(GroupId.Meta).Replicas.Concat(cluster.DescriptorOf(First).Replicas)
                .Select(replica => replica.Node),
        ];
        NodeName[] free = [.. cluster.Names.Except(used)];
        NodeName[] lost =
            [.. cluster.DescriptorOf(Second).Replicas.Select(replica => replica.Node).Where(free.Contains).Take(2)];
        foreach (NodeName to in free.Except(lost).Take(2 - lost.Length).ToArray())
        {
            NodeName from = cluster.DescriptorOf(Second).Replicas.First(replica => !lost.Contains(replica.Node)).Node;
            AdministrationAnswer moved = cluster.Complete(new MoveReplicaRequest(Second, from, to));
            Assert.Equal(AdministrationStatus.Done, moved.Status);
            lost = [.. lost, to];
        }
        Assert.Equal(2, lost.Length);
        return (cluster, lost);
    }

    private static GroupId Gone(StoreCluster cluster, GroupId left, GroupId right)
    {
        MetaRegistry registry = Controller(cluster).Registry!;
        return registry.MergedInto(left) is not null ? left : right;
    }

    private static MetaController Controller(StoreCluster cluster) =>
        cluster.Nodes.Values.Single(n => n.Meta!.Controller.IsActive).Meta!.Controller;

    private static StoreCluster Start(int nodes, int groups, ulong seed = 1, ControllerOptions? options = null)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Seed = seed,
            Nodes = nodes,
            Groups = groups,
            Controller = options ?? Options,
        });
        cluster.RunUntil(() => cluster.Nodes.Values.Any(n => n.Meta!.Controller.IsActive), Seconds(20),
            "there is a controller");
        return cluster;
    }
}
