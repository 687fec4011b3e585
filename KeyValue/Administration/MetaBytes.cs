using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Unicode;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Names, texts, flags and lists in the encodings of the meta group and of administrators.</summary>
internal static class MetaBytes
{
    public static void Flag(this ByteBuffer buffer, bool value) => buffer.Byte(value ? (byte)1 : (byte)0);

    public static void Text(this ByteBuffer buffer, string value) => buffer.Block(Encoding.UTF8.GetBytes(value));

    public static void Name(this ByteBuffer buffer, NodeName value) => buffer.Text(value.Value);

    public static void Texts(this ByteBuffer buffer, IReadOnlyList<string> values)
    {
        buffer.Varint((ulong)values.Count);
        foreach (string value in values) buffer.Text(value);
    }

    public static void Guid(this ByteBuffer buffer, Guid value) => buffer.Bytes(value.ToByteArray());

    public static bool TryFlag(this ref ByteReader reader, out bool value)
    {
        bool read = reader.TryByte(out byte number) && number <= 1;
        value = read && number == 1;
        return read;
    }

    /// <summary>Bytes that are no text are refused, not replaced.</summary>
    public static bool TryText(this ref ByteReader reader, out string value)
    {
        value = "";
        if (!reader.TryBlock(out ReadOnlySpan<byte> bytes) || !Utf8.IsValid(bytes)) return false;
        value = Encoding.UTF8.GetString(bytes);
        return true;
    }

    public static bool TryName(this ref ByteReader reader, out NodeName value)
    {
        bool read = reader.TryText(out string text) && text.Length > 0;
        value = new NodeName(text);
        return read;
    }

    public static bool TryTexts(this ref ByteReader reader, out string[] values)
    {
        values = [];
        if (!reader.TryCount(out int count)) return false;
        var read = new string[count];
        for (int i = 0; i < count; i++)
        {
            if (!reader.TryText(out read[i])) return false;
        }
        values = read;
        return true;
    }

    /// <summary>A count that the rest cannot hold is refused before it reserves memory.</summary>
    public static bool TryCount(this ref ByteReader reader, out int count)
    {
        bool read = reader.TryVarint(out ulong number) && number <= (ulong)reader.Rest.Length;
        count = read ? (int)number : 0;
        return read;
    }

    public static bool TryGroup(this ref ByteReader reader, out GroupId group)
    {
        bool read = reader.TryVarint(out ulong number) && number <= uint.MaxValue;
        group = new GroupId(read ? (uint)number : 0);
        return read;
    }

    public static bool TryGuid(this ref ByteReader reader, out Guid value)
    {
        bool read = reader.TryBytes(16, out ReadOnlySpan<byte> bytes);
        value = read ? new Guid(bytes) : default;
        return read;
    }

    public static bool TryDescriptor(this ref ByteReader reader, [NotNullWhen(true)] out GroupDescriptor? descriptor)
    {
        descriptor = null;
        if (!reader.TryBlock(out ReadOnlySpan<byte> bytes)) return false;
        try
        {
            descriptor = GroupDescriptor.Decode(bytes);
            return true;
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }
}
