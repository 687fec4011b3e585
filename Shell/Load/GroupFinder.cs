using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>Tells in which group a key lay when the status was taken.</summary>
internal sealed class GroupFinder(IEnumerable<GroupStatus> groups)
{
    private readonly GroupStatus[] _groups =
        [.. groups.Order(Comparer<GroupStatus>.Create((left, right) =>
            left.Start.Span.SequenceCompareTo(right.Start.Span)))];

    /// <summary>The groups, and one more for keys in none.</summary>
    public int Count => _groups.Length + 1;

    public string Name(int index) => index < _groups.Length ? _groups[index].Group.ToString() : "none";

    public int IndexOf(ReadOnlySpan<byte> key)
    {
        int low = 0;
        int high = _groups.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_groups[middle].Start.Span.SequenceCompareTo(key) <= 0) low = middle + 1;
            else high = middle;
        }
        int found = low - 1;
        if (found < 0) return _groups.Length;
        ReadOnlySpan<byte> end = _groups[found].End.Span;
        return end.IsEmpty || key.SequenceCompareTo(end) < 0 ? found : _groups.Length;
    }
}
