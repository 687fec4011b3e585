namespace Orleans.Raft.Grains.Interfaces;

/// <summary>One replica of one group. Its key is <c>g1/silo-1</c>: group and node, and it lives on no other silo than that
/// which hosts the node.</summary>
[Alias("Orleans.Raft.IRaftPeerGrain")]
public interface IRaftPeerGrain : IGrainWithStringKey
{
    /// <summary>Makes sure that the replica is open and ticking; called by its own silo.</summary>
    [Alias("Start"), ResponseTimeout("00:01:00")]
    Task<PeerInfo> Start();

    /// <summary>Runs a batch on this replica; see <see cref="IKvGrain.Execute"/>.</summary>
    [Alias("Execute"), ResponseTimeout("00:00:01")]
    Task<GroupReplyMessage> Execute(byte kind, [Immutable] byte[] batch);
}
