using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Testing;

/// <content>What checks look at.</content>
public sealed partial class StoreCluster
{
    /// <summary>The replicas open on a node that is up; of one opened twice the younger instance, which alone may do
    /// anything.</summary>
    public IEnumerable<Replica> YoungestReplicasOf(NodeName name) => _lives[name].YoungestReplicas;

    public Replica? YoungestReplicaOf(NodeName name, GroupId group) =>
        _lives.GetValueOrDefault(name)?.FindYoungest(group);

    /// <summary>Of the nodes whose storage was opened a second time the earlier opening, while its process
    /// lives.</summary>
    public IEnumerable<(NodeName Name, StoreNode Node)> Earlier =>
        _earlier.Select(pair => (pair.Key, pair.Value.Node!));

    /// <summary>As <see cref="YoungestReplicasOf"/>, of the earlier of two openings of the node's storage.</summary>
    public IEnumerable<Replica> EarlierReplicasOf(NodeName name) => _earlier[name].YoungestReplicas;

    /// <summary>As <see cref="YoungestReplicaOf"/>, of the earlier of two openings of the node's storage.</summary>
    public Replica? EarlierReplicaOf(NodeName name, GroupId group) =>
        _earlier.GetValueOrDefault(name)?.FindYoungest(group);
}
