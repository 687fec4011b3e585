using Orleans.Raft.Core;
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
