using System.Runtime.InteropServices;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Joining two maps into one.</content>
public sealed partial class OrderedMap
{
    /// <summary>
    /// Takes over all keys of a map that lie above all of this one's, or all below. The other map must not be used any more;
    /// what snapshots of the two saw stays. Looks at a few nodes for each level of the trees.
    /// </summary>
    /// <param name="isAbove">Whether the other's keys are the higher ones.</param>
    public void Join(OrderedMap other, bool isAbove)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other.Count == 0) return;
        Version++;
        // Nodes that either could change before may belong to snapshots of it, too.
        _stamp = Math.Max(_stamp, other._stamp) + 1;
        if (Count == 0)
        {
            (_root, _nodes) = (other._root, other._nodes);
            return;
        }
        (OrderedMap left, OrderedMap right) = isAbove ? (this, other) : (other, this);
        byte[] separator = right.KeyAt(0);
        Invariant.Require(left.KeyAt(left.Count - 1).AsSpan().SequenceCompareTo(separator) < 0,
            "the keys of maps that are joined overlap");
        _nodes += other._nodes;
        Joined joined = Join(left._root, HeightOf(left._root), right._root, HeightOf(right._root), separator);
        if (joined.Second is null)
        {
            _root = joined.First;
            return;
        }
        _root = MapBranch.Of(_stamp, [joined.First, joined.Second], [joined.Separator]);
        _nodes++;
    }

    private static int HeightOf(MapNode node)
    {
        int height = 0;
        for (; node is MapBranch branch; node = branch.Children[0]) height++;
        return height;
    }

    /// <summary>The join of two trees: as high as the higher one, in one node or two.</summary>
    private Joined Join(MapNode left, int leftHeight, MapNode right, int rightHeight, byte[] separator)
    {
        if (leftHeight == 0 && rightHeight == 0) return JoinLeaves((MapLeaf)left, (MapLeaf)right, separator);
        var children = new List<MapNode>();
        var keys = new List<byte[]>();
        int branches = 0;
        MapNode last = left, first = right;
        if (leftHeight >= rightHeight)
        {
            var branch = (MapBranch)left;
            children.AddRange(branch.Children[..branch.Count]);
            keys.AddRange(branch.Keys[..branch.Count]);
            last = branch.Children[branch.Count];
            branches++;
        }
        if (rightHeight >= leftHeight)
        {
            first = ((MapBranch)right).Children[0];
            branches++;
        }
        int height = Math.Max(leftHeight, rightHeight) - 1;
        Joined seam = Join(last, Math.Min(leftHeight, height), first, Math.Min(rightHeight, height), separator);
        children.Add(seam.First);
        if (seam.Second is not null)
        {
            keys.Add(seam.Separator);
            children.Add(seam.Second);
        }
        if (rightHeight >= leftHeight)
        {
            var branch = (MapBranch)right;
            keys.AddRange(branch.Keys[..branch.Count]);
            children.AddRange(branch.Children[1..(branch.Count + 1)]);
        }
        return Pack(CollectionsMarshal.AsSpan(children), CollectionsMarshal.AsSpan(keys), branches);
    }

    private Joined JoinLeaves(MapLeaf left, MapLeaf right, byte[] separator)
    {
        if (left.Count + right.Count > MapNode.MergedMost) return new Joined(left, separator, right);
        MapLeaf one = left.CopyFor(_stamp);
        one.Merge(right);
        _nodes--;
        return new Joined(one, separator, null);
    }

    /// <summary>Puts what was below one or two branches into one where it fits well, so that cutting and joining again and
    /// again leaves no trail of thin nodes.</summary>
    private Joined Pack(ReadOnlySpan<MapNode> children, ReadOnlySpan<byte[]> keys, int branches)
    {
        bool fits = keys.Length <= (branches == 1 ? MapNode.Capacity : MapNode.MergedMost);
        _nodes += (fits ? 1 : 2) - branches;
        if (fits) return new Joined(MapBranch.Of(_stamp, children, keys), [], null);
        int half = children.Length / 2;
        return new Joined(MapBranch.Of(_stamp, children[..half], keys[..(half - 1)]), keys[half - 1],
            MapBranch.Of(_stamp, children[half..], keys[half..]));
    }

    /// <param name="Separator">Above all keys of the first node, and at most the first key of the second.</param>
    private readonly record struct Joined(MapNode First, byte[] Separator, MapNode? Second);
}
