using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Formation;

/// <summary>How nodes become a cluster, once, and whom they refuse.</summary>
public class FormationTests
{
    [Theory]
    [InlineData(1, 2, 3)]
    [InlineData(3, 2, 1)]
    [InlineData(2, 3, 1)]
    public void Nodes_start_in_any_order_and_wait_saying_for_whom(int first, int second, int third)
    {
        var cluster = new StoreCluster(new StoreClusterOptions());
        NodeName[] order = [.. new[] { first, second, third }.Select(i => new NodeName($"node-{i}"))];
        cluster.StartNode(order[0]);
        cluster.RunFor(Seconds(60));
        Assert.Equal(order[1..].Order(), cluster.Nodes[order[0]].WaitingFor.Select(w => w.Node).Order());
        cluster.StartNode(order[1]);
        cluster.RunFor(Seconds(60));
        Assert.Equal([new WaitedForNode(order[2], null)], cluster.Nodes[order[0]].WaitingFor);
        Assert.All(cluster.Nodes.Values, node => Assert.False(node.Formed.IsCompleted));
        Assert.Throws<InvalidOperationException>(() => cluster.Nodes[order[0]].Formation);

        cluster.StartNode(order[2]);
        cluster.RunUntil(cluster.AllGroupsHaveLeaders, Seconds(30), "the cluster works");
        RequireOneCluster(cluster);
        Assert.Empty(cluster.StartFailure);
    }

