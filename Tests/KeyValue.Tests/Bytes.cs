using System.Text;

namespace Orleans.Raft.KeyValue.Tests;

internal static class Bytes
{
    public static byte[] Of(string text) => Encoding.UTF8.GetBytes(text);

    public static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes);

    /// <summary>Keys that meet, share long beginnings, end in zeros, and differ in length.</summary>
    public static byte[] RandomKey(Random random)
    {
        byte[] key = new byte[random.Next(12) == 0 ? random.Next(1, 40) : random.Next(1, 4)];
        for (int i = 0; i < key.Length; i++)
            key[i] = random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => (byte)random.Next(256) };
        return random.Next(3) switch
        {
            0 => key,
            1 => [.. "shared/beginning/"u8, .. key],
            _ => [.. "shared/beginning/of/more/"u8, .. key],
        };
    }

    /// <summary>A batch of one command outside of sessions.</summary>
    public static byte[] Batch(byte[] operation)
    {
        var writer = new CommandBatchWriter();
        writer.AddUnsessioned(operation);
        return writer.ToArray();
    }

    public static byte[] Random(Random random, int maxLength)
    {
        byte[] bytes = new byte[random.Next(maxLength + 1)];
        random.NextBytes(bytes);
        return bytes;
    }
}

/// <summary>Byte-wise order, written as plainly as can be.</summary>
internal sealed class NaiveByteOrder : IComparer<byte[]>
{
    public static readonly NaiveByteOrder Instance = new();

    public int Compare(byte[]? x, byte[]? y)
    {
        for (int i = 0; i < x!.Length && i < y!.Length; i++)
        {
            if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
        }
        return x.Length.CompareTo(y!.Length);
    }
}
