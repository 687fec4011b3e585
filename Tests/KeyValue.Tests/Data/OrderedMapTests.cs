using Xunit;

namespace Orleans.Raft.KeyValue.Tests.Data;

public sealed class OrderedMapTests
{
    [Fact]
    public void A_new_map_is_empty_in_every_respect()
    {
        var map = new OrderedMap();
        Assert.Equal(0, map.Count);
        Assert.False(map.TryGet("a"u8, out _));
        Assert.False(map.Remove("a"u8));
        Assert.False(map.Cursor().SeekFirst());
        Assert.False(map.Cursor().SeekLast());
        Assert.False(map.Cursor().SeekBefore("a"u8));
    }

    [Fact]
    public void Set_says_whether_the_key_is_new_and_replaces_the_value()
    {
        var map = new OrderedMap();
        Assert.True(map.Set("a"u8, [1]));
        Assert.False(map.Set("a"u8, [2]));
        Assert.True(map.TryGet("a"u8, out byte[]? value));
        Assert.Equal([2], value!);
        Assert.Equal(1, map.Count);
    }

    [Fact]
    public void Keys_that_differ_only_by_trailing_zeros_are_different_keys()
    {
        var map = new OrderedMap();
        for (int zeros = 20; zeros >= 0; zeros--) map.Set([7, .. new byte[zeros]], [(byte)zeros]);
        Assert.Equal(21, map.Count);
        OrderedMapCursor cursor = map.Cursor();
        Assert.True(cursor.SeekFirst());
        for (int zeros = 0; zeros <= 20; zeros++)
        {
            Assert.True(map.TryGet([7, .. new byte[zeros]], out byte[]? value));
            Assert.Equal(zeros, value![0]);
            Assert.Equal(zeros + 1, cursor.Key.Length);
            Assert.Equal(zeros < 20, cursor.MoveNext());
        }
    }

    [Fact]
    public void The_map_keeps_a_copy_of_the_key()
    {
        var map = new OrderedMap();
        byte[] key = [1, 2, 3];
        map.Set(key, []);
        key[0] = 9;
        Assert.True(map.TryGet([1, 2, 3], out _));
    }

    [Fact]
    public void Keys_of_the_largest_size_keep_their_order()
    {
        var map = new OrderedMap();
        byte[] key = new byte[4096];
        for (int i = 200; i > 0; i--)
        {
            key[^1] = (byte)i;
            map.Set(key, [(byte)i]);
        }
        OrderedMapCursor cursor = map.Cursor();
        Assert.True(cursor.SeekFirst());
        for (int i = 1; i <= 200; i++, cursor.MoveNext()) Assert.Equal(i, cursor.Value[0]);
    }

    [Fact]
    public void Memory_returns_to_that_of_an_empty_map_when_all_keys_are_removed()
    {
        var map = new OrderedMap();
        long empty = map.MemoryBytes;
        for (int i = 0; i < 20_000; i++) map.Set(BitConverter.GetBytes(i * 7919), new byte[100]);
        Assert.True(map.MemoryBytes > 20_000 * (100 + 4 + 48));
        for (int i = 19_999; i >= 0; i--) Assert.True(map.Remove(BitConverter.GetBytes(i * 7919)));
        Assert.Equal(0, map.Count);
        Assert.Equal(empty, map.MemoryBytes);
    }

    [Fact]
    public void Sequential_keys_fill_their_nodes()
    {
        var map = new OrderedMap();
        for (int i = 0; i < 50_000; i++) map.Set(Bytes.Of($"key-{i:D12}"), new byte[256]);
        // 40 for the key, 280 for the value, 24 to 30 for the slot.
        Assert.InRange(map.MemoryBytes / 50_000, 344, 352);
    }

    [Fact]
    public void Removing_most_keys_gives_most_nodes_back()
    {
        var map = new OrderedMap();
        for (int i = 0; i < 64_000; i++) map.Set(Bytes.Of($"{i:D8}"), []);
        for (int i = 0; i < 64_000; i++)
        {
            if (i % 64 != 0) map.Remove(Bytes.Of($"{i:D8}"));
        }
        Assert.Equal(1000, map.Count);
        // Of about 1,000 leaves a merged tree keeps at most one per 16 keys.
        Assert.InRange(map.MemoryBytes, 1, 1000 * 56 + (70 * 1700));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100_000)]
    public void A_snapshot_costs_the_same_however_many_keys_there_are(int keys)
    {
        var map = new OrderedMap();
        for (int i = 0; i < keys; i++) map.Set(BitConverter.GetBytes(i), []);
        int counted = map.Snapshot().Count;
        long before = GC.GetAllocatedBytesForCurrentThread();
        OrderedMapSnapshot snapshot = map.Snapshot();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200);
        Assert.Equal((keys, keys), (counted, snapshot.Count));
    }

    [Fact]
    public void A_snapshot_does_not_see_later_writes()
    {
        var map = new OrderedMap();
        for (int i = 0; i < 1000; i++) map.Set(BitConverter.GetBytes(i), [1]);
        OrderedMapSnapshot snapshot = map.Snapshot();
        for (int i = 0; i < 1000; i += 2) map.Remove(BitConverter.GetBytes(i));
        for (int i = 1; i < 3000; i += 2) map.Set(BitConverter.GetBytes(i), [2]);
        Assert.Equal(1000, snapshot.Count);
        for (int i = 0; i < 1000; i++)
        {
            Assert.True(snapshot.TryGet(BitConverter.GetBytes(i), out byte[]? value));
            Assert.Equal([1], value!);
        }
    }

    [Fact]
    public void A_cursor_over_the_live_map_refuses_to_move_after_a_write()
    {
        var map = new OrderedMap();
        map.Set("a"u8, []);
        map.Set("b"u8, []);
        OrderedMapCursor cursor = map.Cursor();
        cursor.SeekFirst();
        map.Set("c"u8, []);
        Assert.Throws<InvalidOperationException>(() => cursor.MoveNext());
        Assert.Throws<InvalidOperationException>(() => cursor.SeekFirst());
    }

    [Fact]
    public void A_cursor_at_no_entry_has_no_key()
    {
        var map = new OrderedMap();
        map.Set("a"u8, []);
        OrderedMapCursor cursor = map.Cursor();
        Assert.Throws<InvalidOperationException>(() => cursor.Key);
        Assert.True(cursor.SeekFirst());
        Assert.False(cursor.MoveNext());
        Assert.Throws<InvalidOperationException>(() => cursor.Value);
        Assert.Throws<InvalidOperationException>(() => cursor.MovePrevious());
    }

    [Fact]
    public void A_leaf_that_a_snapshot_sees_keeps_its_values_when_it_is_merged_into_another()
    {
        const int Keys = 200;
        // However many keys the first leaf has: for some number of removals it has just taken over the next one.
        for (int removed = 1; removed < Keys; removed++)
        {
            var map = new OrderedMap();
            for (int i = Keys - 1; i >= 0; i--) map.Set(Bytes.Of($"{i:D5}"), [1]);
            OrderedMapSnapshot snapshot = map.Snapshot();
            for (int i = 0; i < removed; i++) map.Remove(Bytes.Of($"{i:D5}"));
            for (int i = removed; i < Keys; i++) map.Set(Bytes.Of($"{i:D5}"), [2]);
            for (int i = 0; i < Keys; i++)
            {
                Assert.True(snapshot.TryGet(Bytes.Of($"{i:D5}"), out byte[]? value));
                Assert.True(value[0] == 1, $"{removed} removed: the value of key {i} in the snapshot was overwritten");
            }
        }
    }
}
