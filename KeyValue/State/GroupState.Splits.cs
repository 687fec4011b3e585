using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Giving the upper part of the range to a new group.</content>
public sealed partial class GroupState
{
    /// <summary>
    /// The key at which the group would split into two parts of about the same number of bytes; null if no key leaves
    /// something on both sides. Looks at a few hundred keys, however many there are.
    /// </summary>
    public byte[]? MiddleKey()
    {
        long half = KeyValueBytes / 2;
        long best = long.MaxValue;
        byte[]? middle = null;
        foreach (OrderedMap family in _families)
        {
            int place = PlaceAfter(family, half);
            for (int near = Math.Max(place - 1, 0); near <= place && near < family.Count; near++)
            {
                byte[] key = family.KeyAt(near);
                long below = BytesBelow(key);
                if (below == 0 || Math.Abs(below - half) >= best) continue;
                best = Math.Abs(below - half);
                middle = key;
            }
        }
        return middle?.AsSpan().ToArray();
    }

    /// <summary>Whether a split at a key would be answered <see cref="AnswerStatus.Ok"/>, as far as the key decides.</summary>
    public bool CanSplitAt(ReadOnlySpan<byte> key) =>
        Descriptor.Contains(key) && key.SequenceCompareTo(Descriptor.Start) > 0;

    /// <summary>The first place in a family with more than a number of bytes of the group before it.</summary>
    private int PlaceAfter(OrderedMap family, long bytes)
    {
        int low = 0, high = family.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (BytesBelow(family.KeyAt(middle)) > bytes) high = middle;
            else low = middle + 1;
        }
        return low;
    }

    private long BytesBelow(byte[] key) => _families.Sum(family => family.BytesBelow(key));

    private GroupStateSnapshot? ApplySplit(ReadOnlySpan<byte> bytes, AnswerBatchWriter? answers)
    {
        ParsedOperation split = ParsedOperation.Parse(bytes, Limits, out AnswerStatus status);
        if (status != AnswerStatus.Ok || split.Group == Descriptor.Group)
        {
            answers?.Add(status == AnswerStatus.Ok ? AnswerStatus.Malformed : status);
            return null;
        }
        // Decided now, the same on every replica, not when it was proposed: a split or a change of members may stand
        // before it in the log.
        bool isAsExpected = Merges.Incoming is null && Descriptor.RangeVersion == split.RangeVersion
            && Descriptor.ConfigVersion == split.ConfigVersion && split.Number == Descriptor.Replicas.Count
            && Descriptor.Replicas.All(replica => replica.Role is ReplicaRole.Voter or ReplicaRole.Learner);
        if (!isAsExpected || !CanSplitAt(split.Key))
        {
            answers?.AddWrongRange(_encodedDescriptor);
            return null;
        }
        GroupStateSnapshot child = CutFrom(in split);
        answers?.Add(AnswerStatus.Ok);
        return child;
    }

    private GroupStateSnapshot CutFrom(in ParsedOperation split)
    {
        byte[] key = split.Key.ToArray();
        var replicas = new ReplicaPlacement[Descriptor.Replicas.Count];
        var ids = new ByteReader(split.Replicas);
        for (int i = 0; i < replicas.Length; i++)
        {
            ids.TryVarint(out ulong id);
            replicas[i] = Descriptor.Replicas[i] with { Id = new ReplicaId(id) };
        }
        ulong version = Descriptor.RangeVersion + 1;
        var descriptor = new GroupDescriptor(split.Group, key, Descriptor.End, version, 1, replicas);
        Session[] sessions = Faults.Has(FaultPoint.SessionsLostInSplit) ? [] : [.. _sessions.Values];
        long memoryBytes = _sessionBytes;
        var families = new OrderedMapSnapshot[_families.Length];
        for (int i = 0; i < families.Length; i++)
        {
            families[i] = _families[i].CutFrom(key).Snapshot();
            memoryBytes += families[i].MemoryBytes;
        }
        Change(Descriptor with { End = key, RangeVersion = version });
        // What happened before the split is in both: a write that was applied here is answered there, too.
        return new GroupStateSnapshot(descriptor, Limits, default, GroupTimeMilliseconds, nextSession: 1, sessions,
            _stamp++, families, memoryBytes, [.. _forgotten], MergeState.None);
    }
}
