using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Replication;

/// <summary>A node that is about to stop, and what it leads.</summary>
public class HandOverTests
{
    [Fact]
    public void All_that_a_node_leads_is_handed_over_by_one_election_each_long_before_anybody_would_miss_its_leader()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Groups = 6 });
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "1");
        cluster.RunFor(Seconds(1));
        NodeName leaving = cluster.Leader();
        Replica[] led = [.. cluster.Nodes[leaving].Replicas.Where(r => r.Status.Role == "leader")];
        Dictionary<GroupId, Term> terms = led.ToDictionary(r => r.Group, r => r.Status.Term);
        Assert.Equal(led.Length, cluster.Nodes[leaving].HandOver());
        cluster.RunUntil(() => cluster.Nodes[leaving].HandOver() == 0, new ReplicaOptions().ElectionTimeout / 2,
            "all is handed over");
        cluster.RunUntil(() => led.All(r => cluster.LeaderOf(r.Group) is not null), Seconds(1), "all have leaders");
        foreach (Replica replica in led)
        {
            Assert.NotEqual(leaving, cluster.LeaderOf(replica.Group));
            Assert.Equal(terms[replica.Group].Value + 1, cluster.ReplicaOn(leaving, replica.Group).Status.Term.Value);
        }
        cluster.Put(client, "k", "2");
        Assert.Equal("2", cluster.Get(client, "k"));
    }

    [Fact]
    public void A_follower_that_is_not_heard_inherits_nothing()
    {
        StoreCluster cluster = StoreCluster.Start();
        NodeName leaving = cluster.Leader();
        foreach (NodeName away in cluster.Followers())
        {
            cluster.Isolate(away);
            cluster.RunFor(2 * new ReplicaOptions().ElectionTimeout);
            NodeName heir = cluster.Names.Single(n => n != leaving && n != away);
            cluster.RunUntil(() => cluster.Nodes[leaving].HandOver() == 0, Seconds(1), $"{heir} inherits");
            cluster.WaitForLeader(leaving);
            Assert.Equal(heir, cluster.Leader());
            cluster.Network.Heal();
            cluster.RunFor(Seconds(2));
            cluster.Run(() => cluster.ReplicaOn(heir).TransferLeadershipAsync(leaving));
            cluster.WaitForLeader(heir);
        }
    }

    [Fact]
    public void Nothing_is_left_to_hand_over_where_nobody_else_could_lead()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Nodes = 1 });
        Assert.Equal(0, cluster.Nodes[cluster.Leader()].HandOver());
        Assert.Equal(cluster.Names[0], cluster.Leader());
    }

    [Fact]
    public void What_is_led_with_nobody_left_to_take_it_stays_and_serves()
    {
        StoreCluster cluster = StoreCluster.Start();
        NodeName leaving = cluster.Leader();
        cluster.RunFor(Seconds(1));
        // Nobody hears that it may lead.
        cluster.Network.Filter = (from, to, frame) => from != leaving || !LeadershipTests.Carries<TimeoutNow>(frame);
        Assert.Equal(1, cluster.Nodes[leaving].HandOver());
        cluster.RunFor(3 * new ReplicaOptions().ElectionTimeout);
        Assert.Equal(leaving, cluster.Leader());
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "1");
        Assert.Equal("1", cluster.Get(client, "k"));
    }
}
