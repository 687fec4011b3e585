namespace Orleans.Raft.Core.Tests;

[Trait("Raft", "Figure 7")]
public sealed class Figure7Tests
{
    private static readonly ulong[] LeaderLog = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];

    public static TheoryData<string, ulong[]> Followers => new()
    {
        { "a", [1, 1, 1, 4, 4, 5, 5, 6, 6] },
        { "b", [1, 1, 1, 4] },
        { "c", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6] },
        { "d", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7] },
        { "e", [1, 1, 1, 4, 4, 4, 4] },
        { "f", [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3] },
    };

    [Theory]
    [MemberData(nameof(Followers))]
    public void Leader_brings_the_follower_in_line_within_three_probes(string name, ulong[] follower)
    {
        int rejections = 0;
        var cluster = new Cluster(3, disk: id => TestDisk.With(7, ReplicaId.None, 0, id == 2 ? follower : LeaderLog));
        // r3 helps r1 to win: with its log (d) may not vote for the leader.
        cluster.Isolate(2);
        cluster.Elect(1);
        cluster.Heal();
        cluster.Lose = (_, _, message) =>
        {
            if (message is AppendEntriesRejection) rejections++;
            return false;
        };
        cluster.Run(4 * HeartbeatInterval);
        Assert.Equal([.. LeaderLog, 8ul], Cluster.Terms(cluster[2]));
        Assert.Equal(cluster[1].Node.CommitIndex, cluster[2].Node.CommitIndex);
        Assert.InRange(rejections, name is "c" or "d" ? 0 : 1, 3);
    }

    [Fact]
    public void All_six_followers_agree_in_the_end()
    {
        ulong[][] logs = [LeaderLog, .. Followers.Select(row => (ulong[])row[1])];
        var cluster = new Cluster(7, disk: id => TestDisk.With(7, ReplicaId.None, 0, logs[id - 1]));
        cluster.Elect(1);
        cluster.Run(1);
        cluster.AssertLogsAgree();
        Assert.Equal([.. LeaderLog, 8ul], Cluster.Terms(cluster[7]));
    }

    [Fact]
    [Trait("Raft", "§5.3")]
    public void Back_off_needs_one_rejection_per_term_not_per_entry()
    {
        ulong[] leaderLog = [.. Enumerable.Repeat(1ul, 100), .. Enumerable.Repeat(5ul, 100)];
        ulong[] followerLog =
            [.. Enumerable.Repeat(1ul, 100), .. Enumerable.Repeat(2ul, 150), .. Enumerable.Repeat(3ul, 150)];
        int rejections = 0;
        var cluster = new Cluster(3, disk: id => TestDisk.With(6, ReplicaId.None, 0, id == 2 ? followerLog : leaderLog))
        {
            Lose = (_, _, message) =>
            {
                if (message is AppendEntriesRejection) rejections++;
                return false;
            },
        };
        cluster.Elect(1);
        Assert.Equal([.. leaderLog, 7ul], Cluster.Terms(cluster[2]));
        Assert.InRange(rejections, 1, 3);
    }
}
