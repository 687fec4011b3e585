namespace Orleans.Raft.KeyValue;

/// <content>Cutting a map in two.</content>
public sealed partial class OrderedMap
{
    private OrderedMap(MapNode root, long stamp)
    {
        _root = root;
        _stamp = stamp;
        _nodes = CountNodes(root);
    }

    /// <summary>
    /// Moves all keys from <paramref name="key"/> on into a new map, which is returned. The two share all nodes but
    /// those on the way to the key, until one of them writes to them. Looks at one node in sixty.
    /// </summary>
    public OrderedMap CutFrom(ReadOnlySpan<byte> key)
    {
        Version++;
        (MapNode? below, MapNode? above) = Cut(_root, key);
        // What was reachable from here before may be reachable from both now, so neither may change it.
        _stamp++;
        var right = new OrderedMap(Collapse(above), _stamp);
        _root = Collapse(below);
        _nodes = CountNodes(_root);
        return right;
    }

    /// <summary>The parts of a tree below a key and from it on, each as high as the tree was; null if there is nothing
    /// in it.</summary>
    private static (MapNode? Below, MapNode? Above) Cut(MapNode node, ReadOnlySpan<byte> key)
    {
        if (node is MapLeaf leaf)
        {
            int at = leaf.Bound(key, afterEqual: false);
            return (leaf.Part(0, at), leaf.Part(at, leaf.Count));
        }
        var branch = (MapBranch)node;
        int place = branch.Bound(key, afterEqual: true);
        (MapNode? below, MapNode? above) = Cut(branch.Children[place], key);
        return (branch.Part(0, place, last: below), branch.Part(place + 1, branch.Count + 1, first: above));
    }

    private MapNode Collapse(MapNode? root)
    {
        while (root is MapBranch { Count: 0 } only) root = only.Children[0];
        return root ?? new MapLeaf(_stamp);
    }

    /// <summary>All leaves are equally far from the root, so that only branches need to be looked at.</summary>
    private static long CountNodes(MapNode node)
    {
        if (node is not MapBranch branch) return 1;
        if (branch.Children[0] is MapLeaf) return branch.Count + 2;
        long count = 1;
        foreach (MapNode child in branch.Children[..(branch.Count + 1)]) count += CountNodes(child);
        return count;
    }
}
