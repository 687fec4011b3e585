using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// All of a node's links. Each peer has two: one for the consensus itself and one for snapshot parts, so that a large
/// snapshot never holds up a heartbeat.
/// </summary>
internal sealed class PeerLinks
{
    private const int MaxPendingBytes = 64 << 20;
    private const int MaxPendingSnapshotBytes = 4 << 20;

    private readonly Dictionary<NodeName, (PeerLink Messages, PeerLink Snapshots)> _links = [];
    private readonly PeerLink[] _all;

    public PeerLinks(FormationRecord formation, NodeName self, INetwork network, ILogger logger)
    {
        StoreId own = formation.StoreOf(self);
        foreach (FormationNode peer in formation.Nodes)
        {
            if (peer.Name == self) continue;
            var header = new FrameHeader(formation.Cluster, own, peer.Store);
            _links[peer.Name] = (new PeerLink(peer.Name, network, header, MaxPendingBytes, logger),
                new PeerLink(peer.Name, network, header, MaxPendingSnapshotBytes, logger));
        }
        _all = [.. formation.Nodes.Where(n => n.Name != self)
            .SelectMany(n => new[] { _links[n.Name].Messages, _links[n.Name].Snapshots })];
    }

    /// <summary>Messages to all nodes so far.</summary>
    public long Appended => _all.Sum(link => link.Appended);

    public void Append(NodeName to, in MessageAddress address, RaftMessage message)
    {
        (PeerLink messages, PeerLink snapshots) = _links[to];
        (message is SnapshotChunk ? snapshots : messages).Append(address, message);
    }

    public void Flush()
    {
        foreach (PeerLink link in _all) link.Flush();
    }
}
