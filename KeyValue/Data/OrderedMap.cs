using System.Diagnostics.CodeAnalysis;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// An ordered map from bytes to bytes, in byte-wise order: a B+tree that copies a node before changing it only if a
/// snapshot may still see it. One writer; snapshots may be read from any thread while it goes on.
/// </summary>
public sealed partial class OrderedMap
{
    private const int ArrayOverheadBytes = 24;

    /// <summary>Of the two arrays of an entry, with what rounds them up.</summary>
    private const int EntryOverheadBytes = (2 * ArrayOverheadBytes) + 4;

    private MapNode _root;
    private long _stamp = 1;
    private long _nodes;

    /// <summary>Grows with every change, so that a cursor over the live map notices that it is outdated.</summary>
    internal long Version { get; private set; }

    internal MapNode Root => _root;

    public OrderedMap()
    {
        _root = new MapLeaf(_stamp);
        _nodes = 1;
    }

    /// <summary>A map with the content of a snapshot, which stays as it is: the two share all nodes until this one writes to
    /// them. Takes constant time.</summary>
    public OrderedMap(OrderedMapSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        _root = snapshot.Root;
        _stamp = snapshot.Stamp + 1;
        _nodes = snapshot.Nodes;
    }

    public int Count => _root.Entries;

    /// <summary>Bytes of all keys and values, exactly.</summary>
    public long KeyValueBytes => _root.Bytes;

    /// <summary>Estimated heap use of keys, values and the tree, without nodes that only snapshots hold.</summary>
    public long MemoryBytes => MemoryBytesOf(_root, _nodes);

    /// <summary>Of the tree, without those that only snapshots hold.</summary>
    internal long Nodes => _nodes;

    /// <summary>As <see cref="Nodes"/>, but counted.</summary>
    internal long NodesFound() => CountNodes(_root);

    /// <summary>The value of a key. The array is the map's own: valid until the next write, and not to be changed.</summary>
    public bool TryGet(ReadOnlySpan<byte> key, [MaybeNullWhen(false)] out byte[] value) => TryGet(_root, key, out value);

    /// <summary>Sets a key's value; true if the key is new. Both are copied.</summary>
    public bool Set(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        MapPath path = default;
        MapLeaf leaf = OwnLeafFor(key, ref path, out int place, out bool isLast);
        Version++;
        int found = leaf.Find(key);
        if (found >= 0)
        {
            int growth = leaf.SetValue(found, value);
            if (growth != 0) path.Grow(0, growth);
            return false;
        }
        byte[] ownKey = key.ToArray();
        int at = leaf.Bound(key, afterEqual: false);
        if (leaf.Count == MapNode.Capacity) SplitLeaf(ref path, place, isLast, ownKey, ref leaf, ref at);
        leaf.Insert(at, ownKey, value.ToArray());
        path.Grow(1, key.Length + value.Length);
        return true;
    }

    /// <summary>Removes a key; false if it was missing.</summary>
    public bool Remove(ReadOnlySpan<byte> key)
    {
        // Looked up first: removing a missing key must not copy nodes.
        if (!TryGet(key, out byte[]? value)) return false;
        Version++;
        Remove(Own(ref _root), key, key.Length + value.Length);
        while (_root is MapBranch { Count: 0 } only)
        {
            _root = only.Children[0];
            _nodes--;
        }
        return true;
    }

    /// <summary>The map as it is now, for good. Takes constant time; later writes copy the nodes they change,
    /// once.</summary>
    public OrderedMapSnapshot Snapshot()
    {
        return new OrderedMapSnapshot(_root, _stamp++, _nodes);
    }

    /// <summary>A cursor over the map as it is now, usable until the next write.</summary>
    public OrderedMapCursor Cursor() => new(_root, this);

    internal static long MemoryBytesOf(MapNode root, long nodes) =>
        root.Bytes + ((long)root.Entries * EntryOverheadBytes) + (nodes * MapNode.NodeBytes);

    /// <summary>Estimated heap use of an array of bytes.</summary>
    internal static long ArrayBytes(long length) => ArrayOverheadBytes + ((length + 7) & ~7L);

    /// <summary>The leaf that a key belongs in.</summary>
    internal MapLeaf LeafOf(ReadOnlySpan<byte> key) => LeafOf(_root, key);

    private static MapLeaf LeafOf(MapNode node, ReadOnlySpan<byte> key)
    {
        while (node is MapBranch branch) node = branch.Children[branch.Bound(key, afterEqual: true)];
        return (MapLeaf)node;
    }

    internal static bool TryGet(MapNode node, ReadOnlySpan<byte> key, [MaybeNullWhen(false)] out byte[] value)
    {
        MapLeaf leaf = LeafOf(node, key);
        int found = leaf.Find(key);
        value = found < 0 ? null : leaf.Values[found];
        return found >= 0;
    }

