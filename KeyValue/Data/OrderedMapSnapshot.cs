using System.Diagnostics.CodeAnalysis;

namespace Orleans.Raft.KeyValue;

/// <summary>An <see cref="OrderedMap"/> as it was at one moment. Never changes; may be read from any thread.</summary>
public sealed class OrderedMapSnapshot
{
    private readonly MapNode _root;

    internal OrderedMapSnapshot(MapNode root, int count, long memoryBytes)
    {
        _root = root;
        Count = count;
        MemoryBytes = memoryBytes;
    }

    public int Count { get; }

    /// <summary>Estimated heap use; shared with the map as long as it has not changed much.</summary>
    public long MemoryBytes { get; }

    /// <summary>The value of a key. The array must not be changed.</summary>
    public bool TryGet(ReadOnlySpan<byte> key, [MaybeNullWhen(false)] out byte[] value) =>
        OrderedMap.TryGet(_root, key, out value);

    public OrderedMapCursor Cursor() => new(_root, null);
}
