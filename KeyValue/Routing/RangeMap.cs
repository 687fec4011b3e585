using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Which group owns which keys. Invariant: ranges are in order, do not overlap and leave no gap.</summary>
public sealed class RangeMap
{
    private readonly GroupDescriptor[] _groups;

    public RangeMap(IReadOnlyList<GroupDescriptor> groups)
    {
        _groups = [.. groups];
        Array.Sort(_groups, (a, b) => a.Start.AsSpan().SequenceCompareTo(b.Start));
        Invariant.Require(_groups.Length > 0 && _groups[0].Start.Length == 0 && _groups[^1].End.Length == 0,
            "the ranges do not cover all keys");
        for (int i = 1; i < _groups.Length; i++)
            Invariant.Require(_groups[i].Start.AsSpan().SequenceEqual(_groups[i - 1].End),
                $"{_groups[i - 1].Group} and {_groups[i].Group} overlap or leave a gap");
    }

    /// <summary>In key order.</summary>
    public IReadOnlyList<GroupDescriptor> Groups => _groups;

    /// <summary>The group that owns a key.</summary>
    public GroupDescriptor Find(ReadOnlySpan<byte> key)
    {
        int low = 0, high = _groups.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (_groups[middle].Start.AsSpan().SequenceCompareTo(key) <= 0) low = middle;
            else high = middle - 1;
        }
        return _groups[low];
    }

    /// <summary>The group that owns the keys just before <paramref name="end"/>; an empty end means the last
    /// group.</summary>
    public GroupDescriptor FindBefore(ReadOnlySpan<byte> end)
    {
        if (end.IsEmpty) return _groups[^1];
        GroupDescriptor group = Find(end);
        return group.Start.AsSpan().SequenceEqual(end) ? _groups[Array.IndexOf(_groups, group) - 1] : group;
    }

    public GroupDescriptor? Find(GroupId id) => Array.Find(_groups, g => g.Group == id);
}
