using System.Collections.Frozen;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>The nodes of the cluster and their stores, as one node knows them at one moment. Immutable.</summary>
public sealed class NodeDirectory
{
    private readonly FrozenDictionary<StoreId, NodeName> _names;
    private readonly FrozenDictionary<NodeName, StoreId> _stores;

    /// <exception cref="ArgumentException">A name or a store stands there twice.</exception>
    public NodeDirectory(IReadOnlyList<FormationNode> nodes)
    {
        ArgumentNullException.ThrowIfNull(nodes);
        Nodes = [.. nodes.OrderBy(node => node.Name)];
        if (nodes.DistinctBy(node => node.Name).Count() < nodes.Count
            || nodes.DistinctBy(node => node.Store).Count() < nodes.Count)
        {
            throw new ArgumentException($"A node or a store stands twice among {string.Join(", ", nodes)}.",
                nameof(nodes));
        }
        _names = nodes.ToFrozenDictionary(node => node.Store, node => node.Name);
        _stores = nodes.ToFrozenDictionary(node => node.Name, node => node.Store);
    }

    /// <summary>Sorted by name.</summary>
    public IReadOnlyList<FormationNode> Nodes { get; }

    public bool Contains(NodeName node) => _stores.ContainsKey(node);

    /// <summary>The node whose disk that is; null if it is none of this cluster's.</summary>
    public NodeName? NodeOf(StoreId store) => _names.TryGetValue(store, out NodeName name) ? name : null;

    /// <summary>The disk of a node; null if it is none of this cluster's.</summary>
    public StoreId? StoreOf(NodeName node) => _stores.TryGetValue(node, out StoreId store) ? store : null;
}
