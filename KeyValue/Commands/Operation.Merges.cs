using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>The steps of a merge.</content>
public static partial class Operation
{
    /// <summary>Makes the group the source of a merge: from now on it changes and serves nothing.</summary>
    /// <param name="rangeVersion">What the group's must still be when this is applied; else nothing changes.</param>
    public static byte[] Freeze(MergeId merge, GroupId target, ulong rangeVersion)
    {
        ByteBuffer buffer = Start(OperationKind.Freeze, merge);
        buffer.Varint(target.Value);
        buffer.Varint(rangeVersion);
        return buffer.ToArray();
    }

    /// <summary>Hands the target the next part of what the source has.</summary>
    public static byte[] Absorb(MergeChunk chunk)
    {
        ArgumentNullException.ThrowIfNull(chunk);
        ByteBuffer buffer = Start(OperationKind.Absorb, chunk.Merge);
        buffer.Varint(chunk.Source.Group.Value);
        buffer.Block(chunk.Source.Start);
        buffer.Block(chunk.Source.End);
        buffer.Varint(chunk.Source.RangeVersion);
        buffer.Varint((ulong)chunk.OffsetBytes);
        buffer.Varint((ulong)chunk.TotalBytes);
        buffer.UInt32(chunk.Checksum);
        buffer.Block(chunk.Data.Span);
        return buffer.ToArray();
    }

    /// <summary>Makes what the target absorbed its own.</summary>
    public static byte[] TakeOver(MergeId merge) => Start(OperationKind.TakeOver, merge).ToArray();

    /// <summary>Ends a merge in the target, unless that took over before.</summary>
    public static byte[] Abandon(MergeId merge) => Start(OperationKind.Abandon, merge).ToArray();

    /// <summary>Lets the source serve again after the target abandoned the merge.</summary>
    public static byte[] Thaw(MergeId merge) => Start(OperationKind.Thaw, merge).ToArray();

    private static ByteBuffer Start(OperationKind kind, MergeId merge)
    {
        ByteBuffer buffer = Start(kind);
        buffer.Varint(merge.Value);
        return buffer;
    }
}
