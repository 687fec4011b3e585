using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// A node of an <see cref="OrderedMap"/>: sorted keys, and beside each the eight bytes of it that follow what all keys
/// of the node share, big-endian, so that most comparisons need not touch the key itself.
/// </summary>
internal abstract class MapNode(long stamp)
{
    public const int Capacity = 64;

    /// <summary>A node with fewer keys is merged with a neighbour if the two fit well into one.</summary>
    public const int MergeBelow = Capacity / 4;

    /// <summary>The most keys of a merged node: room is left so that the next insert does not split it again.</summary>
    public const int MergedMost = Capacity * 3 / 4;

    /// <summary>Estimated heap use of a node: one object that holds its arrays.</summary>
    public const int NodeBytes = 56 + HeadBytes + (((3 * 8) + 1) * Capacity);

    private const int PrefixBytes = 8;
    private const int HeadBytes = 24;

    /// <summary>Invariant: a map changes only nodes that carry its own present stamp; all others belong to snapshots
    /// too.</summary>
    public readonly long Stamp = stamp;

    public int Count;

    /// <summary>Invariant: the bytes of all keys and values in or below this node.</summary>
    public long Bytes;

    /// <summary>Invariant: all keys agree in their first <c>_shared</c> bytes; 0 if there is no key.</summary>
    private int _shared;

    /// <summary>Invariant: <c>_prefixes[i] == PrefixOf(Keys[i], _shared)</c>.</summary>
    private PrefixArray _prefixes;

    private KeyArray _keys;

    /// <summary>Invariant: how many bytes of key i follow the shared ones, or 255 if that is more.</summary>
    private RestArray _rests;

    /// <summary>Invariant: the shared bytes, as far as they fit.</summary>
    private HeadArray _head;

    public Span<byte[]> Keys => _keys;

