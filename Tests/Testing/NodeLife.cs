using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Testing;

/// <summary>What a simulated process has from its start to its crash.</summary>
internal sealed class NodeLife(NodeName name, NodeScheduler lane, NodeClock clock)
{
    private ITimer? _ticker;

    public NodeName Name => name;

    public NodeScheduler Lane => lane;

    public NodeClock Clock => clock;

    /// <summary>Null until its storage is open.</summary>
    public StoreNode? Node { get; set; }

    /// <summary>Younger instances of replicas that the node itself does not know yet.</summary>
    public List<Replica> SecondInstances { get; } = [];

    /// <summary>Ticks node and replicas by the node's own clock.</summary>
    public void StartTicking(StoreNode node, TimeSpan period) => _ticker = clock.CreateTimer(_ =>
    {
        node.Tick();
        foreach (Replica replica in SecondInstances) replica.Tick();
    }, null, period, period);

    public void StopTicking() => _ticker?.Dispose();

    /// <summary>The replicas open here; of one opened twice the younger instance, which alone may do
    /// anything.</summary>
    public IEnumerable<Replica> YoungestReplicas => Node is null ? []
        : SecondInstances.Count == 0 ? Node.Replicas
        : Node.Replicas.Select(replica => YoungestOf(replica.Group) ?? replica);

    public Replica? FindYoungest(GroupId group) => YoungestOf(group) ?? Node?.Find(group);

    private Replica? YoungestOf(GroupId group) => SecondInstances.FindLast(other => other.Group == group);

    public void Receive(StoreNode node, ReadOnlyMemory<byte> frame)
    {
        node.Receive(frame.Span);
        if (SecondInstances.Count == 0 || !node.Formed.IsCompletedSuccessfully) return;
        FormationRecord record = node.Formation;
        if (FrameReader.TryOpen(frame.Span, out FrameHeader header, out FrameReader reader) != FrameStatus.Ok
            || header.Cluster != record.Cluster || header.To != record.StoreOf(name)
            || node.Directory.NodeOf(header.From) is not { } sender) return;
        while (reader.TryReadNext(out MessageAddress address, out RaftMessage? message, out _))
        {
            if (message is null) continue;
            foreach (Replica replica in SecondInstances)
                if (replica.Group == address.Group) replica.Deliver(address.From, sender, message);
        }
    }
}
