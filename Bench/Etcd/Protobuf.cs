using System.Buffers;

namespace Orleans.Raft.Bench;

/// <summary>How a protobuf field's value is laid out.</summary>
internal enum WireType
{
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// <summary>Writes protobuf fields, as far as etcd's requests need it.</summary>
internal static class ProtobufWriter
{
    private const int MaxVarintBytes = 10;

    /// <summary>A field of type <c>bytes</c>, or an embedded message.</summary>
    public static void WriteBytes(IBufferWriter<byte> output, int field, ReadOnlySpan<byte> value)
    {
        WriteVarint(output, ((ulong)field << 3) | (ulong)WireType.Bytes);
        WriteVarint(output, (ulong)value.Length);
        output.Write(value);
    }

    public static void WriteVarint(IBufferWriter<byte> output, ulong value)
    {
        Span<byte> buffer = output.GetSpan(MaxVarintBytes);
        int length = 0;
        for (; value >= 0x80; value >>= 7) buffer[length++] = (byte)(value | 0x80);
        buffer[length++] = (byte)value;
        output.Advance(length);
    }
}

/// <summary>Reads the fields of one protobuf message, in the order they were written.</summary>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message)
{
    private ReadOnlySpan<byte> _rest = message;

    /// <summary>The number of the field read last.</summary>
    public int Field { get; private set; }

    /// <summary>The value of a varint or fixed field.</summary>
    public ulong Number { get; private set; }

    /// <summary>The value of a field of type bytes, string or message.</summary>
    public ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>Reads the next field; false at the end.</summary>
    /// <exception cref="InvalidDataException">The bytes are no protobuf message.</exception>
    public bool Next()
    {
        Number = 0;
        Bytes = default;
        if (_rest.IsEmpty) return false;
        ulong tag = ReadVarint();
        Field = (int)(tag >> 3);
        switch ((WireType)(tag & 7))
        {
            case WireType.Varint: Number = ReadVarint(); break;
            case WireType.Fixed64: Number = BitConverter.ToUInt64(Take(sizeof(ulong))); break;
            case WireType.Fixed32: Number = BitConverter.ToUInt32(Take(sizeof(uint))); break;
            case WireType.Bytes: Bytes = Take(ReadVarint()); break;
            default: throw new InvalidDataException($"A protobuf field has wire type {tag & 7}, which is not known.");
        }
        return true;
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte next = Take(1)[0];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80) return value;
        }
        throw new InvalidDataException("A protobuf number is longer than ten bytes.");
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)_rest.Length)
            throw new InvalidDataException($"A protobuf message ends early: {length} bytes are missing at its end, "
                + $"{_rest.Length} are there.");
        ReadOnlySpan<byte> taken = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return taken;
    }
}
