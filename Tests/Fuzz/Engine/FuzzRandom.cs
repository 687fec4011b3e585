using Orleans.Raft.Core;

namespace Orleans.Raft.Fuzz;

/// <summary>The choices of one input; the same seed gives the same input on every machine.</summary>
internal sealed class FuzzRandom(ulong seed)
{
    private static readonly ulong[] s_boundaries =
    [
        0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
        0x1_0000_0000, long.MaxValue - 1, long.MaxValue, 1UL << 63, ulong.MaxValue - 1, ulong.MaxValue,
    ];

    private SplitMix64 _source = new(seed);

    /// <summary>The generator of input <paramref name="number"/> of a target.</summary>
    public static FuzzRandom For(ulong seed, string target, long number)
    {
        var mix = new SplitMix64(seed);
        ulong state = mix.Next();
        foreach (char letter in target) state = new SplitMix64(state ^ letter).Next();
        return new FuzzRandom(new SplitMix64(state ^ (ulong)number).Next());
    }

    /// <summary>From 0 up to but not including <paramref name="bound"/>.</summary>
    public int Below(int bound) => (int)_source.NextBelow((ulong)bound);

    public bool OneIn(int count) => Below(count) == 0;

    public T Of<T>(params ReadOnlySpan<T> choices) => choices[Below(choices.Length)];

    public ulong Bits() => _source.Next();

    public Guid Guid() => _source.NextGuid();

    /// <summary>A number as parsers meet them: mostly small, often at a boundary, sometimes anything.</summary>
    public ulong Number() => Below(4) switch
    {
        0 => (ulong)Below(4),
        1 => s_boundaries[Below(s_boundaries.Length)],
        2 => (ulong)Below(1000),
        _ => Bits() >> Below(64),
    };

    /// <summary>At most so many bytes: random ones, or few different ones.</summary>
    public byte[] Bytes(int most)
    {
        byte[] bytes = new byte[Below(most + 1)];
        int spread = Of(256, 256, 3, 128);
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)Below(spread);
        return bytes;
    }

    /// <summary>A word of letters, sometimes beyond ASCII.</summary>
    public string Text(int most)
    {
        var text = new System.Text.StringBuilder();
        for (int left = Below(most + 1); left > 0; left--)
            text.Append(OneIn(20)
                ? Of("ä", "€", "\U0001F600", " ", "\0", "\t")
                : ((char)('a' + Below(26))).ToString());
        return text.ToString();
    }
}
