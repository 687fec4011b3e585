using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Orleans.Raft.Storage;

/// <summary>CRC-32C (Castagnoli), by hardware instructions where there are any.</summary>
internal static class Checksum
{
    public static uint Compute(ReadOnlySpan<byte> bytes) => Append(0, bytes);

    /// <summary>Goes on from the checksum of what came before.</summary>
    public static uint Append(uint checksum, ReadOnlySpan<byte> bytes)
    {
        uint crc = ~checksum;
        ref byte start = ref MemoryMarshal.GetReference(bytes);
        int offset = 0;
        for (; offset <= bytes.Length - sizeof(ulong); offset += sizeof(ulong))
            crc = BitOperations.Crc32C(crc, Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, offset)));
        for (; offset < bytes.Length; offset++) crc = BitOperations.Crc32C(crc, bytes[offset]);
        return ~crc;
    }
}
