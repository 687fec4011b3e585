using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Where the group is in its merges.</content>
public sealed partial class GroupStateDecoder
{
    private uint _partsLeft;
    private readonly List<byte[]> _parts = [];
    private readonly bool _mayLackTail;

    /// <summary>Of what a merge brings.</summary>
    internal GroupStateDecoder(StoreLimits limits, FaultPoints faults)
        : this(limits)
    {
        Faults = faults;
        _mayLackTail = faults.Has(FaultPoint.MergeDropsTail);
    }

    private Part AfterIncoming => _sessionsLeft > 0 ? Part.Session : Part.Family;

    private MergeState ReadMerges(ref ByteReader reader)
    {
        bool read = reader.TryUInt64(out ulong last);
        read &= reader.TryByte(out byte outcome) && outcome <= (byte)MergeOutcome.Abandoned;
        read &= (last == 0) == (outcome == (byte)MergeOutcome.None);
        FrozenMerge? frozen = null;
        IncomingMerge? incoming = null;
        read &= reader.TryByte(out byte isFrozen) && isFrozen <= 1;
        if (read && isFrozen == 1) read = TryReadFrozen(ref reader, last, out frozen);
        read = reader.TryByte(out byte isIncoming) && read && isIncoming <= 1 && isFrozen + isIncoming <= 1;
        if (read && isIncoming == 1) read = TryReadIncomingHead(ref reader, last, out incoming);
        if (!read) throw Malformed("what it says of merges is cut short or makes no sense");
        return new MergeState(new MergeId(last), (MergeOutcome)outcome, frozen, incoming);
    }

    private static bool TryReadFrozen(ref ByteReader reader, ulong last, out FrozenMerge? frozen)
    {
        bool read = reader.TryUInt64(out ulong merge) & reader.TryUInt32(out uint target);
        frozen = new FrozenMerge(new MergeId(merge), new GroupId(target));
        return read && merge > last && target > 0;
    }

    private bool TryReadIncomingHead(ref ByteReader reader, ulong last, out IncomingMerge? incoming)
    {
        incoming = null;
        bool read = reader.TryUInt64(out ulong merge);
        read &= reader.TryBlock(out ReadOnlySpan<byte> source);
        read &= reader.TryUInt32(out uint total);
        read &= reader.TryUInt32(out uint checksum);
        read &= reader.TryUInt32(out _partsLeft);
        if (!read || merge <= last || total > MergeContent.MaxBytes || _partsLeft == 0 || _partsLeft > total) return false;
        GroupDescriptor descriptor = GroupDescriptor.Decode(source);
        incoming = new IncomingMerge(new MergeId(merge), descriptor, total, checksum, []);
        return descriptor.IsUnknown && descriptor.Group != GroupId.Meta;
    }

    private bool TryReadIncoming(ReadOnlySpan<byte> bytes, out int count)
    {
        count = 0;
        var reader = new ByteReader(bytes);
        if (!reader.TryUInt32(out uint length)) return false;
        MergeState merges = _state!.State.Merges;
        IncomingMerge incoming = merges.Incoming!;
        long soFar = _parts.Sum(part => (long)part.Length);
        if (length is 0 or > MergeContent.MaxChunkBytes || length > incoming.TotalBytes - soFar)
            throw Malformed($"a part of a merge claims {length} bytes");
        if (!reader.TryBytes(length, out ReadOnlySpan<byte> part)) return false;
        _parts.Add(part.ToArray());
        _partsLeft--;
        count = SnapshotFormat.PartBytes + (int)length;
        if (_partsLeft > 0) return true;
        _state.Add(merges with
        {
            Incoming = new IncomingMerge(incoming.Merge, incoming.Source, incoming.TotalBytes, incoming.Checksum,
                [.. _parts]),
        });
        _part = AfterIncoming;
        return true;
    }
}