    /// <summary>How many keys and values are stored in or below this node.</summary>
    public abstract int Entries { get; }

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
        if (low == Count || _prefixes[low] != prefix) return -1;
        if (IsKey(low, key)) return low;
        if (low + 1 == Count || _prefixes[low + 1] != prefix) return -1;
        int at = BoundAmongEqualPrefixes(key, prefix, low, afterEqual: false);
        return at < Count && key.SequenceEqual(Keys[at]) ? at : -1;
    }

    /// <summary>Whether this is key i, of which the prefix is known to be the same. A key that the node holds wholly is not touched.</summary>
    private bool IsKey(int at, ReadOnlySpan<byte> key)
    {
        int rest = key.Length - _shared;
        if (rest > PrefixBytes || _shared > HeadBytes) return key.SequenceEqual(Keys[at]);
        return _rests[at] == rest && key[.._shared].SequenceEqual(Head);
    }

    private ReadOnlySpan<byte> Head => ((ReadOnlySpan<byte>)_head)[..Math.Min(_shared, HeadBytes)];

    /// <summary>The index of the first key not below (or, with <paramref name="afterEqual"/>, above) the given one; Count if none.</summary>
    public int Bound(ReadOnlySpan<byte> key, bool afterEqual)
    {
        if (_shared > 0)
        {
            ReadOnlySpan<byte> shared = _shared <= HeadBytes ? Head : Keys[0].AsSpan(0, _shared);
            int order = key[..Math.Min(key.Length, _shared)].SequenceCompareTo(shared);
            if (order != 0) return order < 0 ? 0 : Count;
        }
        ulong prefix = PrefixOf(key, _shared);
        int low = FirstPrefixNotBelow(prefix);
        return low == Count || _prefixes[low] != prefix ? low : BoundAmongEqualPrefixes(key, prefix, low, afterEqual);
    }

    /// <summary>Asks for all that <see cref="Find"/> reads, wherever the runtime has put it: only a hint.</summary>
    public void FetchForFind()
    {
        MapWarmer.Fetch(ref Count, sizeof(int));
        MapWarmer.Fetch(ref _prefixes[0], Capacity * sizeof(ulong));
        MapWarmer.Fetch(ref _rests[0], Capacity);
        MapWarmer.Fetch(ref _head[0], HeadBytes);
    }

    protected void InsertKey(int at, byte[] key)
    {
        int common = _shared == 0 ? 0 : key.AsSpan().CommonPrefixLength(Keys[0].AsSpan(0, _shared));
        if (common < _shared) Share(common);
        OpenGap(Keys, at, Count);
        OpenGap<ulong>(_prefixes, at, Count);
        OpenGap<byte>(_rests, at, Count);
        Keys[at] = key;
        SetPrefix(at);
        ulong prefix = _prefixes[at];
        Count++;
        bool isAmbiguous = (at > 0 && _prefixes[at - 1] == prefix) || (at + 1 < Count && _prefixes[at + 1] == prefix);
        if (isAmbiguous) Share();
    }

    protected void RemoveKey(int at)
    {
        CloseGap(Keys, at, Count);
        CloseGap<ulong>(_prefixes, at, Count);
        CloseGap<byte>(_rests, at, Count);
        Count--;
        if (Count == 0) _shared = 0;
    }

    /// <summary>Drops all keys from an index on.</summary>
    protected void CutKeys(int count)
    {
        Keys[count..Count].Clear();
        Count = count;
        Share();
    }

    /// <summary>Adds keys above all present ones.</summary>
    protected void AddKeys(ReadOnlySpan<byte[]> keys)
    {
        keys.CopyTo(Keys[Count..]);
        Count += keys.Length;
        Share(SharedLength());
    }

    protected void CopyKeys(MapNode source)
    {
        source.Keys[..source.Count].CopyTo(Keys);
        _prefixes = source._prefixes;
        _rests = source._rests;
        _head = source._head;
        Count = source.Count;
        _shared = source._shared;
    }

    /// <summary>Finds how much the keys share now and, if that changed, renews the prefixes.</summary>
    public void Share()
    {
        int shared = SharedLength();
        if (shared != _shared) Share(shared);
    }

    private int SharedLength() => Count < 2 ? 0 : Keys[0].AsSpan().CommonPrefixLength(Keys[Count - 1]);

    private void Share(int shared)
    {
        _shared = shared;
        if (Count > 0) Keys[0].AsSpan(0, Math.Min(shared, HeadBytes)).CopyTo(_head);
        for (int i = 0; i < Count; i++) SetPrefix(i);
    }

    private void SetPrefix(int at)
    {
        byte[] key = Keys[at];
        _prefixes[at] = PrefixOf(key, _shared);
        _rests[at] = (byte)Math.Min(key.Length - _shared, byte.MaxValue);
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

    /// <summary>Counts the prefixes below the given one: reading all of them at once beats a binary search, whose every
    /// step waits for the memory of the one before.</summary>
    private int FirstPrefixNotBelow(ulong prefix)
    {
        ReadOnlySpan<ulong> prefixes = ((ReadOnlySpan<ulong>)_prefixes)[..Count];
        int below = 0;
        int at = 0;
        if (Vector.IsHardwareAccelerated)
        {
            var limit = new Vector<ulong>(prefix);
            Vector<ulong> counts = Vector<ulong>.Zero;
            for (; at <= prefixes.Length - Vector<ulong>.Count; at += Vector<ulong>.Count)
                counts -= Vector.LessThan(new Vector<ulong>(prefixes[at..]), limit);
            below = (int)Vector.Sum(counts);
        }
        for (; at < prefixes.Length; at++) below += AsInteger(prefixes[at] < prefix);
        return below;
    }

    protected static void OpenGap<T>(Span<T> items, int at, int count) =>
        items[at..count].CopyTo(items[(at + 1)..]);

    /// <summary>Removes an item and clears the place that becomes free.</summary>
    protected static void CloseGap<T>(Span<T> items, int at, int count)
    {
        items[(at + 1)..count].CopyTo(items[at..]);
        items[count - 1] = default!;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int AsInteger(bool value) => Unsafe.BitCast<bool, byte>(value);

    /// <summary>The eight bytes from an offset on, big-endian, padded with zeros: equal prefixes do not mean equal
    /// keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong PrefixOf(ReadOnlySpan<byte> key, int offset) => key.Length - offset >= sizeof(ulong)
        ? BinaryPrimitives.ReadUInt64BigEndian(key[offset..])
        : ShortPrefixOf(key, offset);

    private static ulong ShortPrefixOf(ReadOnlySpan<byte> key, int offset)
    {
        int length = key.Length - offset;
        if (length == 0) return 0;
        if (key.Length >= sizeof(ulong))
            return BinaryPrimitives.ReadUInt64BigEndian(key[^sizeof(ulong)..]) << (8 * (sizeof(ulong) - length));
        ulong prefix = 0;
        for (int i = 0; i < length; i++) prefix |= (ulong)key[offset + i] << (56 - (8 * i));
        return prefix;
    }

    [InlineArray(Capacity)]
    private struct PrefixArray
    {
        private ulong _item;
    }

    [InlineArray(Capacity)]
    private struct KeyArray
    {
        private byte[] _item;
    }

    [InlineArray(Capacity)]
    private struct RestArray
    {
        private byte _item;
    }

    [InlineArray(HeadBytes)]
    private struct HeadArray
    {
        private byte _item;
    }
}

/// <summary>Holds values. Invariant: only a root leaf is empty.</summary>
internal sealed class MapLeaf(long stamp) : MapNode(stamp)
{
    private const int FetchedValueBytes = 320;

    private ValueArray _values;

    /// <summary>
    /// Invariant: bit i is set only if value i was made by the map that owns this leaf since its last snapshot, so that no one
    /// else can see it and it may be overwritten in place.
    /// </summary>
    private ulong _ownValues;

    public Span<byte[]> Values => _values;

    public override int Entries => Count;

    public override bool IsEmpty => Count == 0;

    public override MapLeaf CopyFor(long stamp)
    {
        var copy = new MapLeaf(stamp);
        copy.CopyKeys(this);
        copy._values = _values;
        copy.Bytes = Bytes;
        return copy;
    }

    /// <summary>Replaces a value by a copy of another and returns by how much it is longer.</summary>
    public int SetValue(int at, ReadOnlySpan<byte> value)
    {
        ref byte[] present = ref Values[at];
        int length = present.Length;
        Bytes += value.Length - length;
        // In place where possible: what is overwritten often would otherwise be the garbage collector's main work.
        if (length == value.Length && (_ownValues & (1UL << at)) != 0) value.CopyTo(present);
        else present = value.ToArray();
        _ownValues |= 1UL << at;
        return value.Length - length;
    }

    /// <summary>Asks for the beginning of a value; the rest comes by itself once that is read.</summary>
    public void FetchValue(int at) => MapWarmer.Fetch(ref MemoryMarshal.GetArrayDataReference(Values[at]), FetchedValueBytes);

    public void Insert(int at, byte[] key, byte[] value)
    {
        Bytes += key.Length + value.Length;
        OpenGap(Values, at, Count);
        Values[at] = value;
        ulong below = _ownValues & Below(at);
        _ownValues = below | ((_ownValues ^ below) << 1) | (1UL << at);
        InsertKey(at, key);
    }

    public void RemoveAt(int at)
    {
        Bytes -= BytesAt(at);
        CloseGap(Values, at, Count);
        ulong below = _ownValues & Below(at);
        _ownValues = below | ((_ownValues >> 1) & ~Below(at));
        RemoveKey(at);
    }

    /// <summary>Moves the upper half into a new leaf, which is returned.</summary>
    public MapLeaf Split()
    {
        int middle = Count / 2;
        var right = new MapLeaf(Stamp);
        right.AddKeys(Keys[middle..Count]);
        Values[middle..Count].CopyTo(right.Values);
        Values[middle..Count].Clear();
        right._ownValues = _ownValues >> middle;
        _ownValues &= Below(middle);
        CutKeys(middle);
        right.Bytes = right.BytesOf(0, right.Count);
        Bytes -= right.Bytes;
        return right;
    }

    /// <summary>Of the keys and values in some of the places.</summary>
    public long BytesOf(int first, int end)
    {
        long bytes = 0;
        for (int i = first; i < end; i++) bytes += BytesAt(i);
        return bytes;
    }

    private int BytesAt(int at) => Keys[at].Length + Values[at].Length;

    /// <summary>Some of the entries, in a leaf that no map may change; null if there are none.</summary>
    public MapLeaf? Part(int first, int end)
    {
        if (first == end) return null;
        var part = new MapLeaf(Stamp);
        part.AddKeys(Keys[first..end]);
        Values[first..end].CopyTo(part.Values);
        part.Bytes = part.BytesOf(0, part.Count);
        return part;
    }

    /// <summary>Adds all of the next leaf.</summary>
    public void Merge(MapLeaf next)
    {
        next.Values[..next.Count].CopyTo(Values[Count..]);
        // A leaf of an earlier stamp is a snapshot's too, and so are its values.
        if (next.Stamp == Stamp) _ownValues |= next._ownValues << Count;
        Bytes += next.Bytes;
        AddKeys(next.Keys[..next.Count]);
    }

    /// <summary>The bits of the places before one that is below <see cref="MapNode.Capacity"/>.</summary>
    private static ulong Below(int at) => (1UL << at) - 1;

    [InlineArray(Capacity)]
    private struct ValueArray
    {
        private byte[] _item;
    }
}

/// <summary>Holds <c>Count + 1</c> children; key <c>i</c> is above all keys of child <c>i</c> and at most the first of
/// child <c>i + 1</c>.</summary>
internal sealed class MapBranch(long stamp) : MapNode(stamp)
{
    private ChildArray _children;
    private int _entries;

    public Span<MapNode> Children => _children;

    public override int Entries => _entries;

    public override bool IsEmpty => Count == 0 && Children[0].IsEmpty;

    public override MapBranch CopyFor(long stamp)
    {
        var copy = new MapBranch(stamp);
        copy.CopyKeys(this);
        copy._children = _children;
        copy.Grow(_entries, Bytes);
        return copy;
    }

    /// <summary>Takes note of what was added below, or removed.</summary>
    public void Grow(int entries, long bytes)
    {
        _entries += entries;
        Bytes += bytes;
    }

    /// <summary>Adds up what is below.</summary>
    private void Measure()
    {
        foreach (MapNode child in Children[..(Count + 1)]) Grow(child.Entries, child.Bytes);
    }

    /// <summary>Adds a child after child <paramref name="at"/>, separated from it by a key. What it holds was below here
    /// before.</summary>
    public void InsertAfter(int at, byte[] separator, MapNode child)
    {
        OpenGap(Children, at + 1, Count + 1);
        Children[at + 1] = child;
        InsertKey(at, separator);
    }

    /// <summary>Drops a child that holds nothing any more; its neighbour takes over its part of the key space. There must be
    /// another one.</summary>
    public void RemoveChild(int at)
    {
        CloseGap(Children, at, Count + 1);
        RemoveKey(Math.Max(at - 1, 0));
    }

    /// <summary>Moves the upper half into a new branch, which is returned with the key that separates the
    /// two.</summary>
    public MapBranch Split(out byte[] separator)
    {
        int middle = Count / 2;
        separator = Keys[middle];
        var right = new MapBranch(Stamp);
        right.AddKeys(Keys[(middle + 1)..Count]);
        Children[(middle + 1)..(Count + 1)].CopyTo(right.Children);
        Children[(middle + 1)..(Count + 1)].Clear();
        CutKeys(middle);
        right.Measure();
        Grow(-right.Entries, -right.Bytes);
        return right;
    }

    /// <summary>Some of the children and one more before or after them, in a branch that no map may change; null if there
    /// are none.</summary>
    /// <param name="first">Holds what is left of the child before them.</param>
    /// <param name="last">Holds what is left of the child after them.</param>
    public MapBranch? Part(int start, int end, MapNode? first = null, MapNode? last = null)
    {
        var part = new MapBranch(Stamp);
        int count = 0;
        if (first is not null) part.Children[count++] = first;
        Children[start..end].CopyTo(part.Children[count..]);
        count += end - start;
        if (last is not null) part.Children[count++] = last;
        if (count == 0) return null;
        part.AddKeys(Keys.Slice(first is null ? start : start - 1, count - 1));
        part.Measure();
        return part;
    }

    /// <summary>A branch of these children, with the keys that separate them.</summary>
    public static MapBranch Of(long stamp, ReadOnlySpan<MapNode> children, ReadOnlySpan<byte[]> keys)
    {
        var branch = new MapBranch(stamp);
        children.CopyTo(branch.Children);
        branch.AddKeys(keys);
        branch.Measure();
        return branch;
    }

    /// <summary>Adds all of the next branch; <paramref name="separator"/> stood between the two.</summary>
    public void Merge(byte[] separator, MapBranch next)
    {
        next.Children[..(next.Count + 1)].CopyTo(Children[(Count + 1)..]);
        AddKeys([separator]);
        AddKeys(next.Keys[..next.Count]);
        Grow(next.Entries, next.Bytes);
    }

    [InlineArray(Capacity + 1)]
    private struct ChildArray
    {
        private MapNode _item;
    }
}
