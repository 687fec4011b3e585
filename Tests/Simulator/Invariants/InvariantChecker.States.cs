using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Simulator;

/// <content>What replicas have made of the entries they applied.</content>
internal sealed partial class InvariantChecker
{
    // Digesting a state costs more than all else in a step.
    private const int DigestEvery = 32;

    private bool _rangesChanged;

    /// <summary>Whoever has applied the same entries has the same state; of some indexes.</summary>
    private void NoteState(GroupRecord group, ReplicaRecord record, NodeName node, Replica replica)
    {
        record.Applied = replica.Core.LastApplied;
        if (replica.StopReason is not null) return;
        GroupState state = replica.State;
        if (state.LastApplied.Index != record.Applied) return; // A snapshot is on its way into the state.
        NoteRange(group, node, state.Descriptor);
        if (record.Applied.Value % DigestEvery != 0) return;
        uint checksum = state.Snapshot().Digest();
        if (!group.Digests.TryAdd(record.Applied, (checksum, node))
            && group.Digests[record.Applied] is var known && known.Checksum != checksum)
            violated($"{node} {group.Group} has at {record.Applied} a state with checksum {checksum:x8}, {known.Of} had "
                + $"{known.Checksum:x8} there");
    }

    private void NoteRange(GroupRecord group, NodeName node, GroupDescriptor descriptor)
    {
        if (ReferenceEquals(group.Descriptor, descriptor)) return;
        if (group.Descriptor is { } known && known.RangeVersion == descriptor.RangeVersion
            && (!known.Start.AsSpan().SequenceEqual(descriptor.Start)
                || !known.End.AsSpan().SequenceEqual(descriptor.End)))
            violated($"{node} {group.Group} has the range {descriptor}, another replica {known}");
        if (group.Descriptor is { } newer && newer.RangeVersion >= descriptor.RangeVersion) return;
        group.Descriptor = descriptor;
        _rangesChanged = true;
    }

    /// <summary>Ranges of groups never overlap and leave no gap.</summary>
    private void CheckRanges()
    {
        if (_groups.Values.Any(group => group.Descriptor is null)) return; // Not all were seen yet.
        _rangesChanged = false;
        GroupDescriptor[] ranges = [.. _groups.Values.Select(group => group.Descriptor!)
            .OrderBy(range => range.Start, Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b)))];
        byte[] end = [];
        foreach (GroupDescriptor range in ranges)
        {
            if (!range.Start.AsSpan().SequenceEqual(end))
                violated($"before {range} the keys from {Convert.ToHexStringLower(end)} on are in no group or in two");
            end = range.End;
        }
        if (end.Length > 0) violated($"the keys from {Convert.ToHexStringLower(end)} on are in no group");
    }
}
