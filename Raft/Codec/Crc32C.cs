using System.Buffers.Binary;
using System.Numerics;

namespace Orleans.Raft.Core;

/// <summary>CRC-32C (Castagnoli, RFC 3720), by the processor's instruction where it has one.</summary>
public static class Crc32C
{
    // Three lanes hide the instruction's latency; their results are joined by shifting over a lane's worth of zeros.
    private const int LaneBytes = 1_024;
    private const uint Polynomial = 0x82F63B78;
    private static readonly uint[] ShiftByLane = MakeShiftTable(LaneBytes);

    /// <summary>The checksum of <paramref name="bytes"/>; 0 if empty.</summary>
    public static uint Compute(ReadOnlySpan<byte> bytes) => Append(0, bytes);

    /// <summary>The checksum of what <paramref name="crc"/> covers followed by <paramref name="bytes"/>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        uint state = ~crc;
        while (bytes.Length >= 3 * LaneBytes)
        {
            state = AppendThreeLanes(state, bytes[..(3 * LaneBytes)]);
            bytes = bytes[(3 * LaneBytes)..];
        }

        while (bytes.Length >= sizeof(ulong))
        {
            state = BitOperations.Crc32C(state, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[sizeof(ulong)..];
        }

        foreach (byte value in bytes) state = BitOperations.Crc32C(state, value);
        return ~state;
    }

    private static uint AppendThreeLanes(uint state, ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<byte> first = bytes[..LaneBytes];
        ReadOnlySpan<byte> second = bytes.Slice(LaneBytes, LaneBytes);
        ReadOnlySpan<byte> third = bytes.Slice(2 * LaneBytes, LaneBytes);
        uint middle = 0;
        uint last = 0;
        for (int i = 0; i < LaneBytes; i += sizeof(ulong))
        {
            state = BitOperations.Crc32C(state, BinaryPrimitives.ReadUInt64LittleEndian(first[i..]));
            middle = BitOperations.Crc32C(middle, BinaryPrimitives.ReadUInt64LittleEndian(second[i..]));
            last = BitOperations.Crc32C(last, BinaryPrimitives.ReadUInt64LittleEndian(third[i..]));
        }

        return Shift(Shift(state) ^ middle) ^ last;
    }

    // Appending zeros is linear in the state, so a table per state byte does it.
    private static uint Shift(uint state) =>
        ShiftByLane[state & 0xFF] ^ ShiftByLane[256 + ((state >> 8) & 0xFF)]
        ^ ShiftByLane[512 + ((state >> 16) & 0xFF)] ^ ShiftByLane[768 + (state >> 24)];

    private static uint[] MakeShiftTable(int zeroBytes)
    {
        Span<uint> ofBit = stackalloc uint[32];
        for (int bit = 0; bit < 32; bit++)
        {
            uint state = 1u << bit;
            for (int i = 0; i < zeroBytes * 8; i++) state = (state >> 1) ^ ((state & 1) * Polynomial);
            ofBit[bit] = state;
        }

        var table = new uint[4 * 256];
        for (int i = 0; i < table.Length; i++)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                if ((i & (1 << bit)) != 0) table[i] ^= ofBit[((i >> 8) * 8) + bit];
            }
        }

        return table;
    }
}
