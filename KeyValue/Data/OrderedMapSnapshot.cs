using System.Diagnostics.CodeAnalysis;

namespace Orleans.Raft.KeyValue;

/// <summary>An <see cref="OrderedMap"/> as it was at one moment. Never changes; may be read from any thread.</summary>
public sealed class OrderedMapSnapshot
{
    /// <param name="stamp">None of the nodes carries a higher one.</param>
    internal OrderedMapSnapshot(MapNode root, long stamp, long nodes)
    {
        Root = root;
        Stamp = stamp;
        Nodes = nodes;
    }

    internal MapNode Root { get; }

    internal long Stamp { get; }

    internal long Nodes { get; }

    public int Count => Root.Entries;

    /// <summary>Estimated heap use; shared with the map as long as it has not changed much.</summary>
    public long MemoryBytes => OrderedMap.MemoryBytesOf(Root, Nodes);

    /// <summary>The value of a key. The array must not be changed.</summary>
    public bool TryGet(ReadOnlySpan<byte> key, [MaybeNullWhen(false)] out byte[] value) =>
        OrderedMap.TryGet(Root, key, out value);

    public OrderedMapCursor Cursor() => new(Root, null);
}
