using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// A node of an <see cref="OrderedMap"/>: sorted keys, and beside each the eight bytes of it that follow what all keys of the
/// node share, big-endian, so that most comparisons need not touch the key itself.
/// </summary>
internal abstract class MapNode(long stamp)
{
    public const int Capacity = 64;

    /// <summary>A node with fewer keys is merged with a neighbour if the two fit well into one.</summary>
    public const int MergeBelow = Capacity / 4;

    /// <summary>The most keys of a merged node: room is left so that the next insert does not split it again.</summary>
    public const int MergedMost = Capacity * 3 / 4;

    /// <summary>Estimated heap use of a node: the object and its three arrays.</summary>
    public const int NodeBytes = 64 + (3 * (24 + (8 * Capacity)));

    /// <summary>Invariant: a map changes only nodes that carry its own present stamp; all others belong to snapshots too.</summary>
    public readonly long Stamp = stamp;

    public readonly byte[][] Keys = new byte[Capacity][];

    public int Count;

    /// <summary>Invariant: <c>_prefixes[i] == PrefixOf(Keys[i], _shared)</c>.</summary>
    private readonly ulong[] _prefixes = new ulong[Capacity];

    /// <summary>Invariant: all keys agree in their first <c>_shared</c> bytes; 0 if there is no key.</summary>
    private int _shared;

    /// <summary>Whether nothing is stored in or below this node.</summary>
    public abstract bool IsEmpty { get; }

    /// <summary>A node with the same content that the map with this stamp may change.</summary>
    public abstract MapNode CopyFor(long stamp);

    /// <summary>The index of a key, or -1.</summary>
    public int Find(ReadOnlySpan<byte> key)
    {
        if (key.Length < _shared) return -1;
        ulong prefix = PrefixOf(key, _shared);
        int low = FirstPrefixNotBelow(prefix);
        // The shared bytes need no look of their own: the whole key is compared.
        if (low == Count || _prefixes[low] != prefix) return -1;
        if (key.SequenceEqual(Keys[low])) return low;
        if (low + 1 == Count || _prefixes[low + 1] != prefix) return -1;
        int at = BoundAmongEqualPrefixes(key, prefix, low, afterEqual: false);
        return at < Count && key.SequenceEqual(Keys[at]) ? at : -1;
    }

    /// <summary>The index of the first key not below (or, with <paramref name="afterEqual"/>, above) the given one; Count if none.</summary>
    public int Bound(ReadOnlySpan<byte> key, bool afterEqual)
    {
        if (_shared > 0)
        {
            ReadOnlySpan<byte> head = key[..Math.Min(key.Length, _shared)];
            int order = head.SequenceCompareTo(Keys[0].AsSpan(0, _shared));
            if (order != 0) return order < 0 ? 0 : Count;
        }
        ulong prefix = PrefixOf(key, _shared);
        int low = FirstPrefixNotBelow(prefix);
        return low == Count || _prefixes[low] != prefix ? low : BoundAmongEqualPrefixes(key, prefix, low, afterEqual);
    }

    protected void InsertKey(int at, byte[] key)
    {
        int common = _shared == 0 ? 0 : key.AsSpan().CommonPrefixLength(Keys[0].AsSpan(0, _shared));
        if (common < _shared) Share(common);
        Array.Copy(Keys, at, Keys, at + 1, Count - at);
        Array.Copy(_prefixes, at, _prefixes, at + 1, Count - at);
        Keys[at] = key;
        _prefixes[at] = PrefixOf(key, _shared);
        Count++;
    }

    protected void RemoveKey(int at)
    {
        Count--;
        Array.Copy(Keys, at + 1, Keys, at, Count - at);
        Array.Copy(_prefixes, at + 1, _prefixes, at, Count - at);
        Keys[Count] = null!;
        if (Count == 0) _shared = 0;
    }

    /// <summary>Drops all keys from an index on.</summary>
    protected void CutKeys(int count)
    {
        Array.Clear(Keys, count, Count - count);
        Count = count;
        Share();
    }

    /// <summary>Adds keys above all present ones.</summary>
    protected void AddKeys(ReadOnlySpan<byte[]> keys)
    {
        keys.CopyTo(Keys.AsSpan(Count));
        Count += keys.Length;
        Share();
    }

    protected void CopyKeys(MapNode source)
    {
        Array.Copy(source.Keys, Keys, source.Count);
        Array.Copy(source._prefixes, _prefixes, source.Count);
        Count = source.Count;
        _shared = source._shared;
    }

    /// <summary>Finds how much the keys share now and renews the prefixes.</summary>
    public void Share() => Share(Count < 2 ? 0 : Keys[0].AsSpan().CommonPrefixLength(Keys[Count - 1]));

    private void Share(int shared)
    {
        _shared = shared;
        for (int i = 0; i < Count; i++) _prefixes[i] = PrefixOf(Keys[i], shared);
    }

