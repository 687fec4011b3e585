using System.Runtime.CompilerServices;

namespace Orleans.Raft.KeyValue;

/// <summary>The branches from the root of a map down to a leaf.</summary>
internal struct MapPath
{
    // More than a map of 2^31 keys can have.
    private const int Capacity = 16;

    private BranchArray _branches;
    private int _depth;

    /// <summary>The leaf's parent; null if the leaf is the root.</summary>
    public readonly MapBranch? Last => _depth == 0 ? null : _branches[_depth - 1];

    public void Add(MapBranch branch) => _branches[_depth++] = branch;

    /// <summary>Takes note in all of them of what was added to the leaf.</summary>
    public readonly void Grow(int entries, long bytes)
    {
        for (int i = 0; i < _depth; i++) _branches[i].Grow(entries, bytes);
    }

    [InlineArray(Capacity)]
    private struct BranchArray
    {
        private MapBranch _item;
    }
}
