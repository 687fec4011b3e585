using System.Buffers.Binary;

namespace Orleans.Raft.KeyValue;

/// <summary>A growing, reusable run of bytes. Integers are little-endian or, where small ones are common, LEB128
/// (varint).</summary>
internal sealed class ByteBuffer
{
    /// <summary>A larger buffer is given back when the writer starts anew.</summary>
    private const int KeptBytes = 8 << 20;

    private byte[] _bytes = new byte[256];

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> WrittenMemory => _bytes.AsMemory(0, Length);

    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, Length);

    public void Clear()
    {
        if (_bytes.Length > KeptBytes) _bytes = new byte[256];
        Length = 0;
    }

    public void Truncate(int length) => Length = length;

    public byte[] ToArray() => Written.ToArray();

    public void Byte(byte value) => Grow(1)[0] = value;

    public void UInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Grow(4), value);

    public void UInt64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Grow(8), value);

    public void Varint(ulong value)
    {
        Span<byte> target = Space(10);
        int length = 0;
        for (; value >= 0x80; value >>= 7) target[length++] = (byte)(value | 0x80);
        target[length++] = (byte)value;
        Length += length;
    }

    public void Bytes(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Grow(bytes.Length));

    /// <summary>A varint length, then the bytes.</summary>
    public void Block(ReadOnlySpan<byte> bytes)
    {
        Varint((ulong)bytes.Length);
        Bytes(bytes);
    }

    public void PatchUInt32(int at, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(at, 4), value);

    public void PatchByte(int at, byte value) => _bytes[at] = value;

    /// <summary>How many bytes a number takes as a varint.</summary>
    public static int VarintLength(ulong value)
    {
        int length = 1;
        for (; value >= 0x80; value >>= 7) length++;
        return length;
    }

    private Span<byte> Grow(int count)
    {
        Span<byte> space = Space(count);
        Length += count;
        return space;
    }

    private Span<byte> Space(int count)
    {
        int needed = checked(Length + count);
        if (needed > _bytes.Length)
            Array.Resize(ref _bytes, (int)Math.Min(Array.MaxLength, Math.Max(needed, 2L * _bytes.Length)));
        return _bytes.AsSpan(Length, count);
    }
}
