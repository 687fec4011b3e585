using Orleans.Raft.Core;
using Orleans.Raft.Growth;
using Orleans.Raft.KeyValue;
using Xunit;

namespace Orleans.Raft.Chaos.Tests;

/// <summary>What the demonstration of a growing cluster takes for even and for fast enough.</summary>
public sealed class GrowthRuleTests
{
    [Fact]
    public void Nodes_are_even_up_to_thirteen_tenths()
    {
        Assert.Null(GrowthRules.FindUnevenness([Node(1, 3, 100), Node(2, 4, 130), Node(3, 3, 115)], 3));
        Assert.Contains("bytes", GrowthRules.FindUnevenness([Node(1, 3, 100), Node(2, 3, 131), Node(3, 3, 100)], 3));
        Assert.Contains("bytes", GrowthRules.FindUnevenness([Node(1, 3, 0), Node(2, 3, 1), Node(3, 3, 1)], 3));
    }

    [Fact]
    public void One_leader_more_than_another_is_even()
    {
        Assert.Null(GrowthRules.FindUnevenness([Node(1, 0, 5), Node(2, 1, 5)], 2));
        Assert.Null(GrowthRules.FindUnevenness([Node(1, 10, 5), Node(2, 13, 5)], 2));
        Assert.Contains("lead", GrowthRules.FindUnevenness([Node(1, 3, 5), Node(2, 5, 5)], 2));
    }

    [Fact]
    public void Only_nodes_that_are_up_count_and_all_of_them_must_be()
    {
        NodeOverview drained = Node(1, 0, 0) with { State = NodeState.Draining };
        Assert.Null(GrowthRules.FindUnevenness([drained, Node(2, 2, 5), Node(3, 2, 5)], 2));
        Assert.Contains("not 3", GrowthRules.FindUnevenness([drained, Node(2, 2, 5), Node(3, 2, 5)], 3));
    }

    [Fact]
    public void Requests_may_take_five_times_as_long_while_things_move()
    {
        Assert.Null(GrowthRules.FindSlowness(2, 10, 500, 500));
        Assert.Contains("10.1 ms", GrowthRules.FindSlowness(2, 10.1, 500, 500));
        Assert.Contains("too few", GrowthRules.FindSlowness(2, 3, 500, 499));
        Assert.Contains("too few", GrowthRules.FindSlowness(2, 3, 499, 500));
    }

    [Fact]
    public void The_two_neighbours_that_hold_least_are_merged()
    {
        Assert.Equal((new GroupId(4), new GroupId(2)),
            GrowthRules.FindSmallestNeighbours([Group(1, 1), Group(3, 9), Group(4, 5), Group(2, 4), Group(5, 6)]));
        Assert.Equal((new GroupId(1), new GroupId(3)), GrowthRules.FindSmallestNeighbours([Group(1, 1), Group(3, 9)]));
    }

    private static GroupOverview Group(uint id, long bytes) => new(
        new GroupDescriptor(new GroupId(id), [], [], 1, 1, []), bytes, Keys: 1, Leader: null, OperationsPerSecond: 0,
        Operation: null);

    private static NodeOverview Node(int number, int leaders, long bytes) =>
        new(new NodeName($"node-{number}"), Zone: "", NodeState.Up, Replicas: 3, leaders, bytes);
}
