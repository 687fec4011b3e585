using Xunit;

namespace Orleans.Raft.KeyValue.Tests.Data;

/// <summary>The map against a sorted dictionary of the BCL, under random operations.</summary>
public sealed class OrderedMapPropertyTests
{
    [Theory]
    [InlineData(1, 40)]
    [InlineData(2, 400)]
    [InlineData(3, 4000)]
    [InlineData(4, 40_000)]
    [InlineData(5, 40_000)]
    public void Behaves_as_a_sorted_dictionary_and_snapshots_stay_as_they_were(int seed, int keys)
    {
        var random = new Random(seed);
        byte[][] pool = [.. Enumerable.Range(0, keys).Select(_ => Bytes.RandomKey(random))];
        var map = new OrderedMap();
        var model = new SortedDictionary<byte[], byte[]>(NaiveByteOrder.Instance);
        var held = new List<(OrderedMapSnapshot Snapshot, KeyValuePair<byte[], byte[]>[] Model)>();
        int checks = 0;
        for (int step = 0; step < 60_000; step++)
        {
            byte[] key = pool[random.Next(pool.Length)];
            // The map grows for a while, then shrinks, so that splits and merges both happen.
            bool grows = step / 15_000 % 2 == 0;
            if (random.Next(10) < (grows ? 7 : 2)) Set(map, model, key, Bytes.Random(random, 8));
            else Assert.True(map.Remove(key) == model.Remove(key), $"Seed {seed}, step {step}: Remove.");
            Assert.True(map.Count == model.Count, $"Seed {seed}, step {step}: Count {map.Count}, not {model.Count}.");
            if (random.Next(50) == 0) CheckGet(map, model, pool[random.Next(pool.Length)], $"Seed {seed}, step {step}");
            if (random.Next(1000) == 0) CheckBytes(map, model, pool, random);
            if (random.Next(4000) == 0) held.Add((map.Snapshot(), [.. model]));
            if (held.Count > 0 && random.Next(1500) == 0)
            {
                (OrderedMapSnapshot snapshot, KeyValuePair<byte[], byte[]>[] then) = held[random.Next(held.Count)];
                CheckAll(snapshot.Cursor, then, pool, random, $"Seed {seed}, step {step}, held snapshot");
                checks++;
            }
        }
        CheckAll(map.Cursor, [.. model], pool, random, $"Seed {seed}, at the end");
        foreach ((OrderedMapSnapshot snapshot, KeyValuePair<byte[], byte[]>[] then) in held)
            CheckAll(snapshot.Cursor, then, pool, random, $"Seed {seed}, held to the end");
        Assert.True(checks > 5 && held.Count > 3,
            $"Seed {seed}: {checks} checks of {held.Count} snapshots are no test.");
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void Every_order_of_arrival_leads_to_the_same_content(int seed)
    {
        var random = new Random(seed);
        byte[][] keys = [.. Enumerable.Range(0, 5000).Select(i => Bytes.Of($"user/{i % 10}/{i:D6}"))];
        byte[][] sorted = [.. keys.Order(NaiveByteOrder.Instance)];
        byte[][] shuffled = [.. keys];
        random.Shuffle(shuffled);
        foreach (byte[][] order in new[] { keys, sorted, [.. sorted.Reverse()], shuffled })
        {
            var map = new OrderedMap();
            foreach (byte[] key in order) map.Set(key, key);
            Assert.Equal(sorted, Ascending(map.Cursor()));
            byte[][] removed = [.. order.Take(4900)];
            foreach (byte[] key in removed) Assert.True(map.Remove(key), $"Seed {seed}.");
            Assert.Equal([.. order.Skip(4900).Order(NaiveByteOrder.Instance)], Ascending(map.Cursor()));
        }
    }

    [Fact]
    public void A_cursor_walks_a_snapshot_in_both_directions_while_the_map_changes()
    {
        const int Seed = 21;
        var random = new Random(Seed);
        var map = new OrderedMap();
        for (int i = 0; i < 3000; i++) map.Set(Bytes.Of($"{i:D5}"), [1]);
        OrderedMapCursor cursor = map.Snapshot().Cursor();
        Assert.True(cursor.SeekAtOrAfter("01500"u8));
        int at = 1500;
        for (int step = 0; step < 20_000; step++)
        {
            map.Set(Bytes.Of($"{random.Next(6000):D5}"), [2]);
            map.Remove(Bytes.Of($"{random.Next(6000):D5}"));
            bool forward = at == 0 || (at < 2999 && random.Next(2) == 0);
            Assert.True(forward ? cursor.MoveNext() : cursor.MovePrevious(), $"Seed {Seed}, step {step}.");
            at += forward ? 1 : -1;
            Assert.Equal($"{at:D5}", Bytes.Text(cursor.Key));
            Assert.Equal([1], cursor.Value);
        }
    }

    [Theory]
    [InlineData(31, 3)]
    [InlineData(32, 70)]
    [InlineData(33, 5000)]
    [InlineData(34, 20_000)]
    public void A_cut_leaves_two_maps_that_change_each_for_itself(int seed, int keys)
    {
        var random = new Random(seed);
        byte[][] pool = [.. Enumerable.Range(0, keys).Select(_ => Bytes.RandomKey(random))];
        for (int round = 0; round < 12; round++)
        {
            string where = $"Seed {seed}, round {round}";
            var map = new OrderedMap();
            var model = new SortedDictionary<byte[], byte[]>(NaiveByteOrder.Instance);
            for (int i = 0; i < keys; i++) Change(map, model, pool, random);
            OrderedMapSnapshot before = map.Snapshot();
            KeyValuePair<byte[], byte[]>[] then = [.. model];
            // Values written after a snapshot may be overwritten in place.
            for (int i = 0; i < keys / 4; i++) Change(map, model, pool, random);

            byte[] at = round == 0 ? [0] : round == 1 ? [255, 255, 255, 255, 255] : pool[random.Next(keys)];
            OrderedMap right = map.CutFrom(at);
            var rightModel = new SortedDictionary<byte[], byte[]>(NaiveByteOrder.Instance);
            foreach (byte[] key in model.Keys.Where(key => NaiveByteOrder.Instance.Compare(key, at) >= 0).ToArray())
            {
                rightModel[key] = model[key];
                model.Remove(key);
            }
            Assert.True(map.Count == model.Count && right.Count == rightModel.Count, $"{where}: counts.");
            CheckBytes(map, model, pool, random);
            CheckBytes(right, rightModel, pool, random);
            for (int i = 0; i < keys; i++)
            {
                Change(map, model, pool, random);
                Change(right, rightModel, pool, random);
            }
            CheckAll(map.Cursor, [.. model], pool, random, $"{where}, below");
            CheckAll(right.Cursor, [.. rightModel], pool, random, $"{where}, above");
            CheckBytes(map, model, pool, random);
            CheckBytes(right, rightModel, pool, random);
            CheckAll(before.Cursor, then, pool, random, $"{where}, snapshot from before");
            Assert.Equal(map.NodesFound(), map.Nodes);
            Assert.Equal(right.NodesFound(), right.Nodes);
        }
    }

    [Theory]
    [InlineData(51, 3)]
    [InlineData(52, 70)]
    [InlineData(53, 5000)]
    [InlineData(54, 20_000)]
    public void Maps_that_are_joined_hold_what_both_held_and_change_as_one(int seed, int keys)
    {
        var random = new Random(seed);
        byte[][] pool = [.. Enumerable.Range(0, keys).Select(_ => Bytes.RandomKey(random))];
        var map = new OrderedMap();
        var model = new SortedDictionary<byte[], byte[]>(NaiveByteOrder.Instance);
        for (int i = 0; i < keys; i++) Change(map, model, pool, random);
        for (int round = 0; round < 12; round++)
        {
            string where = $"Seed {seed}, round {round}";
            // Near an end, too, so that one of the two is much higher than the other.
            byte[] at = round == 0 ? [0] : round == 1 ? [255, 255, 255, 255, 255]
                : pool.Order(NaiveByteOrder.Instance).ElementAt(round % 3 == 0 ? keys / 20 : random.Next(keys));
            OrderedMap right = map.CutFrom(at);
            for (int i = 0; i < 20; i++)
            {
                byte[] key = pool[random.Next(keys)];
                Set(NaiveByteOrder.Instance.Compare(key, at) < 0 ? map : right, model, key, Bytes.Random(random, 8));
            }
            OrderedMapSnapshot[] before = [map.Snapshot(), right.Snapshot()];
            KeyValuePair<byte[], byte[]>[] then = [.. model];
            int below = map.Count;
            OrderedMap one = random.Next(2) == 0 ? map : right;
            one.Join(one == map ? right : map, isAbove: one == map);
            map = one;
            Assert.Equal(map.NodesFound(), map.Nodes);
            Assert.True(map.Count == model.Count, $"{where}: counts.");
            CheckBytes(map, model, pool, random);
            CheckAll(map.Cursor, [.. model], pool, random, where);
            for (int i = 0; i < keys; i++) Change(map, model, pool, random);
            CheckAll(map.Cursor, [.. model], pool, random, $"{where}, changed");
            CheckBytes(map, model, pool, random);
            Assert.Equal(map.NodesFound(), map.Nodes);
            CheckAll(before[0].Cursor, then[..below], pool, random, $"{where}, snapshot of the lower one");
            CheckAll(before[1].Cursor, then[below..], pool, random, $"{where}, snapshot of the upper one");
        }
    }

    [Fact]
    public void Cutting_and_joining_again_and_again_leaves_no_trail_and_costs_a_few_nodes_each()
    {
        var random = new Random(1);
        var map = new OrderedMap();
        for (int i = 0; i < 50_000; i++) map.Set(Bytes.Of($"{i:D5}"), [1]);
        long nodes = map.Nodes;
        for (int round = 0; round < 2000; round++)
        {
            OrderedMap right = map.CutFrom(Bytes.Of($"{random.Next(50_000):D5}"));
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            map.Join(right, isAbove: true);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocated, 1, 40 * MapNode.NodeBytes);
        }
        Assert.Equal(50_000, map.Count);
        Assert.Equal(map.NodesFound(), map.Nodes);
        // Halves of a leaf that was nearly full stay two.
        Assert.InRange(map.Nodes, nodes, nodes * 5 / 2);
    }

