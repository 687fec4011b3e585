using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Replication;

/// <summary>Storage that another process may have opened: what a replica says of this moment is confirmed
/// first.</summary>
public class ConfirmingTests
{
    private readonly Dictionary<NodeName, SharedStorage> _storages = [];

    [Fact]
    public void A_read_round_waits_until_the_leaders_storage_or_both_followers_storages_have_confirmed_it()
    {
        StoreCluster cluster = Start();
        NodeName leader = cluster.Leader();
        NodeName[] followers = [.. cluster.Followers()];
        Hold(leader, followers[0]);
        Running<GroupReply> read = cluster.Begin(() => cluster.ReplicaOn(leader).ExecuteAsync(ReadOf("k")));
        cluster.RunFor(Seconds(0.2));
        Assert.False(read.HasEnded); // One of three has confirmed.

        _storages[leader].HoldsQuestions = false;
        _storages[leader].Answer();
        cluster.RunFor(Seconds(0.1));

        Assert.Equal("v", read.Result.ValueText());
    }

    [Fact]
    public void A_leader_whose_storage_was_opened_elsewhere_serves_no_read_even_if_one_follower_still_follows_it()
    {
        StoreCluster cluster = Start();
        NodeName leader = cluster.Leader();
        cluster.Isolate(cluster.Followers()[0]);
        _storages[leader].IsTaken = true;

        GroupReply reply = cluster.Execute(cluster.ReplicaOn(leader), ReadOf("k"));

        Assert.NotEqual(GroupReplyStatus.Answered, reply.Status);
    }

    [Fact]
    public void Followers_whose_storage_was_opened_elsewhere_confirm_no_round()
    {
        StoreCluster cluster = Start();
        NodeName leader = cluster.Leader();
        // Their nodes do not learn of it, as if their question were on its way.
        foreach (NodeName follower in cluster.Followers())
        {
            _storages[follower].IsTaken = true;
            _storages[follower].HoldsQuestions = true;
        }
        Running<GroupReply> read = cluster.Begin(() => cluster.ReplicaOn(leader).ExecuteAsync(ReadOf("k")));
        cluster.RunFor(Seconds(0.2));
        Assert.False(read.HasEnded);

        foreach (NodeName follower in cluster.Followers()) _storages[follower].Answer();
        cluster.RunFor(Seconds(5));

        Assert.NotEqual(GroupReplyStatus.Answered, read.Result.Status);
    }

    [Fact]
    public void One_question_stands_for_all_that_waits_meanwhile()
    {
        StoreCluster cluster = Start();
        NodeName leader = cluster.Leader();
        Hold(leader);
        int asked = _storages[leader].Questions;
        Running<GroupReply>[] reads =
            [.. Enumerable.Range(0, 50).Select(_ => cluster.Begin(() => cluster.ReplicaOn(leader).ExecuteAsync(ReadOf("k"))))];
        cluster.RunFor(Seconds(0.3));

        Assert.All(reads, read => Assert.Equal("v", read.Result.ValueText())); // By the followers.
        // The replica's question that is under way, and the node's own.
        Assert.InRange(_storages[leader].Questions - asked, 1, 2);
    }

    [Fact]
    public void There_is_no_lease_on_it()
    {
        StoreCluster cluster = Start();
        cluster.RunFor(Seconds(1));
        NodeName leader = cluster.Leader();
        cluster.Isolate(leader);

        Running<GroupReply> read =
            cluster.Begin(() => cluster.ReplicaOn(leader).ExecuteAsync(ReadOf("k", RequestKind.LeaseRead)));
        cluster.RunFor(TimeSpan.FromMilliseconds(1));

        Assert.False(read.HasEnded);
    }

    [Fact]
    public void An_idle_node_learns_within_two_seconds_that_its_storage_was_opened_elsewhere_and_stops()
    {
        StoreCluster cluster = Start();
        NodeName node = cluster.Followers()[0];
        Replica replica = cluster.ReplicaOn(node);
        cluster.RunFor(Seconds(10));
        Assert.False(cluster.Nodes[node].Replaced.IsCompleted);

        _storages[node].IsTaken = true;
        cluster.RunFor(Seconds(2));

        Assert.True(cluster.Nodes[node].Replaced.IsCompletedSuccessfully);
        Assert.Contains("opened elsewhere", replica.StopReason);
        Assert.Equal(GroupReplyStatus.Unavailable,
            cluster.Execute(replica, ReadOf("k", RequestKind.StaleRead)).Status);
    }

    private StoreCluster Start()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            WrapStorage = (name, storage) => _storages[name] = new SharedStorage(storage),
        });
        cluster.Put(cluster.CreateClient(), "k", "v");
        return cluster;
    }

    private void Hold(params NodeName[] nodes)
    {
        foreach (NodeName node in nodes) _storages[node].HoldsQuestions = true;
    }
}