    [Fact]
    public void A_known_name_with_an_empty_disk_is_refused_and_told_why()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "v");
        foreach (NodeName wiped in new[] { cluster.Followers()[0], cluster.Leader() })
        {
            StoreId known = cluster.Nodes[wiped].Storage.StoreId;
            cluster.CrashNode(wiped);
            SimulatedDisk kept = cluster.Disks[wiped];
            cluster.Disks[wiped] = new SimulatedDisk();
            cluster.StartNode(wiped);
            cluster.RunUntil(() => cluster.StartFailure.ContainsKey(wiped), Seconds(30), "it is refused");
            string reason = Assert.IsType<FormationException>(cluster.StartFailure[wiped]).Message;
            Assert.Contains("empty or foreign data directory", reason);
            Assert.Contains(known.ToString(), reason);
            Assert.False(cluster.Nodes[wiped].Formed.IsCompletedSuccessfully);
            Assert.Empty(cluster.Nodes[wiped].Replicas);
            // With its own disk it is welcome again.
            cluster.CrashNode(wiped);
            cluster.Disks[wiped] = kept;
            cluster.StartFailure.Clear();
            cluster.StartNode(wiped);
            cluster.WaitForLeader();
            cluster.Put(client, "k", "w");
        }
        cluster.RunUntil(() => cluster.Names.All(n => cluster.Nodes[n].Formed.IsCompletedSuccessfully
            && cluster.Nodes[n].Find(First) is not null), Seconds(30), "all are back");
        cluster.WaitForEqualReplicas();
    }

    [Fact]
    public void Two_nodes_with_swapped_disks_do_not_start()
    {
        StoreCluster cluster = StoreCluster.Start();
        NodeName a = cluster.Names[1], b = cluster.Names[2];
        cluster.CrashNode(a);
        cluster.CrashNode(b);
        (cluster.Disks[a], cluster.Disks[b]) = (cluster.Disks[b], cluster.Disks[a]);
        cluster.StartNode(a);
        cluster.StartNode(b);
        cluster.RunFor(Seconds(5));
        Assert.Contains("belongs to another node", Assert.IsType<FormationException>(cluster.StartFailure[a]).Message);
        Assert.Contains("belongs to another node", Assert.IsType<FormationException>(cluster.StartFailure[b]).Message);
    }

    [Theory]
    [InlineData(3, new[] { 1, 2, 3 })]
    [InlineData(3, new[] { 3, 2, 1 })]
    [InlineData(2, new[] { 2, 1, 3 })]
    [InlineData(1, new[] { 1, 3, 2 })]
    [InlineData(1, new[] { 2, 3, 1 })]
    public void A_node_that_is_configured_differently_does_not_start_and_the_others_wait_for_it_saying_what_differs(
        int wrong, int[] order)
    {
        var misconfigured = new NodeName($"node-{wrong}");
        bool corrected = false;
        var cluster = new StoreCluster(new StoreClusterOptions
        {
            PerNode = options => options.Name == misconfigured && !corrected ? options with { Groups = 2 } : options,
        });
        foreach (int number in order)
        {
            cluster.StartNode(new NodeName($"node-{number}"));
            cluster.RunFor(Seconds(1));
        }
        NodeName[] right = [.. cluster.Names.Where(n => n != misconfigured)];
        Assert.Equal([misconfigured], cluster.StartFailure.Keys);
        string reason = Assert.IsType<FormationException>(cluster.StartFailure[misconfigured]).Message;
        Assert.Contains($"{misconfigured} is configured differently from {right[0]}, {right[1]}: 2 groups against 1",
            reason);
        foreach (NodeName name in right)
        {
            Assert.False(cluster.Nodes[name].Formed.IsCompleted);
            Assert.Equal($"{misconfigured} (configured differently: 2 groups against 1 here)",
                Assert.Single(cluster.Nodes[name].WaitingFor).ToString());
        }
        Assert.All(cluster.Nodes.Values, node => Assert.Null(node.Storage.Formation));

        cluster.CrashNode(misconfigured);
        corrected = true;
        cluster.StartFailure.Clear();
        cluster.StartNode(misconfigured);
        cluster.RunUntil(cluster.AllGroupsHaveLeaders, Seconds(30), "the cluster works");
        RequireOneCluster(cluster);
        Assert.Empty(cluster.StartFailure);
    }

    [Fact]
    public void A_node_that_gives_up_before_it_greeted_anybody_still_tells_the_others_of_its_plan()
    {
        var cluster = new StoreCluster(new StoreClusterOptions());
        var greeted = new List<NodeName>();
        cluster.Network.Filter = (_, to, frame) =>
        {
            if (FormationMessage.Decode(frame.Span) is FormationHello) greeted.Add(to);
            return true;
        };
        NodeName name = cluster.Names[2];
        cluster.StartNode(name);
        cluster.RunFor(TimeSpan.Zero);
        Assert.Empty(greeted);
        byte[] plan = FormationPlan.Create(cluster.Names, [[1]], new StoreLimits()).Encode();
        foreach (NodeName sender in cluster.Names.Take(2))
            cluster.Nodes[name].Receive(new FormationHello(sender, new StoreId(Guid.NewGuid()), plan).Encode());
        cluster.RunFor(Seconds(5));
        Assert.Equal([name], cluster.StartFailure.Keys);
        Assert.Equal(cluster.Names.Take(2), greeted);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 5)]
    [InlineData(9, 7)]
    public void A_group_has_as_many_replicas_as_configured_where_there_are_nodes_enough(int factor, int replicas)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Nodes = 7,
            Groups = 2,
            PerNode = options => options with { ReplicationFactor = factor },
        });
        cluster.Put(cluster.CreateClient(), "k", "v");
        cluster.RunFor(Seconds(1));
        foreach (GroupId group in new[] { new GroupId(1), new GroupId(2) })
            Assert.Equal(replicas, cluster.Nodes.Values.Count(node => node.Find(group) is not null));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    public void A_replication_factor_out_of_range_is_refused(int factor)
    {
        var cluster = new StoreCluster(new StoreClusterOptions
        {
            PerNode = options => options with { ReplicationFactor = factor },
        });
        cluster.StartNode(cluster.Names[0]);
        cluster.RunFor(Seconds(1));
        Assert.Contains($"ReplicationFactor is {factor}; it must be 1 to 9",
            cluster.StartFailure[cluster.Names[0]].Message);
    }

    [Fact]
    public void A_node_with_another_replication_factor_is_refused()
    {
        var cluster = new StoreCluster(new StoreClusterOptions
        {
            Nodes = 5,
            PerNode = options => options.Name == new NodeName("node-2")
                ? options with { ReplicationFactor = 5 }
                : options,
        });
        foreach (NodeName name in cluster.Names) cluster.StartNode(name);
        cluster.RunFor(Seconds(5));
        Assert.Contains("replicas of g1 against", cluster.StartFailure[cluster.Names[1]].Message);
    }

    [Fact]
    public void Of_two_nodes_with_different_plans_the_deciding_one_waits()
    {
        var cluster = new StoreCluster(new StoreClusterOptions
        {
            Nodes = 2,
            PerNode = options => options.Name == new NodeName("node-1")
                ? options with { Limits = options.Limits with { MaxValueBytes = 17 } }
                : options,
        });
        foreach (NodeName name in cluster.Names) cluster.StartNode(name);
        cluster.RunFor(Seconds(5));
        Assert.Equal([cluster.Names[1]], cluster.StartFailure.Keys);
        Assert.Contains("MaxValueBytes 1048576 against 17", cluster.StartFailure[cluster.Names[1]].Message);
        Assert.Contains("MaxValueBytes 1048576 against 17 here",
            Assert.Single(cluster.Nodes[cluster.Names[0]].WaitingFor).ToString());
    }

    [Theory]
    [InlineData("node-1,node-3")]
    [InlineData("node-1,node-2,node-3,node-4,node-5")]
    public void A_node_that_counts_on_other_nodes_than_the_others_do_does_not_start(string nodes)
    {
        var misconfigured = new NodeName("node-3");
        var cluster = new StoreCluster(new StoreClusterOptions
        {
            PerNode = options => options.Name == misconfigured
                ? options with { Nodes = [.. nodes.Split(',').Select(n => new NodeName(n))] }
                : options,
        });
        foreach (NodeName name in cluster.Names) cluster.StartNode(name);
        cluster.RunFor(Seconds(5));
        Assert.Equal([misconfigured], cluster.StartFailure.Keys);
        Assert.Contains($"nodes {nodes} against node-1,node-2,node-3", cluster.StartFailure[misconfigured].Message);
    }

    /// <summary>Half of the nodes of its own short plan, and those who agree with this one are not up yet.</summary>
    [Fact]
    public void A_node_configured_for_fewer_nodes_stops_none_of_the_others()
    {
        var cluster = new StoreCluster(new StoreClusterOptions
        {
            PerNode = options => options.Name == new NodeName("node-1")
                ? options with { Nodes = [new NodeName("node-1"), new NodeName("node-2")] }
                : options,
        });
        foreach (NodeName name in cluster.Names.Take(2)) cluster.StartNode(name);
        cluster.RunFor(Seconds(5));
        Assert.DoesNotContain(cluster.Names[1], cluster.StartFailure.Keys);
        cluster.StartNode(cluster.Names[2]);
        cluster.RunFor(Seconds(5));
        Assert.DoesNotContain(cluster.Names[1], cluster.StartFailure.Keys);
        Assert.DoesNotContain(cluster.Names[2], cluster.StartFailure.Keys);
    }

    [Fact]
    public void A_node_on_which_the_others_do_not_count_does_not_start()
    {
        var stranger = new NodeName("node-3");
        NodeName[] others = [.. new[] { "node-1", "node-2", "node-4" }.Select(n => new NodeName(n))];
        var cluster = new StoreCluster(new StoreClusterOptions
        {
            PerNode = options => options.Name == stranger ? options : options with { Nodes = others },
        });
        foreach (NodeName name in cluster.Names) cluster.StartNode(name);
        cluster.RunFor(Seconds(5));
        Assert.Equal([stranger], cluster.StartFailure.Keys);
        Assert.Contains("nodes node-1,node-2,node-3 against node-1,node-2,node-4",
            cluster.StartFailure[stranger].Message);
        Assert.Equal([new WaitedForNode(new NodeName("node-4"), null)], cluster.Nodes[others[0]].WaitingFor);
    }

    [Fact]
    public void Strangers_alone_and_fewer_than_half_decide_nothing()
    {
        var cluster = new StoreCluster(new StoreClusterOptions());
        NodeName name = cluster.Names[0];
        cluster.StartNode(name);
        cluster.RunFor(Seconds(1));
        foreach (string[] nodes in new[] { new[] { "alien-1", "alien-2", "node-1" }, ["node-1", "node-2", "node-9"] })
        {
            byte[] plan = FormationPlan.Create([.. nodes.Select(n => new NodeName(n))], [], new StoreLimits()).Encode();
            foreach (string sender in nodes.Where(n => n.StartsWith("alien", StringComparison.Ordinal)
                || n == "node-2"))
                cluster.Nodes[name]
                    .Receive(new FormationHello(new NodeName(sender), new StoreId(Guid.NewGuid()), plan).Encode());
        }
        cluster.RunFor(Seconds(1));
        Assert.Empty(cluster.StartFailure);
        Assert.False(cluster.Nodes[name].Formed.IsCompleted);
        Assert.Equal(
            ["node-2 (configured differently: nodes node-1,node-2,node-9 against node-1,node-2,node-3 here)", "node-3"],
            cluster.Nodes[name].WaitingFor.Select(w => w.ToString()));
    }

    [Fact]
    public void A_plan_too_large_to_be_told_is_refused_before_anything_is_written()
    {
        byte[][] keys = [.. Enumerable.Range(0, 300).Select(i => (byte[])[(byte)(i >> 8), (byte)i, .. new byte[2000]])];
        var cluster = new StoreCluster(
            new StoreClusterOptions { PerNode = options => options with { Groups = null, SplitKeys = keys } });
        cluster.StartNode(cluster.Names[0]);
        cluster.RunFor(Seconds(1));
        string reason = Assert.IsType<FormationException>(cluster.StartFailure[cluster.Names[0]]).Message;
        Assert.Contains("301 groups on 3 nodes", reason);
        Assert.Contains("at most 1048576", reason);
        // As large as it may be, it is told.
        keys = keys[..250];
        cluster.StartFailure.Clear();
        foreach (NodeName name in cluster.Names) cluster.StartNode(name);
        cluster.RunUntil(() => cluster.Nodes.Count == 3
            && cluster.Nodes.Values.All(n => n.Formed.IsCompletedSuccessfully), Seconds(5), "the cluster formed");
        // The most groups there may be, with ordinary names, fit as well.
        FormationPlan.Create(cluster.Names, FormationPlan.EvenSplitKeys(StoreNodeOptions.MaxGroups), new StoreLimits());
    }

    [Fact]
    public void A_formed_node_that_is_configured_differently_later_does_not_start()
    {
        bool changed = false;
        var cluster = new StoreCluster(new StoreClusterOptions
        {
            PerNode = options => changed
                ? options with { Limits = options.Limits with { MaxValueBytes = 17 } }
                : options,
        });
        foreach (NodeName name in cluster.Names) cluster.StartNode(name);
        cluster.RunUntil(cluster.AllGroupsHaveLeaders, Seconds(30), "the cluster works");
        NodeName node = cluster.Names[1];
        cluster.CrashNode(node);
        changed = true;
        cluster.StartNode(node);
        cluster.RunFor(Seconds(1));
        Assert.Contains("different configuration",
            Assert.IsType<FormationException>(cluster.StartFailure[node]).Message);
    }

    [Fact]
    public void A_node_that_missed_the_record_gets_it_when_it_asks_again()
    {
        var cluster = new StoreCluster(new StoreClusterOptions());
        NodeName late = cluster.Names[2];
        int heard = 0;
        // Whatever is told to the last node is lost.
        cluster.Network.Filter = (_, to, _) =>
        {
            if (to == late) heard++;
            return to != late;
        };
        foreach (NodeName name in cluster.Names) cluster.StartNode(name);
        cluster.RunUntil(cluster.AllOthersFormed(late), Seconds(30), "the others formed");
        cluster.RunFor(Seconds(5));
        Assert.False(cluster.Nodes[late].Formed.IsCompleted);
        Assert.True(heard > 0);
        cluster.Network.Filter = null;
        cluster.RunUntil(() => cluster.Nodes[late].Formed.IsCompletedSuccessfully, Seconds(5), "it is told");
        // Also if the one that decided is gone by then.
        RequireOneCluster(cluster);
    }

    [Fact]
    public void Any_formed_node_tells_the_record_not_only_the_one_that_decided()
    {
        var cluster = new StoreCluster(new StoreClusterOptions());
        NodeName late = cluster.Names[2], decider = cluster.Names[0];
        cluster.Network.Filter = (_, to, _) => to != late;
        foreach (NodeName name in cluster.Names) cluster.StartNode(name);
        cluster.RunUntil(cluster.AllOthersFormed(late), Seconds(30), "the others formed");
        cluster.CrashNode(decider);
        cluster.Network.Filter = null;
        cluster.RunUntil(() => cluster.Nodes[late].Formed.IsCompletedSuccessfully, Seconds(5), "it is told");
    }

    [Fact]
    public void A_crash_at_any_disk_operation_during_formation_still_gives_exactly_one_cluster()
    {
        long operations = OperationsToForm(1);
        Assert.InRange(operations, 5, 500);
        foreach (CrashLoss loss in new[] { CrashLoss.Everything, CrashLoss.Random, CrashLoss.Nothing })
        {
            for (long at = 0; at <= operations; at++)
            {
                foreach (int crashed in new[] { 0, 1 })
                {
                    var cluster = new StoreCluster(new StoreClusterOptions());
                    NodeName node = cluster.Names[crashed];
                    cluster.Disks[node].PowerOffAfter(at);
                    foreach (NodeName name in cluster.Names) cluster.StartNode(name);
                    cluster.RunFor(Seconds(3));
                    cluster.CrashNode(node, loss);
                    cluster.Disks[node].Crash(loss);
                    cluster.RunFor(Seconds(1));
                    cluster.StartFailure.Clear();
                    cluster.StartNode(node);
                    cluster.RunFor(Seconds(3));
                    if (cluster.StartFailure.TryGetValue(node, out Exception? failure) && at < operations
                        && failure is not FormationException)
                    {
                        // Half-made directories may be refused, but then plainly, and never with another cluster.
                        Assert.Fail($"power off after {at} of {operations} ({loss}) on {node}: {failure}");
                    }
                    cluster.RunUntil(cluster.AllGroupsHaveLeaders, Seconds(30), "the cluster works; power off after "
                        + $"{at} of {operations} ({loss}) on {node}; {failure?.Message}");
                    RequireOneCluster(cluster);
                }
            }
        }
    }

    [Fact]
    public void Strangers_damaged_and_foreign_formation_frames_change_nothing()
    {
        StoreCluster cluster = StoreCluster.Start();
        StoreNode node = cluster.Nodes[cluster.Names[0]];
        var sent = new List<byte[]>();
        cluster.Network.Filter = (from, to, frame) =>
        {
            if (FormationMessage.IsFormationFrame(frame.Span)) sent.Add(frame.ToArray());
            return true;
        };
        byte[] plan = FormationPlan.Create([.. cluster.Names, new NodeName("stranger")], [], new StoreLimits()).Encode();
        node.Receive(new FormationHello(new NodeName("stranger"), new StoreId(Guid.NewGuid()), plan).Encode());
        Assert.Empty(node.Joining);
        Assert.Contains("is not one of cluster",
            Assert.IsType<FormationRefused>(FormationMessage.Decode(Assert.Single(sent))).Reason);
        sent.Clear();
        byte[] damaged = new FormationHello(cluster.Names[1], new StoreId(Guid.NewGuid()), plan).Encode();
        for (int i = 8; i < damaged.Length; i++)
        {
            damaged[i] ^= 1;
            node.Receive(damaged);
            damaged[i] ^= 1;
        }
        Assert.Empty(sent);
        FormationRecord record = node.Formation;
        byte[] other = (record with { Cluster = new ClusterId(Guid.NewGuid()) }).Encode();
        node.Receive(new FormationDecided(cluster.Names[1], record.StoreOf(cluster.Names[1]), other).Encode());
        node.Receive(new FormationRefused(cluster.Names[1], record.StoreOf(cluster.Names[1]), "no").Encode());
        cluster.RunFor(Seconds(1));
        Assert.Same(record, node.Formation);
        Assert.True(node.Formed.IsCompletedSuccessfully);
        cluster.Put(cluster.CreateClient(), "k", "v");
    }

    private static long OperationsToForm(int seed)
    {
        var cluster = new StoreCluster(new StoreClusterOptions { Seed = (ulong)seed });
        foreach (NodeName name in cluster.Names) cluster.StartNode(name);
        cluster.RunUntil(cluster.AllGroupsHaveLeaders, Seconds(30), "the cluster works");
        return cluster.Disks[cluster.Names[0]].Operations;
    }

    private static void RequireOneCluster(StoreCluster cluster)
    {
        cluster.RunUntil(() => cluster.Names.All(n => cluster.Nodes.TryGetValue(n, out StoreNode? node)
            && node.Formed.IsCompletedSuccessfully),
            Seconds(30), "all nodes formed");
        Assert.Single(cluster.Nodes.Values.Select(node => node.Formation.Cluster).Distinct());
        Assert.Single(cluster.Nodes.Values.Select(node => Convert.ToHexString(node.Storage.Formation!.Value.Span))
            .Distinct());
        foreach (StoreNode node in cluster.Nodes.Values)
            Assert.Equal(node.Storage.StoreId, node.Formation.StoreOf(node.Name));
    }
}

internal static class FormationConditions
{
    public static Func<bool> AllOthersFormed(this StoreCluster cluster, NodeName but) => () =>
        cluster.Nodes.Count == cluster.Names.Count
        && cluster.Nodes.Values.All(node => node.Name == but || node.Formed.IsCompletedSuccessfully);
}
