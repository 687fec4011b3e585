using System.Collections.Concurrent;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Embedded;

/// <summary>Carries frames between the nodes of one process by a method call; isolated and stopped nodes hear and say
/// nothing.</summary>
internal sealed class InProcessNetwork
{
    private readonly ConcurrentDictionary<NodeName, StoreNode> _nodes = new();
    private readonly ConcurrentDictionary<NodeName, bool> _isolated = new();

    public INetwork For(NodeName node) => new Link(this, node);

    public void Attach(StoreNode node) => _nodes[node.Name] = node;

    public void Detach(NodeName node) => _nodes.TryRemove(node, out _);

    public void Isolate(NodeName node) => _isolated[node] = true;

    public void Heal() => _isolated.Clear();

    public bool IsIsolated(NodeName node) => _isolated.ContainsKey(node);

    private sealed class Link(InProcessNetwork network, NodeName from) : INetwork
    {
        public ValueTask SendAsync(NodeName to, ReadOnlyMemory<byte> frame)
        {
            if (!network.IsIsolated(from) && !network.IsIsolated(to)
                && network._nodes.TryGetValue(to, out StoreNode? node))
                node.Receive(frame.Span);
            return ValueTask.CompletedTask;
        }
    }
}
