namespace Orleans.Raft.KeyValue;

/// <summary>A few of the keys that were asked for lately, to find where the load of a group lies.</summary>
internal sealed class KeySample
{
    private const int Kept = 128;
    private const int Every = 16;

    // Fewer say nothing of where the load lies.
    private const int Least = 32;

    private readonly byte[][] _keys = new byte[Kept][];
    private int _seen;
    private int _count;
    private int _next;

    /// <summary>Whether the next request's key is wanted; only then it is worth being read.</summary>
    public bool Wants() => ++_seen % Every == 0;

    public void Add(ReadOnlySpan<byte> key)
    {
        _keys[_next] = key.ToArray();
        _next = (_next + 1) % Kept;
        _count = Math.Min(_count + 1, Kept);
    }

    public void Clear() => _count = _next = 0;

    /// <summary>The key that halves those kept; null if none does, as when all ask for the same one.</summary>
    public ReadOnlyMemory<byte>? Middle(Predicate<byte[]> mayBe)
    {
        if (_count < Least) return null;
        byte[][] sorted = _keys[.._count];
        Array.Sort(sorted, static (a, b) => a.AsSpan().SequenceCompareTo(b));
        byte[]? middle = null;
        int best = int.MaxValue;
        for (int below = 1; below < sorted.Length; below++)
        {
            int distance = Math.Abs(below - (sorted.Length / 2));
            bool isBoundary = !sorted[below].AsSpan().SequenceEqual(sorted[below - 1]);
            if (!isBoundary || distance >= best || !mayBe(sorted[below])) continue;
            best = distance;
            middle = sorted[below];
        }
        return middle is null ? null : new ReadOnlyMemory<byte>(middle);
    }
}
