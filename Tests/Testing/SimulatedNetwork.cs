using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Testing;

/// <summary>How badly a simulated network behaves.</summary>
public sealed record NetworkFaults
{
    /// <summary>Of a frame being lost, 0 to 1.</summary>
    public double Loss { get; init; }

    /// <summary>Of a frame arriving twice, 0 to 1.</summary>
    public double Duplication { get; init; }

    /// <summary>Frames take from the first to the second; so later ones may overtake earlier ones.</summary>
    public (TimeSpan Least, TimeSpan Most) Delay { get; init; } =
        (TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(1));
}

/// <summary>Carries frames between simulated nodes in virtual time; what it does is drawn from a seed.</summary>
public sealed class SimulatedNetwork(VirtualTime time, ulong seed)
{
    private readonly Random _random = new((int)(seed ^ (seed >> 32)));
    private readonly Dictionary<NodeName, Action<ReadOnlyMemory<byte>>> _receivers = [];
    private readonly HashSet<(NodeName From, NodeName To)> _cut = [];
    private readonly HashSet<ITimer> _underWay = [];

    public NetworkFaults Faults { get; set; } = new();

    public long Delivered { get; private set; }

    public long Dropped { get; private set; }

    /// <summary>Hears of every delivery, in order.</summary>
    public Action<NodeName, NodeName, ReadOnlyMemory<byte>>? Observed { get; set; }

    /// <summary>Looks at a frame before it is sent; false loses it.</summary>
    public Func<NodeName, NodeName, ReadOnlyMemory<byte>, bool>? Filter { get; set; }

    public INetwork For(NodeName node) => new Link(this, node);

    public void Attach(NodeName node, Action<ReadOnlyMemory<byte>> receive) => _receivers[node] = receive;

    public void Detach(NodeName node) => _receivers.Remove(node);

    /// <summary>Cuts one direction.</summary>
    public void Cut(NodeName from, NodeName to) => _cut.Add((from, to));

    /// <summary>Cuts a node off, in both directions.</summary>
    public void Isolate(NodeName node, IEnumerable<NodeName> others)
    {
        foreach (NodeName other in others)
        {
            if (other == node) continue;
            Cut(node, other);
            Cut(other, node);
        }
    }

    public void Heal() => _cut.Clear();

    private void Send(NodeName from, NodeName to, ReadOnlyMemory<byte> frame)
    {
        if (_cut.Contains((from, to)) || Filter?.Invoke(from, to, frame) == false || _random.NextDouble() < Faults.Loss)
        {
            Dropped++;
            return;
        }
        int copies = _random.NextDouble() < Faults.Duplication ? 2 : 1;
        for (int i = 0; i < copies; i++) Schedule(from, to, frame.ToArray());
    }

    private void Schedule(NodeName from, NodeName to, byte[] frame)
    {
        (TimeSpan least, TimeSpan most) = Faults.Delay;
        TimeSpan delay = least + (most - least) * _random.NextDouble();
        ITimer? timer = null;
        timer = time.CreateTimer(_ =>
        {
            _underWay.Remove(timer!);
            timer!.Dispose();
            if (_cut.Contains((from, to)) || !_receivers.TryGetValue(to, out Action<ReadOnlyMemory<byte>>? receive))
            {
                Dropped++;
                return;
            }
            Delivered++;
            Observed?.Invoke(from, to, frame);
            receive(frame);
        }, null, delay, Timeout.InfiniteTimeSpan);
        _underWay.Add(timer);
    }

    private sealed class Link(SimulatedNetwork network, NodeName from) : INetwork
    {
        public ValueTask SendAsync(NodeName to, ReadOnlyMemory<byte> frame)
        {
            network.Send(from, to, frame);
            return ValueTask.CompletedTask;
        }
    }
}
