using System.Buffers.Binary;
using System.Diagnostics;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Bench;

/// <summary>What the ordered map alone costs, on one thread.</summary>
internal static class MapBenchmark
{
    private const int KeyBytes = 16;
    private const int WritesPerSnapshot = 10_000;

    /// <summary>Runs every operation once over all keys.</summary>
    /// <returns>For each operation its name and nanoseconds for one key.</returns>
    public static IReadOnlyList<(string Operation, double Nanoseconds)> Run(int count, int valueBytes, ulong seed)
    {
        byte[][] ascending = [.. Enumerable.Range(0, count).Select(Key)];
        byte[][] shuffled = [.. ascending];
        new Random((int)(seed & int.MaxValue)).Shuffle(shuffled);
        byte[] value = new byte[valueBytes];

        var random = new OrderedMap();
        return
        [
            ("put new, ascending", Fill(new OrderedMap(), ascending, value)),
            ("put new, random", Fill(random, shuffled, value)),
            ("put existing, random", Fill(random, shuffled, value)),
            ($"put existing, random, a snapshot every {WritesPerSnapshot:N0}",
            FillWithSnapshots(random, shuffled, value)),
            ("get, random", Time(count, () =>
            {
                foreach (byte[] key in shuffled) Invariant(random.TryGet(key, out _));
            })),
            ("get, ascending", Time(count, () =>
            {
                foreach (byte[] key in ascending) Invariant(random.TryGet(key, out _));
            })),
            ("scan forwards", Time(count, () => Invariant(Scan(random, forwards: true) == count))),
            ("scan backwards", Time(count, () => Invariant(Scan(random, forwards: false) == count))),
            ("remove, random", Time(count, () =>
            {
                foreach (byte[] key in shuffled) Invariant(random.Remove(key));
            })),
        ];
    }

    private static double Fill(OrderedMap map, byte[][] keys, byte[] value) => Time(keys.Length, () =>
    {
        foreach (byte[] key in keys) map.Set(key, value);
    });

    private static double FillWithSnapshots(OrderedMap map, byte[][] keys, byte[] value) => Time(keys.Length, () =>
    {
        OrderedMapSnapshot? held = null;
        for (int number = 0; number < keys.Length; number++)
        {
            if (number % WritesPerSnapshot == 0) held = map.Snapshot();
            map.Set(keys[number], value);
        }
        Invariant(held?.Count == keys.Length);
    });

    private static int Scan(OrderedMap map, bool forwards)
    {
        OrderedMapCursor cursor = map.Cursor();
        int seen = 0;
        for (bool any = forwards
            ? cursor.SeekFirst()
            : cursor.SeekLast(); any; any = forwards
            ? cursor.MoveNext()
            : cursor.MovePrevious())
        {
            if (cursor.Value.Length > 0 || cursor.Key.Length > 0) seen++;
        }
        return seen;
    }

    private static double Time(int count, Action action)
    {
        GC.Collect();
        long began = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(began).TotalNanoseconds / count;
    }

    private static byte[] Key(int number)
    {
        byte[] key = new byte[KeyBytes];
        "user/key"u8.CopyTo(key);
        BinaryPrimitives.WriteInt64BigEndian(key.AsSpan(KeyBytes - sizeof(long)), number);
        return key;
    }

    private static void Invariant(bool holds) =>
        Core.Invariant.Require(holds, "the map lost a key while it was measured");
}
