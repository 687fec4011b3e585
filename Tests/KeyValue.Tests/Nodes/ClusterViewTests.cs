using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.Nodes;

/// <summary>What the nodes say of themselves, put together.</summary>
public class ClusterViewTests
{
    private static readonly NodeName[] Names = [new("node-1"), new("node-2"), new("node-3")];
    private static readonly FormationPlan Plan = FormationPlan.Create(Names, [], new StoreLimits());
    private static readonly FormationRecord Record =
        new(new ClusterId(Guid.Empty), [.. Names.Select(n => new FormationNode(n, default))],
        Plan.Groups, Plan.Limits);

    [Theory]
    // A replica that campaigns alone, with terms as high as it likes, deposes nobody.
    [InlineData("leader 3,follower 3,candidate 9", "node-1", 3ul)]
    [InlineData("leader 3,down 0,candidate 9", "node-1", 3ul)]
    // Most have gone on: whoever leads in the old term leads nobody.
    [InlineData("leader 3,candidate 4,follower 4", null, 4ul)]
    // An isolated old leader beside the new one.
    [InlineData("leader 3,leader 5,follower 5", "node-2", 5ul)]
    [InlineData("leader 3,follower 5,follower 5", null, 5ul)]
    [InlineData("follower 3,follower 3,down 0", null, 3ul)]
    [InlineData("down 0,down 0,down 0", null, 0ul)]
    public void The_leader_shown_is_the_latest_that_most_replicas_have_not_left_behind(string replicas, string? leader,
        ulong term)
    {
        var views = new List<NodeView>();
        foreach ((string replica, NodeName name) in replicas.Split(',').Zip(Names))
        {
            string[] words = replica.Split(' ');
            var status = new ReplicaStatus(new GroupId(1), name, words[0], new Term(ulong.Parse(words[1], null)),
                LogIndex.Zero, LogIndex.Zero);
            views.Add(words[0] == "down" ? new NodeView(name)
                : new NodeView(name, new NodeStatus(name, IsUp: true, 0, 0, 0),
                    [new ReplicaView(status, Plan.Groups[0], null)]));
        }
        GroupStatus group = Assert.Single(ClusterView.Merge(Record, views).Groups);
        Assert.Equal(leader is null ? null : new NodeName(leader), group.Leader);
        Assert.Equal(new Term(term), group.Term);
    }
}
