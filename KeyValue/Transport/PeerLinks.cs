using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// All of a node's links. Each peer has two: one for the consensus itself and one for snapshot parts, so that a large
/// snapshot never holds up a heartbeat. Any thread may call its members.
/// </summary>
internal sealed class PeerLinks(
    ClusterId cluster, FormationNode self, INetwork network, NodeDirectory directory, ILogger logger)
{
    private const int MaxPendingBytes = 64 << 20;
    private const int MaxPendingSnapshotBytes = 4 << 20;

    // Replaced as a whole.
    private volatile Peers _peers = new([], directory, cluster, self, network, logger);

    /// <summary>Links to exactly the nodes of a directory; those to nodes that stay are kept.</summary>
    public void Update(NodeDirectory nodes) =>
        _peers = new Peers(_peers.ByName, nodes, cluster, self, network, logger);

    /// <summary>Messages so far to the nodes that there are now.</summary>
    public long Appended => _peers.All.Sum(peer => peer.Messages.Appended + peer.Snapshots.Appended);

    /// <summary>Adds a message to the next frame; it is lost if the node is none of the cluster's any more.</summary>
    public void Append(NodeName to, in MessageAddress address, RaftMessage message)
    {
        if (!_peers.ByName.TryGetValue(to, out Peer? peer)) return;
        (message is SnapshotChunk ? peer.Snapshots : peer.Messages).Append(address, message);
    }

    public void Flush()
    {
        foreach (Peer peer in _peers.All)
        {
            peer.Messages.Flush();
            peer.Snapshots.Flush();
        }
    }

    private sealed record Peer(StoreId Store, PeerLink Messages, PeerLink Snapshots);

    private sealed class Peers
    {
        public Peers(Dictionary<NodeName, Peer> before, NodeDirectory directory, ClusterId cluster,
            FormationNode self, INetwork network, ILogger logger)
        {
            foreach (FormationNode node in directory.Nodes)
            {
                if (node.Name == self.Name) continue;
                if (!before.TryGetValue(node.Name, out Peer? peer) || peer.Store != node.Store)
                {
                    var header = new FrameHeader(cluster, self.Store, node.Store);
                    peer = new Peer(node.Store,
                        new PeerLink(node.Name, network, header, MaxPendingBytes, logger),
                        new PeerLink(node.Name, network, header, MaxPendingSnapshotBytes, logger));
                }
                ByName[node.Name] = peer;
            }
            All = [.. ByName.Values];
        }

        public Dictionary<NodeName, Peer> ByName { get; } = [];

        public Peer[] All { get; }
    }
}
