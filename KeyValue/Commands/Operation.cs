using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What an operation does. Stored and sent as one byte; 0 is not a kind.</summary>
public enum OperationKind : byte
{
    Put = 1,
    Append = 2,
    Delete = 3,
    CompareAndSet = 4,
    Batch = 5,

    /// <summary>Outside of sessions: opens one.</summary>
    OpenSession = 6,

    /// <summary>Outside of sessions: moves the group's time on.</summary>
    AdvanceTime = 7,

    /// <summary>Outside of sessions, and alone in its batch: gives the upper part of the range to a new group.</summary>
    Split = 8,

    /// <summary>As <see cref="Split"/>: the group serves nothing any more until it is thawed, for another one is to take
    /// over what it has.</summary>
    Freeze = 9,

    /// <summary>As <see cref="Split"/>: a part of what a frozen neighbour has.</summary>
    Absorb = 10,

    /// <summary>As <see cref="Split"/>: what was absorbed belongs to this group from now on.</summary>
    TakeOver = 11,

    /// <summary>As <see cref="Split"/>: this group takes nothing over in this merge, now or later.</summary>
    Abandon = 12,

    /// <summary>As <see cref="Split"/>: the merge was abandoned; the group serves again.</summary>
    Thaw = 13,
}

/// <summary>
/// The bytes of one operation. Made once and kept for retries; <see cref="CommandBatchWriter"/> puts a session header
/// before them each time they are sent. Limits are not checked here: <see cref="CommandBatchReader.IsWellFormed"/> does
/// that.
/// </summary>
public static partial class Operation
{
    internal const byte HasExpected = 1;
    internal const byte HasReplacement = 2;

