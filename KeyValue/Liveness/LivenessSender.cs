using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Says to every other node, once per interval, that this one lives. The network has one frame to a node at
/// a time: one that takes nothing costs nothing.</summary>
internal sealed class LivenessSender(ClusterId cluster, FormationNode self, INetwork network, ulong bootNonce,
    TimeSpan interval)
{
    // Replaced as a whole.
    private volatile FormationNode[] _peers = [];
    private readonly Lock _lock = new();
    private readonly HashSet<NodeName> _underWay = [];
    private TimeSpan _next;
    private ulong _sequence;

    public void Update(NodeDirectory nodes) => _peers = [.. nodes.Nodes.Where(node => node.Name != self.Name)];

    public void Tick(TimeSpan now)
    {
        lock (_lock)
        {
            if (now < _next) return;
            _next = now + interval;
            _sequence++;
        }
        foreach (FormationNode peer in _peers)
        {
            lock (_lock)
            {
                if (!_underWay.Add(peer.Name)) continue;
            }
            var header = new FrameHeader(cluster, self.Store, peer.Store);
            _ = SendAsync(peer.Name, new LivenessFrame(header, bootNonce, _sequence).Encode());
        }
    }

    private async Task SendAsync(NodeName peer, byte[] frame)
    {
        try
        {
            await network.SendAsync(peer, frame);
        }
        finally
        {
            lock (_lock) _underWay.Remove(peer);
        }
    }
}