    [Theory]
    [InlineData(41, 50)]
    [InlineData(42, 5000)]
    public void A_map_made_of_a_snapshot_goes_on_for_itself(int seed, int keys)
    {
        var random = new Random(seed);
        byte[][] pool = [.. Enumerable.Range(0, keys).Select(_ => Bytes.RandomKey(random))];
        var map = new OrderedMap();
        var model = new SortedDictionary<byte[], byte[]>(NaiveByteOrder.Instance);
        for (int i = 0; i < keys; i++) Change(map, model, pool, random);
        for (int round = 0; round < 8; round++)
        {
            string where = $"Seed {seed}, round {round}";
            OrderedMapSnapshot snapshot = map.Snapshot();
            KeyValuePair<byte[], byte[]>[] then = [.. model];
            var second = new OrderedMap(snapshot);
            var secondModel = new SortedDictionary<byte[], byte[]>(model, NaiveByteOrder.Instance);
            Assert.Equal(map.MemoryBytes, second.MemoryBytes);
            for (int i = 0; i < keys; i++)
            {
                Change(map, model, pool, random);
                Change(second, secondModel, pool, random);
            }
            CheckAll(map.Cursor, [.. model], pool, random, $"{where}, the first");
            CheckAll(second.Cursor, [.. secondModel], pool, random, $"{where}, the second");
            CheckAll(snapshot.Cursor, then, pool, random, $"{where}, the snapshot");
            Assert.Equal(second.NodesFound(), second.Nodes);
            (map, model) = (second, secondModel);
        }
    }

