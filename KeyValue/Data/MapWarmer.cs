using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// Brings into the processor's cache what the writes of a batch are about to touch, all keys side by side: one after another each
/// write would wait several times for memory. Changes nothing and promises nothing; where the processor cannot be asked to
/// fetch ahead it does nothing.
/// </summary>
internal sealed class MapWarmer
{
    private const int PlacesKept = 1024;

    private (MapLeaf Leaf, int At, int KeyStart, int KeyLength)[] _places = new (MapLeaf, int, int, int)[64];
    private int _count;

    public static bool IsUseful => Sse.IsSupported;

    /// <summary>Asks for the leaf that a key belongs in.</summary>
    /// <param name="source">Holds the key; the same for all keys until <see cref="Finish"/>.</param>
    public void Add(OrderedMap map, ReadOnlySpan<byte> source, ReadOnlySpan<byte> key)
    {
        if (_count == _places.Length) Array.Resize(ref _places, 2 * _count);
        MapLeaf leaf = map.LeafOf(key);
        leaf.FetchForFind();
        source.Overlaps(key, out int start);
        _places[_count++] = (leaf, -1, start, key.Length);
    }

    /// <summary>Asks for the values of all keys that were added, and forgets the keys.</summary>
    public void Finish(ReadOnlySpan<byte> source)
    {
        Span<(MapLeaf Leaf, int At, int KeyStart, int KeyLength)> places = _places.AsSpan(0, _count);
        foreach (ref (MapLeaf Leaf, int At, int KeyStart, int KeyLength) place in places)
        {
            place.At = place.Leaf.Find(source.Slice(place.KeyStart, place.KeyLength));
            if (place.At >= 0) Fetch(ref place.Leaf.Values[place.At], Unsafe.SizeOf<object>());
        }
        foreach (ref (MapLeaf Leaf, int At, int KeyStart, int KeyLength) place in places)
        {
            if (place.At >= 0) place.Leaf.FetchValue(place.At);
        }
        places.Clear();
        _count = 0;
        if (_places.Length > PlacesKept) _places = new (MapLeaf, int, int, int)[PlacesKept];
    }

    /// <summary>Asks for the cache lines of a run of bytes.</summary>
    public static unsafe void Fetch<T>(ref T first, int bytes)
    {
        const int LineBytes = 64;
        // The address may be outdated before the processor looks at it; it is only a hint.
        byte* at = (byte*)Unsafe.AsPointer(ref first);
        for (int offset = 0; offset < bytes; offset += LineBytes) Sse.Prefetch0(at + offset);
    }
}