    /// <summary>Sets a key's value.</summary>
    public static byte[] Put(ColumnFamily family, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
        KeyAndValue(OperationKind.Put, family, key, value);

    /// <summary>Adds bytes at the end of a key's value; a missing key counts as empty.</summary>
    public static byte[] Append(ColumnFamily family, ReadOnlySpan<byte> key, ReadOnlySpan<byte> suffix) =>
        KeyAndValue(OperationKind.Append, family, key, suffix);

    /// <summary>Removes a key; a missing one is no error.</summary>
    public static byte[] Delete(ColumnFamily family, ReadOnlySpan<byte> key)
    {
        ByteBuffer buffer = Start(OperationKind.Delete);
        buffer.Byte((byte)family);
        buffer.Block(key);
        return buffer.ToArray();
    }

    /// <summary>Replaces a value if it is what is expected.</summary>
    /// <param name="expected">Null: the key must be missing.</param>
    /// <param name="replacement">Null: the key is removed.</param>
    public static byte[] CompareAndSet(
        ColumnFamily family, ReadOnlySpan<byte> key, byte[]? expected, byte[]? replacement)
    {
        ByteBuffer buffer = Start(OperationKind.CompareAndSet);
        buffer.Byte((byte)family);
        buffer.Block(key);
        buffer.Byte((byte)((expected is null ? 0 : HasExpected) | (replacement is null ? 0 : HasReplacement)));
        if (expected is not null) buffer.Block(expected);
        if (replacement is not null) buffer.Block(replacement);
        return buffer.ToArray();
    }

    /// <summary>Several writes, in order, all or none.</summary>
    /// <exception cref="ArgumentException">There is no write.</exception>
    public static byte[] Batch(IReadOnlyList<WriteOperation> operations)
    {
        ArgumentNullException.ThrowIfNull(operations);
        if (operations.Count == 0) throw new ArgumentException("A batch needs at least one write.", nameof(operations));
        ByteBuffer buffer = Start(OperationKind.Batch);
        buffer.Varint((ulong)operations.Count);
        foreach (WriteOperation operation in operations)
        {
            buffer.Byte((byte)(operation.Value is null ? OperationKind.Delete : OperationKind.Put));
            buffer.Byte((byte)operation.Family);
            buffer.Block(operation.Key.Span);
            if (operation.Value is { } value) buffer.Block(value.Span);
        }
        return buffer.ToArray();
    }

    /// <summary>Opens a session.</summary>
    /// <param name="timeoutMilliseconds">How long, in group time, it lives without a write: 1 to
    /// <see cref="StoreLimits.SessionTimeoutMilliseconds"/>.</param>
    public static byte[] OpenSession(long timeoutMilliseconds) =>
        Number(OperationKind.OpenSession, timeoutMilliseconds);

    /// <summary>Moves the group's time on; an earlier time than the group's changes nothing.</summary>
    public static byte[] AdvanceTime(long groupTimeMilliseconds) =>
        Number(OperationKind.AdvanceTime, groupTimeMilliseconds);

    /// <summary>Gives the keys from one on to a new group with a replica beside each of this group's.</summary>
    /// <param name="expected">The group as it must still be when this is applied; else nothing changes.</param>
    /// <param name="key">Within the group's range and above its start.</param>
    /// <param name="child">A group id never used before.</param>
    /// <param name="replicas">The new group's, in the order of the replicas beside which they come.</param>
    public static byte[] Split(
        GroupDescriptor expected, ReadOnlySpan<byte> key, GroupId child, IReadOnlyList<ReplicaId> replicas)
    {
        ArgumentNullException.ThrowIfNull(expected);
        ArgumentNullException.ThrowIfNull(replicas);
        ByteBuffer buffer = Start(OperationKind.Split);
        buffer.Varint(expected.RangeVersion);
        buffer.Varint(expected.ConfigVersion);
        buffer.Block(key);
        buffer.Varint(child.Value);
        buffer.Varint((ulong)replicas.Count);
        foreach (ReplicaId replica in replicas) buffer.Varint(replica.Value);
        return buffer.ToArray();
    }

    /// <summary>What an operation does, by its first byte; null if it has none or it is no kind.</summary>
    public static OperationKind? KindOf(ReadOnlySpan<byte> operation) =>
        !operation.IsEmpty && operation[0] is >= (byte)OperationKind.Put and <= (byte)OperationKind.Thaw
            ? (OperationKind)operation[0]
            : null;

    /// <summary>The key of an operation that has exactly one; false for the others and for malformed ones.</summary>
    internal static bool TryReadKey(ReadOnlySpan<byte> operation, out ColumnFamily family, out ReadOnlySpan<byte> key)
    {
        family = default;
        key = default;
        if (KindOf(operation) is not (OperationKind.Put or OperationKind.Append or OperationKind.Delete or OperationKind.CompareAndSet))
            return false;
        var reader = new ByteReader(operation[1..]);
        if (!reader.TryByte(out byte number) || number > (byte)ColumnFamily.Write) return false;
        family = (ColumnFamily)number;
        return reader.TryBlock(out key);
    }

    private static byte[] KeyAndValue(
        OperationKind kind, ColumnFamily family, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        int length = 2 + ByteBuffer.VarintLength((ulong)key.Length) + key.Length
            + ByteBuffer.VarintLength((ulong)value.Length) + value.Length;
        byte[] bytes = GC.AllocateUninitializedArray<byte>(length);
        bytes[0] = (byte)kind;
        bytes[1] = (byte)family;
        int at = WriteBlock(bytes, 2, key);
        WriteBlock(bytes, at, value);
        return bytes;
    }

    private static int WriteBlock(byte[] target, int at, ReadOnlySpan<byte> block)
    {
        uint length = (uint)block.Length;
        for (; length >= 0x80; length >>= 7) target[at++] = (byte)(length | 0x80);
        target[at++] = (byte)length;
        block.CopyTo(target.AsSpan(at));
        return at + block.Length;
    }

    private static byte[] Number(OperationKind kind, long number)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        ByteBuffer buffer = Start(kind);
        buffer.Varint((ulong)number);
        return buffer.ToArray();
    }

    private static ByteBuffer Start(OperationKind kind)
    {
        var buffer = new ByteBuffer();
        buffer.Byte((byte)kind);
        return buffer;
    }
}
