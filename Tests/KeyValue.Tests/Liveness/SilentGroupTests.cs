using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Liveness;

/// <summary>Groups that nobody uses cost nothing, and are there when somebody does.</summary>
public class SilentGroupTests
{
    private const int Groups = 6;

    [Fact]
    public void Idle_groups_send_nothing_but_one_frame_per_pair_of_nodes_and_interval()
    {
        StoreCluster cluster = Asleep();
        int liveness = 0, others = 0;
        cluster.Network.Filter = (_, _, frame) =>
        {
            if (LivenessFrame.IsLivenessFrame(frame.Span)) liveness++;
            else others++;
            return true;
        };
        cluster.RunFor(Seconds(60));
        Assert.Equal(0, others);
        // Six pairs, ten times a second.
        Assert.InRange(liveness, 3500, 3606);
        RequireAsleep(cluster, cluster.Names);
    }

    [Fact]
    public void A_silent_group_answers_at_once_whoever_is_asked()
    {
        StoreCluster cluster = Asleep();
        KvClient client = cluster.CreateClient();
        cluster.RunFor(Seconds(60));
        NodeName leader = cluster.Leader();
        Term term = cluster.ReplicaOn(leader).Status.Term;
        TimeSpan before = cluster.Time.Now;
        cluster.Put(client, "!k", "1");
        Assert.Equal("1", cluster.Get(client, "!k"));
        cluster.RunUntil(() => AreAsleep(cluster, cluster.Names), Seconds(10), "all are asleep again");
        Assert.Equal("1",
            cluster.Execute(cluster.ReplicaOn(cluster.Followers()[0]), ReadOf("!k")).ValueText());
        Assert.True(cluster.Time.Now - before < Seconds(3));
        Assert.Equal((leader, term), (cluster.Leader(), cluster.ReplicaOn(leader).Status.Term));
    }

    [Fact]
    public void When_a_node_dies_exactly_the_silent_groups_it_led_wake_and_find_new_leaders()
    {
        StoreCluster cluster = Asleep();
        NodeName dead = cluster.Leader();
        NodeName[] others = cluster.Followers();
        GroupId[] led = [.. Enumerable.Range(1, Groups).Select(i => new GroupId((uint)i))
            .Where(group => cluster.LeaderOf(group) == dead)];
        Assert.InRange(led.Length, 1, Groups - 1);
        cluster.CrashNode(dead);
        bool othersSlept = true;
        cluster.RunUntil(() =>
        {
            othersSlept &= others.SelectMany(node => cluster.Nodes[node].Replicas)
                .Where(replica => !led.Contains(replica.Group)).All(replica => replica.IsAsleep);
            return led.All(group => cluster.LeaderOf(group) is not null);
        }, Seconds(5), "the groups that the dead node led have new leaders");
        Assert.True(othersSlept);
        cluster.RunUntil(() => AreAsleep(cluster, others), Seconds(10), "all are asleep without the dead node");
        cluster.StartNode(dead);
        cluster.RunUntil(() => cluster.Nodes.TryGetValue(dead, out StoreNode? node)
            && node.Replicas.Count == Groups && AreAsleep(cluster, cluster.Names), Seconds(20), "it sleeps with them");
    }

    [Fact]
    public void A_node_that_returns_at_once_with_another_life_wakes_the_groups_it_led()
    {
        StoreCluster cluster = Asleep();
        NodeName restarted = cluster.Leader();
        NodeName[] others = cluster.Followers();
        GroupId led = First;
        // Its own replicas, which would campaign, are not heard: only that it lives again.
        cluster.Network.Filter = (from, _, frame) => from != restarted || LivenessFrame.IsLivenessFrame(frame.Span)
            || cluster.Nodes.ContainsKey(restarted) == false || FormationMessage.IsFormationFrame(frame.Span);
        cluster.CrashNode(restarted);
        cluster.StartNode(restarted);
        cluster.RunUntil(() => cluster.Nodes.ContainsKey(restarted)
            && others.Any(node => cluster.ReplicaOn(node, led).Status.Role == "leader"), Seconds(3),
            "another node leads the group");
    }

