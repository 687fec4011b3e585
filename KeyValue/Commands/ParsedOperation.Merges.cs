using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>The steps of a merge.</content>
internal ref partial struct ParsedOperation
{
    private static AnswerStatus ReadMerge(ref ByteReader reader, ref ParsedOperation operation)
    {
        bool read = reader.TryVarint(out ulong merge) && merge > 0;
        operation.Merge = new MergeId(merge);
        return read ? AnswerStatus.Ok : AnswerStatus.Malformed;
    }

    private static AnswerStatus ReadFreeze(ref ByteReader reader, ref ParsedOperation operation)
    {
        bool read = ReadMerge(ref reader, ref operation) == AnswerStatus.Ok && TryGroup(ref reader, out operation.Group)
            && reader.TryVarint(out operation.RangeVersion);
        return read ? AnswerStatus.Ok : AnswerStatus.Malformed;
    }

    private static AnswerStatus ReadAbsorb(ref ByteReader reader, StoreLimits limits, ref ParsedOperation operation)
    {
        bool read = ReadMerge(ref reader, ref operation) == AnswerStatus.Ok && TryGroup(ref reader, out operation.Group)
            && reader.TryBlock(out operation.Start) && reader.TryBlock(out operation.End)
            && reader.TryVarint(out operation.RangeVersion);
        if (!read) return AnswerStatus.Malformed;
        if (Math.Max(operation.Start.Length, operation.End.Length) > limits.MaxKeyBytes) return AnswerStatus.KeyTooLarge;
        if (!operation.End.IsEmpty && operation.Start.SequenceCompareTo(operation.End) >= 0) return AnswerStatus.Malformed;
        read = reader.TryPositive(out operation.Number) && reader.TryPositive(out operation.TotalBytes)
            && reader.TryUInt32(out operation.Checksum) && reader.TryBlock(out operation.Value)
            && operation.Value.Length is > 0 and <= MergeContent.MaxChunkBytes
            && operation.TotalBytes <= MergeContent.MaxBytes
            && operation.Number <= operation.TotalBytes - operation.Value.Length;
        return read ? AnswerStatus.Ok : AnswerStatus.Malformed;
    }

    /// <summary>Group 0 has no part in the range.</summary>
    private static bool TryGroup(ref ByteReader reader, out GroupId group)
    {
        bool read = reader.TryVarint(out ulong number) && number is > 0 and <= uint.MaxValue;
        group = new GroupId(read ? (uint)number : 0);
        return read;
    }
}
