using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Ranges;

/// <summary>Whoever keeps a node's map hears when it changes.</summary>
public sealed class RangeNewsTests
{
    [Fact]
    public void Who_waits_for_another_map_is_told_at_once_and_only_then()
    {
        StoreCluster cluster = StoreCluster.Start();
        cluster.Put(cluster.CreateClient(), "a", "1");
        StoreNode node = cluster.Nodes[cluster.Leader()];
        RangeMap before = node.Ranges;
        Running<bool> waiting = cluster.Begin(() => node.WaitForRangesAsync(before));
        cluster.RunFor(Seconds(5));
        Assert.False(waiting.HasEnded);
        // What is known already is no news.
        node.Learn(before.Groups[0]);
        cluster.RunFor(Seconds(1));
        Assert.False(waiting.HasEnded);
        SplitClusterTests.Split(cluster, First, "m", SplitClusterTests.Second);
        cluster.RunFor(Seconds(0.1));
        Assert.True(waiting.HasEnded);
        Assert.Equal(2, node.Ranges.Groups.Count);
        Assert.True(node.WaitForRangesAsync(before).IsCompleted);
        Assert.False(node.WaitForRangesAsync(node.Ranges).IsCompleted);
    }
}