    private static void Change(OrderedMap map, SortedDictionary<byte[], byte[]> model, byte[][] pool, Random random)
    {
        byte[] key = pool[random.Next(pool.Length)];
        if (random.Next(4) == 0) Assert.Equal(model.Remove(key), map.Remove(key));
        else Set(map, model, key, Bytes.Random(random, 8));
    }

    private static void CheckBytes(OrderedMap map, SortedDictionary<byte[], byte[]> model, byte[][] pool, Random random)
    {
        Assert.Equal(model.Sum(row => row.Key.Length + row.Value.Length), map.KeyValueBytes);
        byte[] key = pool[random.Next(pool.Length)];
        Assert.Equal(model.Where(row => NaiveByteOrder.Instance.Compare(row.Key, key) < 0)
            .Sum(row => row.Key.Length + row.Value.Length), map.BytesBelow(key));
        if (model.Count == 0) return;
        int place = random.Next(model.Count);
        Assert.Equal(model.ElementAt(place).Key, map.KeyAt(place));
    }

    private static void Set(OrderedMap map, SortedDictionary<byte[], byte[]> model, byte[] key, byte[] value)
    {
        Assert.Equal(!model.ContainsKey(key), map.Set(key, value));
        model[key] = value;
    }

    private static void CheckGet(OrderedMap map, SortedDictionary<byte[], byte[]> model, byte[] key, string where)
    {
        bool expected = model.TryGetValue(key, out byte[]? value);
        Assert.True(map.TryGet(key, out byte[]? found) == expected, $"{where}: TryGet.");
        if (expected) Assert.True(value!.AsSpan().SequenceEqual(found), $"{where}: value.");
    }

