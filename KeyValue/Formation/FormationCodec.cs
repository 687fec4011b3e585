using System.Text;

namespace Orleans.Raft.KeyValue;

/// <summary>Shared pieces of the formation encodings; all reading is bounded and fails as
/// <see cref="FormationException"/>.</summary>
internal static class FormationCodec
{
    private const int MaxItems = 100_000;

    /// <summary>The largest block that is written and read: a plan and a record are one each.</summary>
    public const int MaxBlockBytes = 1 << 20;

    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static BinaryReader Open(byte[] bytes) => new(new MemoryStream(bytes, writable: false));

    public static Guid ReadGuid(BinaryReader reader) => new(reader.ReadBytes(16));

    public static int ReadCount(BinaryReader reader)
    {
        int count = reader.ReadInt32();
        return count is >= 0 and <= MaxItems ? count : throw new InvalidDataException($"a count of {count}");
    }

    /// <summary>Of a flag only the two ways in which it is written are read.</summary>
    public static bool ReadFlag(BinaryReader reader) => reader.ReadByte() switch
    {
        0 => false,
        1 => true,
        byte other => throw new InvalidDataException($"a flag of {other}"),
    };

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
        return ReadBytes(reader, length);
    }

    /// <summary>What <see cref="BinaryWriter.Write(string)"/> wrote; other bytes are refused, not replaced.</summary>
    public static string ReadText(BinaryReader reader) =>
        s_strict.GetString(ReadBytes(reader, reader.Read7BitEncodedInt()));

    /// <summary>Throws unless all was read: what follows would be lost unnoticed.</summary>
    public static void RequireEnd(BinaryReader reader)
    {
        if (Remaining(reader) > 0) throw new InvalidDataException($"{Remaining(reader)} bytes follow its end");
    }

    /// <summary>A length that the rest cannot hold must not reserve memory.</summary>
    private static byte[] ReadBytes(BinaryReader reader, int length)
    {
        if (length < 0 || length > Remaining(reader)) throw new EndOfStreamException();
        return reader.ReadBytes(length);
    }

    private static long Remaining(BinaryReader reader) => reader.BaseStream.Length - reader.BaseStream.Position;

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
