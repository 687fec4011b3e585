namespace Orleans.Raft.KeyValue;

/// <summary>How a batch of commands, reads or answers begins: a version byte and the number of items.</summary>
internal static class BatchHeader
{
    public const byte Version = 1;

    public const int Bytes = 5;

    public static void Start(ByteBuffer buffer)
    {
        buffer.Clear();
        buffer.Byte(Version);
        buffer.UInt32(0);
    }

    public static void SetCount(ByteBuffer buffer, int count) => buffer.PatchUInt32(1, (uint)count);

    public static bool TryRead(ref ByteReader reader, out int count)
    {
        count = 0;
        if (!reader.TryByte(out byte version) || version != Version) return false;
        // An item takes at least one byte, so a count beyond the rest is a lie.
        if (!reader.TryUInt32(out uint items) || items > (uint)reader.Rest.Length) return false;
        count = (int)items;
        return true;
    }

    /// <summary>Appends the items of another batch and returns how many there are.</summary>
    public static int Join(ByteBuffer buffer, ReadOnlySpan<byte> otherBatch)
    {
        var reader = new ByteReader(otherBatch);
        if (!TryRead(ref reader, out int count))
            throw new ArgumentException("This is no batch that this version understands.", nameof(otherBatch));
        buffer.Bytes(reader.Rest);
        return count;
    }
}
