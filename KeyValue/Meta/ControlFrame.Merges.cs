using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>What is told of merges, and the content that goes from one group to the other.</content>
internal static partial class ControlFrame
{
    private static void Write(ByteBuffer buffer, in MergeMarks marks)
    {
        buffer.Varint(marks.Last.Value);
        buffer.Flag(marks.HasTaken);
        buffer.Varint(marks.Frozen.Value);
        buffer.Varint(marks.Incoming.Value);
    }

    private static void Write(ByteBuffer buffer, MergePart part)
    {
        buffer.Byte((byte)Kind.MergePart);
        buffer.Varint(part.Target.Value);
        buffer.Varint(part.Chunk.Merge.Value);
        buffer.Block(part.Chunk.Source.Encode());
        buffer.Varint((ulong)part.Chunk.OffsetBytes);
        buffer.Varint((ulong)part.Chunk.TotalBytes);
        buffer.UInt32(part.Chunk.Checksum);
        buffer.Block(part.Chunk.Data.Span);
    }

    private static void Write(ByteBuffer buffer, MergeReply reply)
    {
        buffer.Byte((byte)Kind.MergeReply);
        buffer.Varint(reply.Merge.Value);
        buffer.Byte((byte)reply.Status);
        buffer.Varint((ulong)reply.NextOffsetBytes);
        buffer.Text(reply.Text);
    }

    private static bool TryReadMarks(ref ByteReader reader, out MergeMarks marks)
    {
        marks = default;
        if (!TryMerge(ref reader, out MergeId last) || !reader.TryFlag(out bool hasTaken)
            || !TryMerge(ref reader, out MergeId frozen) || !TryMerge(ref reader, out MergeId incoming))
            return false;
        marks = new MergeMarks(last, hasTaken, frozen, incoming);
        return true;
    }

    private static MergeTrouble[]? ReadTroubles(ref ByteReader reader)
    {
        if (!reader.TryCount(out int count)) return null;
        var troubles = new MergeTrouble[count];
        for (int i = 0; i < count; i++)
        {
            if (!TryMerge(ref reader, out MergeId merge) || !reader.TryText(out string reason)) return null;
            troubles[i] = new MergeTrouble(merge, reason);
        }
        return troubles;
    }

    private static MergedGroup[]? ReadMerged(ref ByteReader reader)
    {
        if (!reader.TryCount(out int count)) return null;
        var merged = new MergedGroup[count];
        for (int i = 0; i < count; i++)
        {
            if (!reader.TryGroup(out GroupId group) || !reader.TryGroup(out GroupId into)) return null;
            merged[i] = new MergedGroup(group, into);
        }
        return merged;
    }

    private static MergePart? ReadMergePart(ref ByteReader reader)
    {
        if (!reader.TryGroup(out GroupId target) || !TryMerge(ref reader, out MergeId merge)
            || !reader.TryDescriptor(out GroupDescriptor? source) || !reader.TryPositive(out long offset)
            || !reader.TryPositive(out long total) || !reader.TryUInt32(out uint checksum)
            || !reader.TryBlock(out ReadOnlySpan<byte> data) || data.Length > MergeContent.MaxChunkBytes)
            return null;
        return new MergePart(target, new MergeChunk(merge, source, offset, total, checksum, data.ToArray()));
    }

    private static MergeReply? ReadMergeReply(ref ByteReader reader)
    {
        if (!TryMerge(ref reader, out MergeId merge) || !reader.TryByte(out byte status)
            || status > (byte)MergeReplyStatus.Elsewhere || !reader.TryPositive(out long next)
            || !reader.TryText(out string text))
            return null;
        return new MergeReply(merge, (MergeReplyStatus)status, next, text);
    }

    private static bool TryMerge(ref ByteReader reader, out MergeId merge)
    {
        bool read = reader.TryVarint(out ulong value);
        merge = new MergeId(value);
        return read;
    }
}