    private MapNode Own(ref MapNode node)
    {
        if (node.Stamp != _stamp) node = node.CopyFor(_stamp);
        return node;
    }

    /// <summary>
    /// Descends to the leaf a key belongs in, copying what snapshots share. Full branches are split on the way, so that
    /// a leaf's parent always has room for one more child.
    /// </summary>
    /// <param name="path">Gets the branches above the leaf, root first.</param>
    /// <param name="isLast">Whether the leaf holds the greatest keys of the map.</param>
    private MapLeaf OwnLeafFor(ReadOnlySpan<byte> key, ref MapPath path, out int place, out bool isLast)
    {
        place = 0;
        isLast = true;
        MapNode node = Own(ref _root);
        if (node is MapBranch { Count: MapNode.Capacity })
        {
            MapBranch root = GrowRoot();
            path.Add(root);
            node = SplitBranch(root, 0, key, out int half);
            isLast = half == root.Count;
        }
        while (node is MapBranch branch)
        {
            place = branch.Bound(key, afterEqual: true);
            node = Own(ref branch.Children[place]);
            if (node is MapBranch { Count: MapNode.Capacity }) node = SplitBranch(branch, place, key, out place);
            isLast &= place == branch.Count;
            path.Add(branch);
        }
        return (MapLeaf)node;
    }

    private MapBranch GrowRoot()
    {
        var root = new MapBranch(_stamp);
        root.Children[0] = _root;
        root.Grow(_root.Entries, _root.Bytes);
        _root = root;
        _nodes++;
        return root;
    }

    /// <summary>Splits a full branch and returns the half that a key belongs in.</summary>
    private MapBranch SplitBranch(MapBranch parent, int place, ReadOnlySpan<byte> key, out int newPlace)
    {
        var left = (MapBranch)parent.Children[place];
        MapBranch right = left.Split(out byte[] separator);
        parent.InsertAfter(place, separator, right);
        _nodes++;
        bool goesRight = key.SequenceCompareTo(separator) >= 0;
        newPlace = goesRight ? place + 1 : place;
        return goesRight ? right : left;
    }

    private void SplitLeaf(
        ref MapPath path, int place, bool isLast, byte[] key, ref MapLeaf leaf, ref int at)
    {
        if (path.Last is not { } parent) path.Add(parent = GrowRoot());
        _nodes++;
        if (isLast && at == leaf.Count)
        {
            // Keys that arrive in ascending order leave full leaves behind.
            leaf.Share();
            leaf = new MapLeaf(_stamp);
            parent.InsertAfter(place, key, leaf);
            at = 0;
            return;
        }
        MapLeaf right = leaf.Split();
        parent.InsertAfter(place, right.Keys[0], right);
        if (at <= leaf.Count) return;
        at -= leaf.Count;
        leaf = right;
    }

    /// <param name="bytes">Of the key and its value.</param>
    private void Remove(MapNode node, ReadOnlySpan<byte> key, int bytes)
    {
        if (node is MapLeaf leaf)
        {
            leaf.RemoveAt(leaf.Find(key));
            return;
        }
        var branch = (MapBranch)node;
        int place = branch.Bound(key, afterEqual: true);
        MapNode child = Own(ref branch.Children[place]);
        Remove(child, key, bytes);
        branch.Grow(-1, -bytes);
        if (child.Count >= MapNode.MergeBelow) return;
        if (child.IsEmpty) RemoveEmpty(branch, place);
        else if (!TryMerge(branch, place)) TryMerge(branch, place - 1);
    }

    private void RemoveEmpty(MapBranch branch, int place)
    {
        // An only child makes its parent empty too, which the parent's parent or the collapse of the root takes care
        // of.
        if (branch.Count == 0) return;
        for (MapNode node = branch.Children[place]; ; node = ((MapBranch)node).Children[0])
        {
            _nodes--;
            if (node is MapLeaf) break;
        }
        branch.RemoveChild(place);
    }

    /// <summary>Merges a child with the next one if both exist and fit well into one.</summary>
    private bool TryMerge(MapBranch branch, int place)
    {
        if (place < 0 || place == branch.Count) return false;
        MapNode next = branch.Children[place + 1];
        int merged = branch.Children[place].Count + next.Count + (next is MapBranch ? 1 : 0);
        if (merged > MapNode.MergedMost) return false;
        MapNode first = Own(ref branch.Children[place]);
        if (first is MapLeaf leaf) leaf.Merge((MapLeaf)next);
        else ((MapBranch)first).Merge(branch.Keys[place], (MapBranch)next);
        branch.RemoveChild(place + 1);
        _nodes--;
        return true;
    }
}
