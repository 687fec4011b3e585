namespace Orleans.Raft.KeyValue;

/// <content>Where the bytes of a map lie.</content>
public sealed partial class OrderedMap
{
    /// <summary>Bytes of the keys and values below a key.</summary>
    internal long BytesBelow(ReadOnlySpan<byte> key)
    {
        long bytes = 0;
        MapNode node = _root;
        while (node is MapBranch branch)
        {
            int place = branch.Bound(key, afterEqual: true);
            foreach (MapNode child in branch.Children[..place]) bytes += child.Bytes;
            node = branch.Children[place];
        }
        var leaf = (MapLeaf)node;
        return bytes + leaf.BytesOf(0, leaf.Bound(key, afterEqual: false));
    }

    /// <summary>The key at a place in order. The array is the map's own.</summary>
    /// <param name="place">From 0 to <see cref="Count"/> - 1.</param>
    internal byte[] KeyAt(int place)
    {
        MapNode node = _root;
        while (node is MapBranch branch)
        {
            int child = 0;
            for (; place >= branch.Children[child].Entries; child++) place -= branch.Children[child].Entries;
            node = branch.Children[child];
        }
        return node.Keys[place];
    }
}