    [Fact]
    public void A_member_that_was_cut_off_catches_up_after_its_group_fell_silent_without_it()
    {
        StoreCluster cluster = Asleep();
        NodeName cut = cluster.Followers()[0];
        KvClient client = cluster.CreateClient();
        cluster.Isolate(cut);
        cluster.RunFor(Seconds(3));
        cluster.Put(client, "!k", "1");
        LogIndex applied = cluster.ReplicaOn(cluster.Leader()).Status.Applied;
        NodeName[] present = [.. cluster.Names.Where(node => node != cut)];
        cluster.RunUntil(() => AreAsleep(cluster, present), Seconds(20), "the others are asleep");
        Assert.True(cluster.ReplicaOn(cut).Status.Applied < applied);
        cluster.Network.Heal();
        cluster.RunUntil(() => cluster.ReplicaOn(cut).Status.Applied >= applied, Seconds(5), "it caught up");
        cluster.RunUntil(() => AreAsleep(cluster, cluster.Names), Seconds(20), "all are asleep again");
    }

    [Fact]
    public void A_session_expires_over_a_silence_when_the_group_wakes()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Limits = new StoreLimits { SessionTimeoutMilliseconds = 10_000 },
        });
        Replica leader = cluster.ReplicaOn(cluster.Leader());
        SessionId kept = cluster.OpenSession(leader, 10_000);
        SessionId forgotten = cluster.OpenSession(leader, 10_000);
        cluster.RunUntil(() => AreAsleep(cluster, cluster.Names), Seconds(20), "all are asleep");
        cluster.RunFor(Seconds(6));
        Assert.Equal(AnswerStatus.Ok, cluster.Execute(leader, PutOf(kept, 1, "k", "1")).Only().Status);
        cluster.RunUntil(() => AreAsleep(cluster, cluster.Names), Seconds(20), "all are asleep again");
        LogIndex commit = leader.Status.Commit;
        cluster.RunFor(Seconds(6));
        Assert.Equal(commit, leader.Status.Commit);
        Assert.Equal(AnswerStatus.SessionExpired,
            cluster.Execute(leader, PutOf(forgotten, 1, "k", "2")).Only().Status);
        Assert.Equal(AnswerStatus.Ok, cluster.Execute(leader, PutOf(kept, 2, "k", "3")).Only().Status);
    }

    [Fact]
    public void A_node_whose_log_fails_in_silence_is_replaced_as_leader()
    {
        StoreCluster cluster = Asleep();
        GroupId led = new(2);
        NodeName node = cluster.Leader(led);
        string[] keys = ["A", "a", "p", "z"];
        string key = keys.First(k => cluster.Nodes[node].Ranges.Find(Bytes.Of(k))!.Group is var group && group != led
            && cluster.LeaderOf(group) != node);
        cluster.Disks[node].FailNext(DiskOperationKind.Flush);
        cluster.Put(cluster.CreateClient(), key, "1");
        cluster.RunUntil(() => cluster.Nodes[node].Replicas.All(replica => replica.StopReason is not null), Seconds(1),
            "all replicas of the node stopped");
        cluster.RunUntil(() => cluster.Names.Any(n => n != node
            && cluster.ReplicaOn(n, led).Status.Role == "leader"), Seconds(5), "another node leads the silent group");
    }

    [Fact]
    public void A_silent_leader_whose_disk_hangs_makes_way()
    {
        StoreCluster cluster = Asleep();
        GroupId led = new(2);
        NodeName node = cluster.Leader(led);
        string key = new[] { "A", "a", "p", "z" }.First(k => cluster.Nodes[node].Ranges.Find(Bytes.Of(k))!.Group
            is var group && group != led && cluster.LeaderOf(group) != node);
        cluster.Disks[node].HangFlushes();
        cluster.Put(cluster.CreateClient(), key, "1");
        cluster.RunUntil(() => cluster.Names.Any(n => n != node
            && cluster.ReplicaOn(n, led).Status.Role == "leader"), Seconds(8), "another node leads the silent group");
    }

    private static StoreCluster Asleep()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Groups = Groups });
        cluster.RunUntil(() => AreAsleep(cluster, cluster.Names), Seconds(20), "all are asleep");
        return cluster;
    }

    private static bool AreAsleep(StoreCluster cluster, IEnumerable<NodeName> nodes) =>
        nodes.SelectMany(node => cluster.Nodes[node].Replicas).All(replica => replica.IsAsleep);

    private static void RequireAsleep(StoreCluster cluster, IEnumerable<NodeName> nodes) =>
        Assert.True(AreAsleep(cluster, nodes), "somebody woke");
}
