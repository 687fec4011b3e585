using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// Which group owns which keys, as far as is known: a group may appear more than once, with what is left of an older
/// descriptor of it. Invariant: ranges are in order, do not overlap and leave no gap.
/// </summary>
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

    /// <summary>The newest that is known of a group; null if nothing is.</summary>
    public GroupDescriptor? Find(GroupId id)
    {
        GroupDescriptor? found = null;
        foreach (GroupDescriptor candidate in _groups)
            if (candidate.Group == id && (found is null || IsNewer(candidate, found))) found = candidate;
        return found;
    }

    /// <summary>
    /// This map with what another descriptor tells: it counts where it is newer than what is here. What it leaves of an
    /// older descriptor stays as a guess, under the older versions, so that the map always covers all keys and has an
    /// owner for each who knows better than nobody. The same map if there is no news.
    /// </summary>
    public RangeMap With(GroupDescriptor descriptor)
    {
        bool isEmpty = descriptor.End.Length > 0 && descriptor.Start.AsSpan().SequenceCompareTo(descriptor.End) >= 0;
        return isEmpty ? this : With([descriptor]);
    }

    /// <summary>This map with what another one knows better.</summary>
    public RangeMap With(RangeMap other) => With(other._groups);

    /// <param name="news">In order, without overlaps; gaps are allowed.</param>
    private RangeMap With(GroupDescriptor[] news)
    {
        var slices = new List<GroupDescriptor>(_groups.Length + 2);
        bool changed = false;
        int here = 0, there = 0;
        for (byte[] at = []; ;)
        {
            GroupDescriptor known = _groups[here];
            GroupDescriptor? told = there < news.Length ? news[there] : null;
            byte[] end = known.End;
            if (told is not null && told.Start.AsSpan().SequenceCompareTo(at) > 0)
            {
                end = Least(end, told.Start);
                told = null;
            }
            else if (told is not null)
            {
                end = Least(end, told.End);
            }
            bool isNews = told is not null && IsNewer(told, known);
            changed |= isNews;
            AddSlice(slices, isNews ? told! : known, at, end);
            if (end.Length == 0) break;
            if (known.End.AsSpan().SequenceEqual(end)) here++;
            if (told is not null && told.End.AsSpan().SequenceEqual(end)) there++;
            at = end;
        }
        return changed ? new RangeMap(slices) : this;
    }

    /// <summary>Adds a part of a descriptor's range, joined with the part before if both are of the same.</summary>
    private static void AddSlice(List<GroupDescriptor> slices, GroupDescriptor of, byte[] start, byte[] end)
    {
        if (slices.Count > 0 && slices[^1] is var last && last.Group == of.Group
            && last.RangeVersion == of.RangeVersion && last.ConfigVersion == of.ConfigVersion)
            slices[^1] = last with { End = end };
        else slices.Add(of.Start.AsSpan().SequenceEqual(start) && of.End.AsSpan().SequenceEqual(end)
            ? of
            : of with { Start = start, End = end });
    }

    /// <summary>The versions of those who own a key, one after the other, grow.</summary>
    private static bool IsNewer(GroupDescriptor descriptor, GroupDescriptor than) =>
        descriptor.RangeVersion > than.RangeVersion || (descriptor.RangeVersion == than.RangeVersion
            && descriptor.Group == than.Group && descriptor.ConfigVersion > than.ConfigVersion);

    /// <summary>The lower of two ends; empty is above all.</summary>
    private static byte[] Least(byte[] end, byte[] other) =>
        end.Length == 0 || (other.Length > 0 && other.AsSpan().SequenceCompareTo(end) < 0) ? other : end;
}
