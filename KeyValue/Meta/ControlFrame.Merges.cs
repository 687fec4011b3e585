using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>What is told of merges, and the content that goes from one group to the other.</content>
internal static partial class ControlFrame
{
    private static void Write(ByteBuffer buffer, in MergeMarks marks)
    {
        buffer.Varint(marks.Last);
        buffer.Flag(marks.HasTaken);
        buffer.Varint(marks.Frozen);
        buffer.Varint(marks.Incoming);
        buffer.Varint(marks.Chunks);
    }

    private static void Write(ByteBuffer buffer, MergeChunk chunk)
    {
        buffer.Byte((byte)Kind.MergeChunk);
        buffer.Varint(chunk.Merge);
        buffer.Block(chunk.Source.Encode());
        buffer.Varint(chunk.Target.Value);
        buffer.Varint(chunk.Number);
        buffer.Varint(chunk.Count);
        buffer.Varint(chunk.TotalBytes);
        buffer.UInt32(chunk.Checksum);
        buffer.Block(chunk.Bytes.Span);
    }

    private static void Write(ByteBuffer buffer, MergeReply reply)
    {
        buffer.Byte((byte)Kind.MergeReply);
        buffer.Varint(reply.Merge);
        buffer.Varint(reply.Source.Value);
        buffer.Byte((byte)reply.Status);
        buffer.Varint(reply.Next);
        buffer.Text(reply.Text);
    }

    private static bool TryReadMarks(ref ByteReader reader, out MergeMarks marks)
    {
        marks = default;
        if (!reader.TryVarint(out ulong last) || !reader.TryFlag(out bool hasTaken) || !reader.TryVarint(out ulong frozen)
            || !reader.TryVarint(out ulong incoming) || !TryNumber(ref reader, out uint chunks))
            return false;
        marks = new MergeMarks(last, hasTaken, frozen, incoming, chunks);
        return true;
    }

    private static MergeTrouble[]? ReadTroubles(ref ByteReader reader)
    {
        if (!reader.TryCount(out int count)) return null;
        var troubles = new MergeTrouble[count];
        for (int i = 0; i < count; i++)
        {
            if (!reader.TryVarint(out ulong merge) || !reader.TryText(out string reason)) return null;
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

    private static MergeChunk? ReadMergeChunk(ref ByteReader reader)
    {
        if (!reader.TryVarint(out ulong merge) || !reader.TryDescriptor(out GroupDescriptor? source)
            || !reader.TryGroup(out GroupId target) || !TryNumber(ref reader, out uint number)
            || !TryNumber(ref reader, out uint count) || !TryNumber(ref reader, out uint total)
            || !reader.TryUInt32(out uint checksum) || !reader.TryBlock(out ReadOnlySpan<byte> bytes)
            || bytes.Length > MergeChunk.MaxBytes)
            return null;
        return new MergeChunk(merge, source, target, number, count, total, checksum, bytes.ToArray());
    }

    private static MergeReply? ReadMergeReply(ref ByteReader reader)
    {
        if (!reader.TryVarint(out ulong merge) || !reader.TryGroup(out GroupId source)
            || !reader.TryByte(out byte status) || status > (byte)MergeReplyStatus.Elsewhere
            || !TryNumber(ref reader, out uint next) || !reader.TryText(out string text))
            return null;
        return new MergeReply(merge, source, (MergeReplyStatus)status, next, text);
    }

    private static bool TryNumber(ref ByteReader reader, out uint number)
    {
        bool read = reader.TryVarint(out ulong value) && value <= uint.MaxValue;
        number = read ? (uint)value : 0;
        return read;
    }
}
