using System.Globalization;

namespace Orleans.Raft.Shell;

/// <summary>
/// The keys that load is put on: <c>!key-00000000</c>, <c>"key-00000001</c> and so on. The first byte runs over
/// printable ASCII, so that groups which divide it evenly are loaded evenly. Which key an operation takes follows from
/// the seed alone.
/// </summary>
public sealed class LoadKeys(int count, ulong seed)
{
    private const int FirstPrintable = 0x21;
    private const int PrintableCount = 0x7e - FirstPrintable + 1;
    private const int KeyBytes = 13;

    public int Count { get; } = count;

    /// <summary>The key of a number from 0 to <see cref="Count"/>, exclusive.</summary>
    public static byte[] Key(int number)
    {
        byte[] key = new byte[KeyBytes];
        key[0] = (byte)(FirstPrintable + (number % PrintableCount));
        "key-"u8.CopyTo(key.AsSpan(1));
        number.TryFormat(key.AsSpan(5), out _, "D8", CultureInfo.InvariantCulture);
        return key;
    }

    /// <summary>What a client's operation does: the key it takes and whether, in a mixed load, it writes.</summary>
    public (int Number, bool Writes) Choose(int client, long operation)
    {
        ulong random = Mix(seed + Mix(((ulong)client << 40) + (ulong)operation));
        return ((int)((random >> 1) % (ulong)Count), (random & 1) == 0);
    }

    /// <summary>SplitMix64's finalizer.</summary>
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
