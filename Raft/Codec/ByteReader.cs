using System.Buffers.Binary;

namespace Orleans.Raft.Core;

/// <summary>
/// Reads the fields of a message. Nothing throws: reading past the end, or something impossible, makes
/// <see cref="IsSound"/> false for good and gives zeros.
/// </summary>
internal ref struct ByteReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    public bool IsSound { get; private set; } = true;

    public readonly int Remaining => _rest.Length;

    public byte ReadByte()
    {
        ReadOnlySpan<byte> span = ReadSpan(1);
        return span.IsEmpty ? (byte)0 : span[0];
    }

    public bool ReadBool()
    {
        byte value = ReadByte();
        if (value > 1) IsSound = false;
        return value == 1;
    }

    public uint ReadUInt32()
    {
        ReadOnlySpan<byte> span = ReadSpan(4);
        return span.IsEmpty ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(span);
    }

    public ulong ReadVarint()
    {
        ulong value = 0;
        for (int i = 0; i < 10 && i < _rest.Length; i++)
        {
            byte part = _rest[i];
            // Too large, or longer than it need be: a number is written in one way only.
            if ((i == 9 && part > 1) || (i > 0 && part == 0)) break;
            value |= (ulong)(part & 0x7F) << (7 * i);
            if (part < 0x80)
            {
                _rest = _rest[(i + 1)..];
                return value;
            }
        }

        Fail();
        return 0;
    }

    public long ReadSigned()
    {
        ulong value = ReadVarint();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    public Term ReadTerm() => new(ReadVarint());

    public LogIndex ReadIndex() => new(ReadVarint());

    public EntryId ReadEntryId()
    {
        Term term = ReadTerm();
        return new EntryId(term, ReadIndex());
    }

    /// <summary>Length-prefixed bytes, as a view.</summary>
    public ReadOnlySpan<byte> ReadBytes()
    {
        ulong length = ReadVarint();
        if (length <= (ulong)_rest.Length) return ReadSpan((int)length);
        Fail();
        return default;
    }

    public ReadOnlySpan<byte> ReadSpan(int length)
    {
        if (length > _rest.Length)
        {
            Fail();
            return default;
        }

        ReadOnlySpan<byte> span = _rest[..length];
        _rest = _rest[length..];
        return span;
    }

    public void Fail()
    {
        IsSound = false;
        _rest = default;
    }
}
