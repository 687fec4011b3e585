using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Meta;

/// <summary>Short words for what tests of the controller do all the time.</summary>
internal static class ControllerExtensions
{
    public static AdministrationAnswer Administer(this StoreCluster cluster, AdministrationRequest request)
    {
        Running<AdministrationAnswer> asking =
            cluster.Begin(() => new AdministrationClient(cluster, cluster.Time, Seconds(10)).AskAsync(request));
        // Asked for within a condition, it must not let time pass beyond what it takes itself.
        cluster.RunUntil(() => asking.HasEnded, Seconds(20), $"{request} is answered");
        return asking.Result;
    }

    /// <summary>Sees a request through.</summary>
    public static AdministrationAnswer Complete(this StoreCluster cluster, AdministrationRequest request,
        double seconds = 120)
    {
        TimeSpan end = cluster.Time.Now + Seconds(seconds);
        while (true)
        {
            AdministrationAnswer answer = cluster.Administer(request);
            if (answer.Status != AdministrationStatus.UnderWay) return answer;
            if (cluster.Time.Now >= end)
            {
                throw new TimeoutException($"{request} is not done: {answer.Text}. Decided: "
                    + string.Join("; ", cluster.Administer(new BalanceStatusRequest()).Balance!.Recent));
            }
            request = request with { IsRepeat = true };
            cluster.RunFor(Seconds(0.2));
        }
    }

    /// <summary>The newest that any replica knows of its group.</summary>
    public static GroupDescriptor DescriptorOf(this StoreCluster cluster, GroupId group) => cluster.Nodes.Values
        .Select(node => node.Find(group)?.Descriptor).OfType<GroupDescriptor>()
        .MaxBy(descriptor => (descriptor.RangeVersion, descriptor.ConfigVersion))!;

    /// <summary>Those that any node has a replica of, without the meta group.</summary>
    public static GroupId[] GroupIds(this StoreCluster cluster) => [.. cluster.Nodes.Values
        .SelectMany(node => node.OwnGroups).Distinct().Where(group => group != GroupId.Meta).Order()];

    /// <summary>How many groups count a replica on a node among their members, the meta group, too.</summary>
    public static int MembersOn(this StoreCluster cluster, NodeName node) => cluster.GroupIds().Append(GroupId.Meta)
        .Count(group => cluster.DescriptorOf(group).Replicas.Any(replica => replica.Node == node));

    /// <summary>Lets time pass until the controller sees all groups with three voters each, and replicas and leaders
    /// even on the nodes that are up; then that nothing moves any more.</summary>
    public static void WaitUntilEven(this StoreCluster cluster, double seconds = 180)
    {
        cluster.RunUntil(() => IsEven(cluster), Seconds(seconds), "replicas and leaders are even");
        var before = cluster.GroupIds().Select(cluster.DescriptorOf).ToList();
        cluster.RunFor(Seconds(10));
        Xunit.Assert.True(IsEven(cluster), "it did not stay even");
        Xunit.Assert.Equal(before, cluster.GroupIds().Select(cluster.DescriptorOf));
    }

    private static bool IsEven(StoreCluster cluster)
    {
        NodeOverview[] nodes = [.. cluster.Administer(new ListNodesRequest()).Nodes];
        // The controller has not heard yet who is there.
        if (nodes.Any(n => (n.State is NodeState.Suspect or NodeState.Gone) == cluster.Nodes.ContainsKey(n.Name)))
            return false;
        NodeName[] up = [.. nodes.Where(n => n.State == NodeState.Up).Select(n => n.Name)];
        GroupDescriptor[] groups = [.. cluster.GroupIds().Select(cluster.DescriptorOf)];
        if (groups.Any(g => g.Replicas.Any(r => r.Role != ReplicaRole.Voter) || g.Replicas.Count != 3)) return false;
        NodeName?[] leaders = [.. groups.Select(g => cluster.LeaderOf(g.Group))];
        int[] replicas = [.. up.Select(node => groups.Count(g => g.Replicas.Any(r => r.Node == node)))];
        int[] led = [.. up.Select(node => leaders.Count(leader => leader == node))];
        return groups.All(g => g.Replicas.All(r => up.Contains(r.Node))) && leaders.All(leader => leader is not null)
            && replicas.Max() - replicas.Min() <= 1 && led.Max() - led.Min() <= 1;
    }
}
