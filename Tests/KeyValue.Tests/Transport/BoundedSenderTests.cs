using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.Transport;

public sealed class BoundedSenderTests
{
    private static readonly NodeName Slow = new("slow"), Other = new("other");

    [Fact]
    public void Frames_to_a_node_that_takes_none_are_lost_beyond_a_bound_and_no_other_node_waits_for_it()
    {
        var network = new HangingNetwork();
        var sender = new BoundedSender(network, most: 2);
        Assert.Equal([true, true, false, false], Enumerable.Range(0, 4).Select(_ => sender.TrySend(Slow, default)));
        Assert.True(sender.TrySend(Other, default));
        network.Sent[0].SetResult();
        Assert.Equal([true, false], Enumerable.Range(0, 2).Select(_ => sender.TrySend(Slow, default)));
        foreach (TaskCompletionSource sent in network.Sent) sent.TrySetResult();
        Assert.Equal([true, true, false], Enumerable.Range(0, 3).Select(_ => sender.TrySend(Slow, default)));
        Assert.Equal(6, network.Sent.Count);
    }

    private sealed class HangingNetwork : INetwork
    {
        public List<TaskCompletionSource> Sent { get; } = [];

        public ValueTask SendAsync(NodeName to, ReadOnlyMemory<byte> frame)
        {
            Sent.Add(new TaskCompletionSource());
            return new ValueTask(Sent[^1].Task);
        }
    }
}
