using System.Buffers.Binary;

namespace Orleans.Raft.Core;

/// <summary>A small seeded generator (Steele, Lea and Flood 2014); the same seed gives the same numbers on every
/// machine.</summary>
public struct SplitMix64(ulong seed)
{
    private ulong _state = seed;

    public ulong Next()
    {
        _state += 0x9E3779B97F4A7C15;
        ulong mixed = _state;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }

    /// <summary>A number from 0 up to but not including <paramref name="bound"/>.</summary>
    public ulong NextBelow(ulong bound) => Math.BigMul(Next(), bound, out _);

    /// <summary>From 0 (inclusive) to 1 (exclusive).</summary>
    public double NextUnit() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>128 of its bits, without the version marks of a real one.</summary>
    public Guid NextGuid()
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, Next());
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], Next());
        return new Guid(bytes);
    }
}
