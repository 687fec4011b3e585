using System.Buffers.Binary;

namespace Orleans.Raft.Fuzz;

/// <summary>Damages bytes in the ways that disks, networks, people and other programs do.</summary>
internal static class Mutator
{
    private const int LongestInput = 64 << 10;

    /// <summary>Between one and four changes.</summary>
    public static byte[] Mutate(FuzzRandom random, byte[] input, byte[] other)
    {
        for (int left = 1 + random.Below(4); left > 0; left--) input = Change(random, input, other);
        return input.Length <= LongestInput ? input : input[..LongestInput];
    }

    /// <summary>A copy with one bit flipped.</summary>
    public static byte[] Flip(FuzzRandom random, byte[] input)
    {
        byte[] flipped = [.. input];
        if (flipped.Length > 0) flipped[random.Below(flipped.Length)] ^= (byte)(1 << random.Below(8));
        return flipped;
    }

    /// <summary>The beginning of one input and the end of another.</summary>
    public static byte[] Splice(FuzzRandom random, byte[] first, byte[] second) =>
        [.. first[..random.Below(first.Length + 1)], .. second[random.Below(second.Length + 1)..]];

    private static byte[] Change(FuzzRandom random, byte[] input, byte[] other)
    {
        if (input.Length == 0) return random.Bytes(16);
        int at = random.Below(input.Length);
        switch (random.Below(11))
        {
            case 0: return Flip(random, input);
            case 1: return input[..at];
            case 2: return [.. input, .. random.Bytes(20)];
            case 3: return Splice(random, input, other);
            case 4: return Repeat(random, input, at);
            case 5: return [.. input[..at], .. input[Math.Min(input.Length, at + 1 + random.Below(8))..]];
            case 6: return [.. input[..at], .. random.Bytes(8), .. input[at..]];
            case 7: return Overwrite(input, at, Integer(random));
            case 8: return [.. input[..at], .. Varint(random.Number()), .. input[(at + 1)..]];
            case 9: return Add(random, input, at);
            default: return Overwrite(input, at, [(byte)random.Bits()]);
        }
    }

    private static byte[] Repeat(FuzzRandom random, byte[] input, int at)
    {
        int length = Math.Min(1 + random.Below(64), input.Length - at);
        byte[] block = input[at..(at + length)];
        var repeated = new List<byte>(input[..at]);
        for (int left = 1 + random.Below(random.OneIn(10) ? 100 : 4); left > 0; left--) repeated.AddRange(block);
        repeated.AddRange(input[at..]);
        return [.. repeated];
    }

    /// <summary>A length or count that is off by a little.</summary>
    private static byte[] Add(FuzzRandom random, byte[] input, int at)
    {
        byte[] changed = [.. input];
        changed[at] += (byte)(random.Below(7) - 3);
        return changed;
    }

    private static byte[] Overwrite(byte[] input, int at, byte[] bytes)
    {
        byte[] changed = [.. input];
        bytes.AsSpan(0, Math.Min(bytes.Length, input.Length - at)).CopyTo(changed.AsSpan(at));
        return changed;
    }

    private static byte[] Integer(FuzzRandom random)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, random.Number());
        return bytes[..random.Of(2, 4, 8)];
    }

    private static byte[] Varint(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return [.. bytes];
    }
}
