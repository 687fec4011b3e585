using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Names a merge of two groups: the controller counts them up, and none is used twice. 0 means none. Its text form
/// is <c>m7</c>.</summary>
public readonly record struct MergeId(ulong Value) : IComparable<MergeId>
{
    public int CompareTo(MergeId other) => Value.CompareTo(other.Value);

    public static bool operator <(MergeId left, MergeId right) => left.Value < right.Value;

    public static bool operator >(MergeId left, MergeId right) => left.Value > right.Value;

    public static bool operator <=(MergeId left, MergeId right) => left.Value <= right.Value;

    public static bool operator >=(MergeId left, MergeId right) => left.Value >= right.Value;

    public override string ToString() => $"m{Value}";
}

/// <summary>How a merge ended for a group. Stored and sent as one byte.</summary>
public enum MergeOutcome : byte
{
    /// <summary>There was none.</summary>
    None = 0,

    /// <summary>Of a target: the source's keys are its own.</summary>
    Taken = 1,

    /// <summary>Nothing changed hands, and never will in that merge.</summary>
    Abandoned = 2,
}

/// <summary>Where a group is in its merges; replicated. Never changes: another one takes its place.</summary>
/// <param name="Last">The newest that has ended here. Invariant: it never goes back, and steps of older ones change
/// nothing.</param>
/// <param name="Frozen">Of a source. Invariant: newer than <see cref="Last"/>, and there is nothing incoming then.</param>
/// <param name="Incoming">Of a target. Invariant: newer than <see cref="Last"/>.</param>
public sealed record MergeState(MergeId Last, MergeOutcome Outcome, FrozenMerge? Frozen, IncomingMerge? Incoming)
{
    public static readonly MergeState None = new(default, MergeOutcome.None, null, null);

    /// <summary>The same after a merge has ended, and with it what belonged to it or to an older one.</summary>
    internal MergeState Ended(MergeId merge, MergeOutcome outcome) => new(merge, outcome,
        Frozen?.Merge <= merge ? null : Frozen, Incoming?.Merge <= merge ? null : Incoming);
}

/// <summary>That a group waits for another one to take over what it has.</summary>
public sealed record FrozenMerge(MergeId Merge, GroupId Target);

/// <summary>What a group got so far of what a neighbour has.</summary>
public sealed class IncomingMerge
{
    internal IncomingMerge(MergeId merge, GroupDescriptor source, long totalBytes, uint checksum, byte[][] chunks)
    {
        Merge = merge;
        Source = source;
        TotalBytes = totalBytes;
        Checksum = checksum;
        Chunks = chunks;
        NextOffsetBytes = chunks.Sum(chunk => (long)chunk.Length);
    }

    public MergeId Merge { get; }

    /// <summary>Its group, range and range version; no members.</summary>
    public GroupDescriptor Source { get; }

    public long TotalBytes { get; }

    /// <summary>CRC-32C of the whole.</summary>
    public uint Checksum { get; }

    /// <summary>Where the next part begins.</summary>
    public long NextOffsetBytes { get; }

    public bool IsComplete => NextOffsetBytes == TotalBytes;

    internal byte[][] Chunks { get; }

    internal IncomingMerge With(ReadOnlySpan<byte> chunk) =>
        new(Merge, Source, TotalBytes, Checksum, [.. Chunks, chunk.ToArray()]);
}
