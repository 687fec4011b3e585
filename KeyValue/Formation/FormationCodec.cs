namespace Orleans.Raft.KeyValue;

/// <summary>Shared pieces of the formation encodings; all reading is bounded and fails as
/// <see cref="FormationException"/>.</summary>
internal static class FormationCodec
{
    private const int MaxItems = 100_000;

    /// <summary>The largest block that is written and read: a plan and a record are one each.</summary>
    public const int MaxBlockBytes = 1 << 20;

    public static Guid ReadGuid(BinaryReader reader) => new(reader.ReadBytes(16));

    public static int ReadCount(BinaryReader reader)
    {
        int count = reader.ReadInt32();
        return count is >= 0 and <= MaxItems ? count : throw new InvalidDataException($"a count of {count}");
    }

    public static void WriteBlock(BinaryWriter writer, ReadOnlySpan<byte> block)
    {
        if (block.Length > MaxBlockBytes)
            throw new FormationException($"A block of {block.Length} bytes is too large; at most {MaxBlockBytes} are "
                + "possible.");
        writer.Write(block.Length);
        writer.Write(block);
    }

    public static byte[] ReadBlock(BinaryReader reader)
    {
        int length = reader.ReadInt32();
        if (length is < 0 or > MaxBlockBytes) throw new InvalidDataException($"a block of {length} bytes");
        byte[] block = reader.ReadBytes(length);
        return block.Length == length ? block : throw new EndOfStreamException();
    }

    /// <summary>Turns every way in which decoding stranger's bytes can fail into one exception.</summary>
    public static T Guard<T>(string what, Func<T> decode)
    {
        try
        {
            return decode();
        }
        catch (Exception e) when (e is IOException or ArgumentException or InvalidDataException or FormatException)
        {
            throw new FormationException($"The {what} cannot be read: {e.Message}");
        }
    }
}
