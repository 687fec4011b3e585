using System.Globalization;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Growth;

/// <summary>What must hold in the end.</summary>
public static class GrowthRules
{
    /// <summary>The bytes of the largest node, as a multiple of the smallest's.</summary>
    public const double MostUneven = 1.3;

    /// <summary>p99 while things move, as a multiple of that at rest.</summary>
    public const double MostSlowed = 5;

    /// <summary>Fewer requests in a phase say nothing of its p99.</summary>
    public const long LeastRequests = 500;

    /// <summary>How leaders or bytes are uneven over the nodes that hold replicas, or null. Leaders cannot be divided:
    /// one more than another is even.</summary>
    public static string? FindUnevenness(IReadOnlyList<NodeOverview> nodes, int expected)
    {
        NodeOverview[] up = [.. nodes.Where(node => node.State == NodeState.Up)];
        if (up.Length != expected) return $"{up.Length} nodes are up, not {expected}";
        long least = up.Min(node => node.Bytes), most = up.Max(node => node.Bytes);
        if (most > least * MostUneven)
            return string.Create(CultureInfo.InvariantCulture, $"nodes hold {least} to {most} bytes");
        int fewest = up.Min(node => node.Leaders), highest = up.Max(node => node.Leaders);
        return highest > fewest + 1 && highest > fewest * MostUneven
            ? string.Create(CultureInfo.InvariantCulture, $"nodes lead {fewest} to {highest} groups")
            : null;
    }

    /// <summary>The two neighbours that hold least.</summary>
    /// <param name="groups">In key order, at least two.</param>
    public static (GroupId Left, GroupId Right) FindSmallestNeighbours(IReadOnlyList<GroupOverview> groups)
    {
        (GroupOverview left, GroupOverview right) =
            groups.Zip(groups.Skip(1)).MinBy(pair => pair.First.Bytes + pair.Second.Bytes);
        return (left.Descriptor.Group, right.Descriptor.Group);
    }

    /// <summary>Why requests were slowed too much while things moved, or null.</summary>
    public static string? FindSlowness(double restMilliseconds, double movingMilliseconds, long restRequests,
        long movingRequests)
    {
        if (Math.Min(restRequests, movingRequests) < LeastRequests)
            return $"{restRequests} requests at rest and {movingRequests} while things moved are too few to compare";
        return movingMilliseconds > restMilliseconds * MostSlowed
            ? string.Create(CultureInfo.InvariantCulture, $"p99 while things moved is {movingMilliseconds:0.0} ms, more "
                + $"than {MostSlowed} times the {restMilliseconds:0.0} ms at rest")
            : null;
    }
}
