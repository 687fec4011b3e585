using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Replication;

/// <summary>A node whose storage is a slot in a database is taken for dead and opened elsewhere, while it goes on: the
/// whole store, with the storage for PostgreSQL on simulated databases.</summary>
public class SecondOpeningTests
{
    private readonly StoreCluster _cluster = StoreCluster.Start(
        new StoreClusterOptions { Storage = SimulatedStorage.Databases });

    private readonly KvClient _client;
    private readonly NodeName _leader;
    private readonly StoreNode _first;

    public SecondOpeningTests()
    {
        _client = _cluster.CreateClient();
        _cluster.Put(_client, "k", "before");
        _leader = _cluster.Leader();
        _first = _cluster.Nodes[_leader];
    }

    [Fact]
    public void The_earlier_opening_of_an_idle_leaders_storage_stops_by_itself_and_the_later_one_goes_on()
    {
        _cluster.RunFor(Seconds(1));
        _cluster.StartElsewhere(_leader, following: [], isParted: false);
        Assert.Same(_first, _cluster.EarlierOf(_leader));
        _cluster.RunUntil(() => _first.Replaced.IsCompleted, Seconds(2.1), "the earlier opening has noticed");
        Assert.IsType<FencedException>(_first.Storage.Failure);
        Assert.All(_first.Replicas, replica => Assert.NotNull(replica.StopReason));
        _cluster.StopEarlier(_leader);
        _cluster.Put(_client, "k", "after");
        _cluster.WaitForEqualReplicas();
        Assert.Equal("after", _cluster.Get(_client, "k"));
        Assert.NotSame(_first, _cluster.Nodes[_leader]);
    }

    /// <summary>It does not know, and has a majority that follows it: itself and a follower.</summary>
    [Fact]
    public void An_earlier_opening_that_is_cut_off_from_its_database_with_a_follower_serves_nothing()
    {
        CutOffWithAFollower(out NodeName follower, out NodeName other);
        Replica earlier = _first.Find(First)!;
        GroupRequest opening = Unsessioned(Operation.OpenSession(60_000));
        Running<GroupReply> write = _cluster.Begin(() => earlier.ExecuteAsync(opening));
        _cluster.RunUntil(() => _cluster.ReplicaOn(other).Status.Role == "leader"
            || _cluster.ReplicaOn(_leader).Status.Role == "leader", Seconds(5), "the others have a leader");
        Running<GroupReply> read = _cluster.Begin(() => earlier.ExecuteAsync(ReadOf("k")));
        _cluster.RunFor(Seconds(0.3));
        Assert.Equal("leader", earlier.Status.Role);
        Assert.Equal(_leader, _cluster.ReplicaOn(follower).Leader);
        Assert.True(_cluster.ReplicaOn(other).Status.Term > earlier.Status.Term);
        Assert.False(WasServed(read), "a fenced leader served a read");
        Assert.False(WasServed(write), "a fenced leader served a write");

        _cluster.Network.Heal();
        _cluster.Databases[_leader].MendConnections();
        _cluster.RunUntil(() => _first.Replaced.IsCompleted, Seconds(5), "the earlier opening has noticed");
        _cluster.StopEarlier(_leader);
        _cluster.WaitForEqualReplicas();
        Assert.Equal("before", _cluster.Get(_client, "k"));
    }

    [Fact]
    public void Each_side_hears_its_own_opening_until_it_is_told_where_the_node_is()
    {
        CutOffWithAFollower(out NodeName follower, out NodeName other);
        int byFirst = 0;
        _cluster.Network.SentByEarlier = (from, _) => byFirst += from == _leader ? 1 : 0;
        (int heardByFollower, int heardByOther) = (0, 0);
        _cluster.Network.Observed = (from, to, _) =>
        {
            if (from == _leader && to == follower) heardByFollower++;
            if (from == _leader && to == other) heardByOther++;
        };
        _cluster.Pause(_leader); // The second: the first is nobody's to name any more.
        _cluster.RunFor(Seconds(1));
        Assert.True(byFirst > 0 && heardByFollower > 0, "the follower hears nothing of the node that it follows");
        Assert.Equal(0, heardByOther);

        _cluster.StopEarlier(_leader);
        _cluster.Resume(_leader);
        _cluster.RunFor(Seconds(0.1)); // What was under way arrives.
        (heardByFollower, heardByOther) = (0, 0);
        _cluster.RunFor(Seconds(2));
        Assert.Equal(0, heardByFollower);
        Assert.True(heardByOther > 0, "the other does not hear the later opening");
        _cluster.Network.Guide(_leader);
        _cluster.RunFor(Seconds(1));
        Assert.True(heardByFollower > 0, "the follower does not hear the later opening although it was told");
    }

    private static bool WasServed(Running<GroupReply> request) =>
        request.HasEnded && request.Result.Status == GroupReplyStatus.Answered;

    private void CutOffWithAFollower(out NodeName follower, out NodeName other)
    {
        NodeName[] followers = _cluster.Followers();
        (follower, other) = (followers[0], followers[1]);
        _cluster.Network.Part([follower], [other]);
        _cluster.Databases[_leader].CutConnections();
        _cluster.StartElsewhere(_leader, [follower], isParted: true);
        _cluster.RunUntil(() => _cluster.YoungestReplicaOf(_leader, First) is not null, Seconds(1),
            "the later opening has its replica");
    }
}
