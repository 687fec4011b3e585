using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Testing;

/// <content>What checks look at.</content>
public sealed partial class StoreCluster
{
    // The nodes that are up, in the order of their names; null: to be gathered anew.
    private NodeLife[]? _up;

    /// <summary>The replicas open on the nodes that are up and have run anything since this was asked last, in the
    /// order of the nodes' names; on all others nothing has changed. Of a replica opened twice the younger instance,
    /// which alone may do anything.</summary>
    public IEnumerable<(NodeName Node, Replica Replica)> TakeReplicasThatMayHaveChanged()
    {
        foreach (NodeLife life in _up ??= [.. Nodes.Keys.Select(name => _lives[name])])
        {
            if (!life.Lane.TakeHasRun()) continue;
            foreach (Replica replica in life.YoungestReplicas) yield return (life.Name, replica);
        }
    }

    public Replica? YoungestReplicaOf(NodeName name, GroupId group) =>
        _lives.GetValueOrDefault(name)?.FindYoungest(group);

    /// <summary>Of the nodes whose storage was opened a second time the earlier opening, while its process
    /// lives.</summary>
    public IEnumerable<(NodeName Name, StoreNode Node)> Earlier =>
        _earlier.Select(pair => (pair.Key, pair.Value.Node!));

    /// <summary>The replicas open on the earlier of two openings of the node's storage.</summary>
    public IEnumerable<Replica> EarlierReplicasOf(NodeName name) => _earlier[name].YoungestReplicas;

    /// <summary>As <see cref="YoungestReplicaOf"/>, of the earlier of two openings of the node's storage.</summary>
    public Replica? EarlierReplicaOf(NodeName name, GroupId group) =>
        _earlier.GetValueOrDefault(name)?.FindYoungest(group);
}
