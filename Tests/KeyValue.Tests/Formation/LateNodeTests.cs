using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Formation;

/// <summary>A node that is configured to form a cluster with others which have formed one without it.</summary>
public class LateNodeTests
{
    private static readonly NodeName s_late = new("node-0");

    [Fact]
    public void Where_it_may_join_it_does_and_the_others_start_again_with_its_configuration()
    {
        StoreCluster cluster = Start(joinsIfFormed: true);
        cluster.StartJoiningNode(s_late);
        cluster.RunUntil(() => cluster.Nodes.TryGetValue(s_late, out StoreNode? node)
            && node.Formed.IsCompletedSuccessfully, Seconds(10), "it is let in");
        cluster.RunUntil(() => cluster.Nodes.Values.All(node => node.Formation.Members.Count == 4), Seconds(10),
            "all know it");
        foreach (NodeName node in (NodeName[])[.. cluster.Names, s_late])
        {
            cluster.CrashNode(node);
            cluster.StartNode(node);
            cluster.RunUntil(() => cluster.Nodes.TryGetValue(node, out StoreNode? started)
                && started.Formed.IsCompletedSuccessfully, Seconds(10), $"{node} is back");
        }
        Assert.Equal("v", cluster.Get(cluster.CreateClient(), "k"));
    }

    /// <summary>The first of them is the one that would decide if they formed a cluster now.</summary>
    [Fact]
    public void The_first_of_two_tells_the_other_nothing_that_only_the_cluster_can_say()
    {
        NodeName other = new("node-9");
        StoreCluster cluster = Start(joinsIfFormed: true);
        // What the cluster answers does not reach it, what it says does.
        foreach (NodeName node in cluster.Names) cluster.Network.Cut(node, other);
        cluster.Network.Cut(other, cluster.Names[0]);
        foreach (NodeName node in cluster.Names.Skip(1)) cluster.Network.Cut(other, node);
        cluster.StartJoiningNode(other);
        cluster.StartJoiningNode(s_late);
        cluster.RunUntil(() => cluster.Nodes.TryGetValue(s_late, out StoreNode? node)
            && node.Formed.IsCompletedSuccessfully, Seconds(10), "the first is let in");
        cluster.RunFor(Seconds(2));
        Assert.False(cluster.Nodes[other].Formed.IsCompleted);
        cluster.Network.Heal();
        cluster.RunUntil(() => cluster.Nodes[other].Formed.IsCompletedSuccessfully, Seconds(10), "so is the other");
    }

    [Fact]
    public void Else_it_is_refused()
    {
        StoreCluster cluster = Start(joinsIfFormed: false);
        cluster.StartJoiningNode(s_late);
        cluster.RunUntil(() => cluster.Nodes.TryGetValue(s_late, out StoreNode? node) && node.Formed.IsFaulted,
            Seconds(10), "it is refused");
        Assert.Contains("node-0 is not one of cluster", cluster.Nodes[s_late].Formed.Exception!.InnerException!.Message,
            StringComparison.Ordinal);
    }

    /// <summary>For one of its nodes, only nodes may differ there.</summary>
    [Fact]
    public void Other_groups_than_those_of_the_cluster_are_refused_where_it_may_join_too()
    {
        int? groups = null;
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            PerNode = options => options with { JoinsIfFormed = true, Groups = groups ?? options.Groups },
        });
        NodeName node = cluster.Names[0];
        groups = 7;
        cluster.CrashNode(node);
        cluster.StartNode(node);
        cluster.RunUntil(() => cluster.StartFailure.ContainsKey(node)
            || (cluster.Nodes.TryGetValue(node, out StoreNode? started) && started.Formed.IsFaulted), Seconds(10),
            "it is refused");
        Exception refused = cluster.StartFailure.GetValueOrDefault(node)
            ?? cluster.Nodes[node].Formed.Exception!.InnerException!;
        Assert.Contains("groups against 7", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>The nodes form a cluster of three; from then on all are configured for four.</summary>
    private static StoreCluster Start(bool joinsIfFormed)
    {
        bool hasFormed = false;
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Controller = new ControllerOptions(),
            PerNode = options => options with
            {
                Nodes = hasFormed ? [.. options.Nodes.Append(options.Name).Append(s_late).Distinct()] : options.Nodes,
                Joins = false,
                JoinsIfFormed = joinsIfFormed,
            },
        });
        cluster.Put(cluster.CreateClient(), "k", "v");
        hasFormed = true;
        return cluster;
    }
}
