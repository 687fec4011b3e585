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

    /// <summary>Of a frame taking longer than <see cref="Delay"/> allows, 0 to 1.</summary>
    public double LongTail { get; init; }

    /// <summary>How long such a frame may take.</summary>
    public TimeSpan LongTailMost { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>
/// Carries frames between simulated nodes in virtual time; what it does is drawn from a seed. A frame under way
/// outlives its sender, and may reach a later life of its receiver.
/// </summary>
public sealed class SimulatedNetwork(VirtualTime time, ulong seed)
{
    /// <summary>So many frames wait for a paused node; what comes later is lost.</summary>
    public const int MaxWaitingFrames = 1000;

    private readonly Random _random = new((int)(seed ^ (seed >> 32)));
    private readonly Dictionary<NodeName, Receiver> _receivers = [];
    private readonly Dictionary<NodeName, Link> _links = [];
    private readonly Dictionary<NodeName, Earlier> _earlier = [];
    private readonly HashSet<(NodeName From, NodeName To)> _cut = [];
    private readonly Dictionary<(NodeName From, NodeName To), (TimeSpan Least, TimeSpan Most)> _slow = [];

    public NetworkFaults Faults { get; set; } = new();

    /// <summary>How many frames nodes received.</summary>
    public long Delivered { get; private set; }

    /// <summary>How many were lost: by chance, by a cut, or because their receiver was down or paused too
    /// long.</summary>
    public long Dropped { get; private set; }

    /// <summary>How many were sent twice.</summary>
    public long Duplicated { get; private set; }

    /// <summary>How many took longer than usual; see <see cref="NetworkFaults.LongTail"/>.</summary>
    public long Delayed { get; private set; }

    /// <summary>Hears of every frame (from, to, bytes) that a node hands over, before anything can become of it. The
    /// bytes are good during the call only.</summary>
    public Action<NodeName, NodeName, ReadOnlyMemory<byte>>? Sent { get; set; }

    /// <summary>As <see cref="Sent"/>, for the earlier of two processes of a node, of which <see cref="Sent"/> does not
    /// hear.</summary>
    public Action<NodeName, ReadOnlyMemory<byte>>? SentByEarlier { get; set; }

    /// <summary>Hears of every delivery, in order.</summary>
    public Action<NodeName, NodeName, ReadOnlyMemory<byte>>? Observed { get; set; }

    /// <summary>Looks at a frame before it is sent; false loses it.</summary>
    public Func<NodeName, NodeName, ReadOnlyMemory<byte>, bool>? Filter { get; set; }

    /// <summary>The network as one life of a node sees it, until that is detached.</summary>
    public INetwork For(NodeName node) => _links[node] = new Link(this, node);

    /// <param name="scheduler">Where <paramref name="receive"/> is called.</param>
    public void Attach(NodeName node, Action<ReadOnlyMemory<byte>> receive, NodeScheduler scheduler) =>
        _receivers[node] = new Receiver(receive, scheduler);

    /// <summary>The node dies: it neither receives nor sends any more.</summary>
    public void Detach(NodeName node)
    {
        if (_receivers.Remove(node, out Receiver? receiver)) Dropped += receiver.Waiting.Count;
        if (_links.Remove(node, out Link? link)) link.IsDead = true;
    }

    /// <summary>A second process of a node is to begin while the first goes on.</summary>
    /// <param name="following">Frames of these nodes go to the first until <see cref="Guide"/>.</param>
    /// <param name="isParted">Until then these hear only the first, and all others only the second.</param>
    public void KeepEarlier(NodeName node, HashSet<NodeName> following, bool isParted)
    {
        _receivers.Remove(node, out Receiver? receiver);
        _links.Remove(node, out Link? link);
        if (link is not null) link.IsEarlier = true;
        _earlier[node] = new Earlier(receiver, link, following, isParted);
    }

    /// <summary>All nodes send to the second of two processes of a node, and hear both.</summary>
    public void Guide(NodeName node)
    {
        if (_earlier.TryGetValue(node, out Earlier? earlier))
            _earlier[node] = earlier with { Following = [], IsParted = false };
    }

    /// <summary>The earlier of two processes of a node dies. Who still sends to it sends in vain.</summary>
    public void DetachEarlier(NodeName node)
    {
        if (!_earlier.TryGetValue(node, out Earlier? earlier)) return;
        Dropped += earlier.Receiver?.Waiting.Count ?? 0;
        if (earlier.Link is { } link) link.IsDead = true;
        _earlier[node] = earlier with { Receiver = null };
    }

    /// <summary>Lets the frames that waited for a paused node have it.</summary>
    public void Release(NodeName node)
    {
        foreach (Receiver? receiver in
            new[] { _receivers.GetValueOrDefault(node), _earlier.GetValueOrDefault(node)?.Receiver })
        {
            while (receiver?.Waiting.TryDequeue(out Frame? frame) == true) frame.HandOver(receiver);
        }
    }

    /// <summary>Cuts one direction.</summary>
    public void Cut(NodeName from, NodeName to) => _cut.Add((from, to));

    /// <summary>Ends the cut of one direction.</summary>
    public void Mend(NodeName from, NodeName to) => _cut.Remove((from, to));

    /// <summary>Cuts a node off, in both directions.</summary>
    public void Isolate(NodeName node, IEnumerable<NodeName> others) => Part([node], others.Where(o => o != node));

    /// <summary>Cuts nodes off from others, in both directions.</summary>
    public void Part(IEnumerable<NodeName> side, IEnumerable<NodeName> others)
    {
        foreach ((NodeName one, NodeName other) in side.SelectMany(_ => others, (one, other) => (one, other)))
        {
            Cut(one, other);
            Cut(other, one);
        }
    }

    /// <summary>Frames of one direction take that much longer from now on.</summary>
    public void Slow(NodeName from, NodeName to, TimeSpan least, TimeSpan most) => _slow[(from, to)] = (least, most);

    public void Unslow(NodeName from, NodeName to) => _slow.Remove((from, to));

    /// <summary>Ends all cuts, and lets no link be slower than the others any more.</summary>
    public void Heal()
    {
        _cut.Clear();
        _slow.Clear();
        foreach (NodeName node in _earlier.Keys.ToArray()) Guide(node);
    }

    private void Send(NodeName from, bool fromEarlier, NodeName to, ReadOnlyMemory<byte> bytes)
    {
        if (fromEarlier) SentByEarlier?.Invoke(from, bytes);
        else Sent?.Invoke(from, to, bytes);
        if (IsCut(from, fromEarlier, to) || Filter?.Invoke(from, to, bytes) == false
            || _random.NextDouble() < Faults.Loss)
        {
            Dropped++;
            return;
        }
        byte[] copy = bytes.ToArray();
        Schedule(new Frame(this, from, fromEarlier, to, copy));
        if (_random.NextDouble() >= Faults.Duplication) return;
        Duplicated++;
        Schedule(new Frame(this, from, fromEarlier, to, copy));
    }

    private void Schedule(Frame frame)
    {
        TimeSpan delay = Between(Faults.Delay);
        if (_random.NextDouble() < Faults.LongTail)
        {
            Delayed++;
            delay = Between((Faults.Delay.Most, Faults.LongTailMost));
        }
        if (_slow.Count > 0 && _slow.TryGetValue((frame.From, frame.To), out (TimeSpan Least, TimeSpan Most) slow))
            delay += Between(slow);
        time.Set(frame, time.GetTimestamp() + delay.Ticks);
    }

    private TimeSpan Between((TimeSpan Least, TimeSpan Most) bounds) =>
        bounds.Least + (bounds.Most - bounds.Least) * _random.NextDouble();

    private bool IsCut(NodeName from, bool fromEarlier, NodeName to) =>
        (_cut.Count > 0 && _cut.Contains((from, to)))
        || (_earlier.TryGetValue(from, out Earlier? earlier) && earlier.IsParted
            && earlier.Following.Contains(to) != fromEarlier);

    private Receiver? FindReceiver(Frame frame) =>
        _earlier.TryGetValue(frame.To, out Earlier? earlier) && earlier.Following.Contains(frame.From)
            ? earlier.Receiver
            : _receivers.GetValueOrDefault(frame.To);

    private void Arrive(Frame frame)
    {
        if (IsCut(frame.From, frame.FromEarlier, frame.To) || FindReceiver(frame) is not { } receiver
            || receiver.Waiting.Count >= MaxWaitingFrames) Dropped++;
        else if (receiver.Scheduler.IsPaused) receiver.Waiting.Enqueue(frame);
        else frame.HandOver(receiver);
    }

    private void Deliver(Frame frame, Receiver receiver)
    {
        Delivered++;
        Observed?.Invoke(frame.From, frame.To, frame.Bytes);
        receiver.Receive(frame.Bytes);
    }

    private sealed class Receiver(Action<ReadOnlyMemory<byte>> receive, NodeScheduler scheduler)
    {
        public Action<ReadOnlyMemory<byte>> Receive => receive;

        public NodeScheduler Scheduler => scheduler;

        public Queue<Frame> Waiting { get; } = new();
    }

    /// <summary>The earlier of two processes of a node; without a receiver once it is dead.</summary>
    private sealed record Earlier(
        Receiver? Receiver, Link? Link, HashSet<NodeName> Following, bool IsParted);

    private sealed class Frame(
        SimulatedNetwork network, NodeName from, bool fromEarlier, NodeName to, byte[] bytes) : VirtualEvent
    {
        private Receiver? _receiver;

        public NodeName From => from;

        public bool FromEarlier => fromEarlier;

        public NodeName To => to;

        public byte[] Bytes => bytes;

        public override void Happen() => network.Arrive(this);

        public void HandOver(Receiver receiver)
        {
            _receiver = receiver;
            receiver.Scheduler.Post(static frame => ((Frame)frame!).Deliver(), this);
        }

        private void Deliver() => network.Deliver(this, _receiver!);
    }

    private sealed class Link(SimulatedNetwork network, NodeName from) : INetwork
    {
        public bool IsDead { get; set; }

        public bool IsEarlier { get; set; }

        public ValueTask SendAsync(NodeName to, ReadOnlyMemory<byte> frame)
        {
            if (!IsDead) network.Send(from, IsEarlier, to, frame);
            return ValueTask.CompletedTask;
        }
    }
}
