using System.Text;
using System.Text.Unicode;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Where a replica of a group is.</summary>
public readonly record struct ReplicaPlacement(ReplicaId Id, NodeName Node);

/// <summary>What a group is: its key range, its replicas, and the versions of both. Compared by value.</summary>
/// <param name="Start">Inclusive; empty: unbounded.</param>
/// <param name="End">Exclusive; empty: unbounded.</param>
/// <param name="RangeVersion">Grows by one with every split or merge.</param>
/// <param name="ConfigVersion">Grows by one with every membership change.</param>
public sealed record GroupDescriptor(GroupId Group, byte[] Start, byte[] End, ulong RangeVersion, ulong ConfigVersion,
    IReadOnlyList<ReplicaPlacement> Replicas)
{
    private const byte Version = 1;

    /// <summary>Whether a key belongs to this group.</summary>
    public bool Contains(ReadOnlySpan<byte> key) =>
        (Start.Length == 0 || key.SequenceCompareTo(Start) >= 0) && (End.Length == 0 || key.SequenceCompareTo(End) < 0);

    /// <summary>Whether every key of a range belongs to this group; true for a range that holds no key.</summary>
    /// <param name="start">Inclusive; empty: unbounded.</param>
    /// <param name="end">Exclusive; empty: unbounded.</param>
    public bool ContainsRange(ReadOnlySpan<byte> start, ReadOnlySpan<byte> end)
    {
        if (!end.IsEmpty && start.SequenceCompareTo(end) >= 0) return true;
        bool startInside = Start.Length == 0 || start.SequenceCompareTo(Start) >= 0;
        return startInside && (End.Length == 0 || (!end.IsEmpty && end.SequenceCompareTo(End) <= 0));
    }

    /// <summary>The bytes of answers, snapshots and the formation record.</summary>
    public byte[] Encode()
    {
        var buffer = new ByteBuffer();
        buffer.Byte(Version);
        buffer.Varint(Group.Value);
        buffer.Block(Start);
        buffer.Block(End);
        buffer.Varint(RangeVersion);
        buffer.Varint(ConfigVersion);
        buffer.Varint((ulong)Replicas.Count);
        foreach (ReplicaPlacement replica in Replicas)
        {
            buffer.Varint(replica.Id.Value);
            buffer.Block(Encoding.UTF8.GetBytes(replica.Node.Value));
        }
        return buffer.ToArray();
    }

    /// <exception cref="InvalidDataException">This is no descriptor of this version.</exception>
    public static GroupDescriptor Decode(ReadOnlySpan<byte> bytes)
    {
        var reader = new ByteReader(bytes);
        bool read = reader.TryByte(out byte version) && version == Version;
        if (!read) throw Malformed(bytes.IsEmpty ? "it is empty" : $"it has version {bytes[0]}, not {Version}");
        read = reader.TryVarint(out ulong group) && group <= uint.MaxValue;
        read &= reader.TryBlock(out ReadOnlySpan<byte> start);
        read &= reader.TryBlock(out ReadOnlySpan<byte> end);
        read &= reader.TryVarint(out ulong rangeVersion);
        read &= reader.TryVarint(out ulong configVersion);
        // A replica takes at least two bytes, so a count beyond the rest is a lie.
        read &= reader.TryVarint(out ulong count) && count <= (ulong)reader.Rest.Length;
        if (!read) throw Malformed("it is cut short or holds a number out of bounds");
        var replicas = new ReplicaPlacement[(int)count];
        for (int i = 0; i < replicas.Length; i++)
        {
            if (!reader.TryVarint(out ulong id) || !reader.TryBlock(out ReadOnlySpan<byte> name) || !Utf8.IsValid(name))
                throw Malformed("a replica is cut short or its node's name is no text");
            replicas[i] = new ReplicaPlacement(new ReplicaId(id), new NodeName(Encoding.UTF8.GetString(name)));
        }
        if (!reader.IsAtEnd) throw Malformed("bytes follow its end");
        return new GroupDescriptor(
            new GroupId((uint)group), start.ToArray(), end.ToArray(), rangeVersion, configVersion, replicas);
    }

    public bool Equals(GroupDescriptor? other) => other is not null && Group == other.Group
        && RangeVersion == other.RangeVersion && ConfigVersion == other.ConfigVersion
        && Start.AsSpan().SequenceEqual(other.Start) && End.AsSpan().SequenceEqual(other.End)
        && Replicas.SequenceEqual(other.Replicas);

    public override int GetHashCode() => HashCode.Combine(Group, RangeVersion, ConfigVersion, Replicas.Count);

    public override string ToString() =>
        $"{Group} [{Convert.ToHexStringLower(Start)}, {Convert.ToHexStringLower(End)}) range {RangeVersion} config "
            + $"{ConfigVersion}";

    private static InvalidDataException Malformed(string why) => new($"The group descriptor cannot be read: {why}.");
}