    private static void CheckAll(Func<OrderedMapCursor> cursors, KeyValuePair<byte[], byte[]>[] model, byte[][] pool,
        Random random, string where)
    {
        OrderedMapCursor cursor = cursors();
        int at = 0;
        for (bool found = cursor.SeekFirst(); found; found = cursor.MoveNext(), at++)
            CheckEntry(cursor, model, at, where);
        Assert.True(at == model.Length, $"{where}: {at} entries forwards, not {model.Length}.");
        at = model.Length;
        for (bool found = cursor.SeekLast(); found; found = cursor.MovePrevious())
            CheckEntry(cursor, model, --at, where);
        Assert.True(at == 0, $"{where}: {at} entries too few backwards.");
        for (int i = 0; i < 20; i++)
        {
            byte[] key = random.Next(2) == 0 ? pool[random.Next(pool.Length)] : Bytes.RandomKey(random);
            int first = Array.FindIndex(model, row => NaiveByteOrder.Instance.Compare(row.Key, key) >= 0);
            if (first < 0) first = model.Length;
            Assert.True(cursor.SeekAtOrAfter(key) == first < model.Length, $"{where}: SeekAtOrAfter.");
            if (first < model.Length) CheckEntry(cursor, model, first, where);
            Assert.True(cursor.SeekBefore(key) == first > 0, $"{where}: SeekBefore.");
            if (first > 0) CheckEntry(cursor, model, first - 1, where);
        }
    }

    private static void CheckEntry(OrderedMapCursor cursor, KeyValuePair<byte[], byte[]>[] model, int at, string where)
    {
        Assert.True(at >= 0 && at < model.Length && cursor.Key.AsSpan().SequenceEqual(model[at].Key)
            && cursor.Value.AsSpan().SequenceEqual(model[at].Value), $"{where}: entry {at} differs.");
    }

    private static byte[][] Ascending(OrderedMapCursor cursor)
    {
        var keys = new List<byte[]>();
        for (bool found = cursor.SeekFirst(); found; found = cursor.MoveNext()) keys.Add(cursor.Key);
        return [.. keys];
    }
}