    private int BoundAmongEqualPrefixes(ReadOnlySpan<byte> key, ulong prefix, int low, bool afterEqual)
    {
        int high = low + 1;
        while (high < Count && _prefixes[high] == prefix) high++;
        while (low < high)
        {
            int middle = (low + high) >> 1;
            int order = Keys[middle].AsSpan().SequenceCompareTo(key);
            if (order < 0 || (afterEqual && order == 0)) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    private int FirstPrefixNotBelow(ulong prefix)
    {
        ReadOnlySpan<ulong> prefixes = _prefixes.AsSpan(0, Count);
        int low = 0;
        int length = prefixes.Length;
        while (length > 1)
        {
            int half = length >> 1;
            // A multiplication instead of a branch, which would be mispredicted half of the time.
            low += half * AsInteger(prefixes[low + half - 1] < prefix);
            length -= half;
        }
        return length == 1 ? low + AsInteger(prefixes[low] < prefix) : low;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int AsInteger(bool value) => Unsafe.BitCast<bool, byte>(value);

    /// <summary>The eight bytes from an offset on, big-endian, padded with zeros: equal prefixes do not mean equal keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong PrefixOf(ReadOnlySpan<byte> key, int offset) => key.Length - offset >= sizeof(ulong)
        ? BinaryPrimitives.ReadUInt64BigEndian(key[offset..])
        : ShortPrefixOf(key[offset..]);

    private static ulong ShortPrefixOf(ReadOnlySpan<byte> rest)
    {
        ulong prefix = 0;
        for (int i = 0; i < rest.Length; i++) prefix |= (ulong)rest[i] << (56 - (8 * i));
        return prefix;
    }
}

/// <summary>Holds values. Invariant: only a root leaf is empty.</summary>
internal sealed class MapLeaf(long stamp) : MapNode(stamp)
{
    public readonly byte[][] Values = new byte[Capacity][];

    public override bool IsEmpty => Count == 0;

    public override MapLeaf CopyFor(long stamp)
    {
        var copy = new MapLeaf(stamp);
        copy.CopyKeys(this);
        Array.Copy(Values, copy.Values, Count);
        return copy;
    }

    public void Insert(int at, byte[] key, byte[] value)
    {
        Array.Copy(Values, at, Values, at + 1, Count - at);
        Values[at] = value;
        InsertKey(at, key);
    }

    public void RemoveAt(int at)
    {
        RemoveKey(at);
        Array.Copy(Values, at + 1, Values, at, Count - at);
        Values[Count] = null!;
    }

    /// <summary>Moves the upper half into a new leaf, which is returned.</summary>
    public MapLeaf Split()
    {
        int middle = Count / 2;
        var right = new MapLeaf(Stamp);
        right.AddKeys(Keys.AsSpan(middle, Count - middle));
        Values.AsSpan(middle, Count - middle).CopyTo(right.Values);
        Array.Clear(Values, middle, Count - middle);
        CutKeys(middle);
        return right;
    }

    /// <summary>Adds all of the next leaf.</summary>
    public void Merge(MapLeaf next)
    {
        next.Values.AsSpan(0, next.Count).CopyTo(Values.AsSpan(Count));
        AddKeys(next.Keys.AsSpan(0, next.Count));
    }
}

/// <summary>Holds <c>Count + 1</c> children; key <c>i</c> is above all keys of child <c>i</c> and at most the first of child <c>i + 1</c>.</summary>
internal sealed class MapBranch(long stamp) : MapNode(stamp)
{
    public readonly MapNode[] Children = new MapNode[Capacity + 1];

    public override bool IsEmpty => Count == 0 && Children[0].IsEmpty;

    public override MapBranch CopyFor(long stamp)
    {
        var copy = new MapBranch(stamp);
        copy.CopyKeys(this);
        Array.Copy(Children, copy.Children, Count + 1);
        return copy;
    }

    /// <summary>Adds a child after child <paramref name="at"/>, separated from it by a key.</summary>
    public void InsertAfter(int at, byte[] separator, MapNode child)
    {
        Array.Copy(Children, at + 1, Children, at + 2, Count - at);
        Children[at + 1] = child;
        InsertKey(at, separator);
    }

    /// <summary>Drops a child; its neighbour takes over its part of the key space. There must be another one.</summary>
    public void RemoveChild(int at)
    {
        RemoveKey(Math.Max(at - 1, 0));
        Array.Copy(Children, at + 1, Children, at, Count + 1 - at);
        Children[Count + 1] = null!;
    }

    /// <summary>Moves the upper half into a new branch, which is returned with the key that separates the two.</summary>
    public MapBranch Split(out byte[] separator)
    {
        int middle = Count / 2;
        separator = Keys[middle];
        var right = new MapBranch(Stamp);
        right.AddKeys(Keys.AsSpan(middle + 1, Count - middle - 1));
        Children.AsSpan(middle + 1, Count - middle).CopyTo(right.Children);
        Array.Clear(Children, middle + 1, Count - middle);
        CutKeys(middle);
        return right;
    }

    /// <summary>Adds all of the next branch; <paramref name="separator"/> stood between the two.</summary>
    public void Merge(byte[] separator, MapBranch next)
    {
        next.Children.AsSpan(0, next.Count + 1).CopyTo(Children.AsSpan(Count + 1));
        AddKeys([separator]);
        AddKeys(next.Keys.AsSpan(0, next.Count));
    }
}
