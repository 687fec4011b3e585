using System.Buffers.Binary;

namespace Orleans.Raft.KeyValue;

/// <summary>Divides ranges of which nothing but their bounds is known.</summary>
internal static class KeySpace
{
    /// <summary>A short key about in the middle of a range, taking keys as fractions; null if it has none that differs
    /// in the first eight bytes.</summary>
    /// <param name="start">Inclusive; empty: where printable text begins.</param>
    /// <param name="end">Exclusive; empty: where printable text ends, or the end of all keys if the range begins
    /// there.</param>
    public static byte[]? Middle(ReadOnlySpan<byte> start, ReadOnlySpan<byte> end)
    {
        const byte BeforeText = 0x20;
        const byte AfterText = 0x7f;
        const ulong Before = (ulong)BeforeText << 56, After = (ulong)AfterText << 56;
        ulong low = !start.IsEmpty ? Fraction(start) : end.IsEmpty || end[0] > BeforeText ? Before : 0;
        ulong high = !end.IsEmpty ? Fraction(end) : low < After ? After : ulong.MaxValue;
        if (high <= low) return null;
        Span<byte> middle = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(middle, low + (high - low) / 2);
        for (int length = 1; length <= middle.Length; length++)
        {
            ReadOnlySpan<byte> key = middle[..length];
            bool isInside = key.SequenceCompareTo(start) > 0 && (end.IsEmpty || key.SequenceCompareTo(end) < 0);
            if (isInside) return key.ToArray();
        }
        return null;
    }

    private static ulong Fraction(ReadOnlySpan<byte> key)
    {
        Span<byte> first = stackalloc byte[sizeof(ulong)];
        key[..Math.Min(key.Length, first.Length)].CopyTo(first);
        return BinaryPrimitives.ReadUInt64BigEndian(first);
    }
}
