using System.Buffers.Binary;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>Reads the records of one undamaged batch. Malformed ones can only come from a defect, and are refused as
/// damage.</summary>
internal ref struct RecordReader(ReadOnlySpan<byte> body, string path, long offsetBytes)
{
    private readonly ReadOnlySpan<byte> _body = body;
    private int _position;

    public bool AtEnd => _position == _body.Length;

    public RecordKind ReadKind() => (RecordKind)Take(1)[0];

    public GroupId ReadGroup() => new(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));

    /// <summary>Larger terms and indexes would leave no room to count on, and no replica ever comes near.</summary>
    private const ulong LargestNumber = long.MaxValue;

    public GroupMeta ReadMeta(GroupId group, out SnapshotEffect effect)
    {
        ulong incarnation = ReadNumber();
        var replica = new ReplicaId(ReadUInt64());
        var removed = new ReplicaId(ReadUInt64());
        if (!replica.IsNone && replica <= removed) throw Malformed($"{group} {replica} was removed, and is there");
        var hardState = new HardState(new Term(ReadNumber()), new ReplicaId(ReadUInt64()), new LogIndex(ReadNumber()));
        effect = (SnapshotEffect)Take(1)[0];
        ulong index = ReadNumber();
        var last = new EntryId(new Term(ReadNumber()), new LogIndex(index));
        long length = (long)ReadNumber();
        uint checksum = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
        SnapshotFile? snapshot = effect switch
        {
            SnapshotEffect.None or SnapshotEffect.Removes => null,
            SnapshotEffect.Covers or SnapshotEffect.Replaces => 
                new SnapshotFile(group, replica, last, length, checksum),
            _ => throw Malformed($"snapshot effect {(byte)effect} is unknown"),
        };
        return new GroupMeta(incarnation, replica, removed, hardState, snapshot);
    }

    /// <summary>A term, an index, or what else only counts up.</summary>
    public ulong ReadNumber()
    {
        ulong number = ReadUInt64();
        return number <= LargestNumber ? number : throw Malformed($"a number is {number}");
    }

    public int ReadCount()
    {
        int count = BinaryPrimitives.ReadInt32LittleEndian(Take(4));
        return count >= 0 ? count : throw Malformed("a count is negative");
    }

    /// <summary>Reads one entry; its payload is a copy.</summary>
    public LogEntry ReadEntry(LogIndex index)
    {
        var term = new Term(ReadNumber());
        var kind = (EntryKind)Take(1)[0];
        int length = ReadCount();
        return new LogEntry(term, index, kind, length == 0 ? default : Take(length).ToArray());
    }

    public byte[] ReadBytes() => Take(ReadCount()).ToArray();

    public readonly CorruptionException Malformed(string what) =>
        Corruption.Found(path, offsetBytes, $"in this batch {what}");

    private ulong ReadUInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _body.Length - _position) throw Malformed("a record ends beyond the batch");
        ReadOnlySpan<byte> taken = _body.Slice(_position, count);
        _position += count;
        return taken;
    }
}
