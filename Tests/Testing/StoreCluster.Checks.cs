using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Testing;

/// <content>What checks look at.</content>
public sealed partial class StoreCluster
{
    /// <summary>The replicas open on a node that is up; of one opened twice the younger instance, which alone may do
    /// anything.</summary>
    public IEnumerable<Replica> YoungestReplicasOf(NodeName name)
    {
        List<Replica> younger = _lives[name].SecondInstances;
        foreach (Replica replica in Nodes[name].Replicas)
            yield return younger.FindLast(other => other.Group == replica.Group) ?? replica;
    }

    public Replica? YoungestReplicaOf(NodeName name, GroupId group) => !Nodes.TryGetValue(name, out StoreNode? node)
        ? null
        : _lives[name].SecondInstances.FindLast(other => other.Group == group) ?? node.Find(group);
}
