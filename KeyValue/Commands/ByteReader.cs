using System.Buffers.Binary;

namespace Orleans.Raft.KeyValue;

/// <summary>Reads what <see cref="ByteBuffer"/> wrote. Never throws: a method answers false if the bytes are not there
/// or wrong.</summary>
internal ref struct ByteReader(ReadOnlySpan<byte> bytes)
{
    public ReadOnlySpan<byte> Rest { get; private set; } = bytes;

    public readonly bool IsAtEnd => Rest.IsEmpty;

    public bool TryByte(out byte value)
    {
        value = 0;
        if (Rest.IsEmpty) return false;
        value = Rest[0];
        Rest = Rest[1..];
        return true;
    }

    public bool TryUInt32(out uint value)
    {
        if (!BinaryPrimitives.TryReadUInt32LittleEndian(Rest, out value)) return false;
        Rest = Rest[4..];
        return true;
    }

    public bool TryUInt64(out ulong value)
    {
        if (!BinaryPrimitives.TryReadUInt64LittleEndian(Rest, out value)) return false;
        Rest = Rest[8..];
        return true;
    }

    /// <summary>Every number has one form only: a longer one than needed is refused.</summary>
    public bool TryVarint(out ulong value)
    {
        if (!Rest.IsEmpty && Rest[0] < 0x80)
        {
            value = Rest[0];
            Rest = Rest[1..];
            return true;
        }
        return TryLongVarint(out value);
    }

    /// <summary>A varint that fits a positive 63-bit number.</summary>
    public bool TryPositive(out long value)
    {
        bool read = TryVarint(out ulong number) && number <= long.MaxValue;
        value = read ? (long)number : 0;
        return read;
    }

    public bool TryBytes(ulong count, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (count > (ulong)Rest.Length) return false;
        bytes = Rest[..(int)count];
        Rest = Rest[(int)count..];
        return true;
    }

    /// <summary>A varint length, then the bytes.</summary>
    public bool TryBlock(out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        return TryVarint(out ulong length) && TryBytes(length, out bytes);
    }

    private bool TryLongVarint(out ulong value)
    {
        value = 0;
        for (int i = 0; i < 10 && i < Rest.Length; i++)
        {
            byte part = Rest[i];
            if (i == 9 && part > 1) return false;
            value |= (ulong)(part & 0x7F) << (7 * i);
            if (part >= 0x80) continue;
            if (part == 0 && i > 0) return false;
            Rest = Rest[(i + 1)..];
            return true;
        }
        return false;
    }
}
