using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>An operation taken apart; all spans point into its bytes.</summary>
internal ref partial struct ParsedOperation
{
    /// <summary>Of a group that splits.</summary>
    private const int MaxReplicas = 64;

    public OperationKind Kind;
    public ColumnFamily Family;
    public ReadOnlySpan<byte> Key;

    /// <summary>Of Put and Append the value, of CompareAndSet the replacement.</summary>
    public ReadOnlySpan<byte> Value;
    public bool HasValue;
    public ReadOnlySpan<byte> Expected;
    public bool HasExpected;

    /// <summary>Of OpenSession the timeout, of AdvanceTime the time, of Batch the number of writes, of Split that of
    /// replicas.</summary>
    public long Number;

    /// <summary>The writes of a Batch, already checked; read them with <see cref="TryReadWrite"/>.</summary>
    public ReadOnlySpan<byte> Writes;

    /// <summary>Of Split and Freeze: what the group must be; of Absorb the source's.</summary>
    public ulong RangeVersion;
    public ulong ConfigVersion;

    /// <summary>Of Split: the new group, and its replicas as varints, which are different and not 0. Of Freeze the target,
    /// of Absorb the source.</summary>
    public GroupId Group;
    public ReadOnlySpan<byte> Replicas;

    /// <summary>Of the steps of a merge; never 0.</summary>
    public MergeId Merge;

    /// <summary>Of Absorb: the source's range, and what its whole content takes and adds up to. <see cref="Number"/> is where
    /// the part in <see cref="Value"/> begins.</summary>
    public ReadOnlySpan<byte> Start;
    public ReadOnlySpan<byte> End;
    public long TotalBytes;
    public uint Checksum;

    /// <summary>Takes an operation apart and checks it against the limits. Never throws.</summary>
    /// <param name="status"><see cref="AnswerStatus.Ok"/>, or what the operation is to be refused with.</param>
    public static ParsedOperation Parse(ReadOnlySpan<byte> bytes, StoreLimits limits, out AnswerStatus status)
    {
        ParsedOperation operation = default;
        var reader = new ByteReader(bytes);
        // A part of a merge has bounds of its own, whatever clients may send.
        status = bytes.Length > limits.MaxBatchBytes && Operation.KindOf(bytes) != OperationKind.Absorb
            ? AnswerStatus.BatchTooLarge
            : ReadAny(ref reader, limits, ref operation);
        if (status == AnswerStatus.Ok && !reader.IsAtEnd) status = AnswerStatus.Malformed;
        return operation;
    }

    private static AnswerStatus ReadAny(ref ByteReader reader, StoreLimits limits, ref ParsedOperation operation)
    {
        if (!reader.TryByte(out byte kind)) return AnswerStatus.Malformed;
        operation.Kind = (OperationKind)kind;
        return operation.Kind switch
        {
            OperationKind.Put or OperationKind.Append or OperationKind.Delete =>
                ReadKeyAndValue(ref reader, limits, ref operation),
            OperationKind.CompareAndSet => ReadCompareAndSet(ref reader, limits, ref operation),
            OperationKind.Batch => ReadBatch(ref reader, limits, ref operation),
            OperationKind.OpenSession => reader.TryPositive(out operation.Number) && operation.Number > 0
                && operation.Number <= limits.SessionTimeoutMilliseconds ? AnswerStatus.Ok : AnswerStatus.Malformed,
            OperationKind.AdvanceTime => reader.TryPositive(out operation.Number)
                ? AnswerStatus.Ok
                : AnswerStatus.Malformed,
            OperationKind.Split => ReadSplit(ref reader, limits, ref operation),
            OperationKind.Freeze => ReadFreeze(ref reader, ref operation),
            OperationKind.Absorb => ReadAbsorb(ref reader, limits, ref operation),
            OperationKind.TakeOver or OperationKind.Abandon or OperationKind.Thaw => ReadMerge(ref reader, ref operation),
            _ => AnswerStatus.Malformed,
        };
    }

    /// <summary>The key, or of a batch that of its first write.</summary>
    public readonly ReadOnlySpan<byte> FirstKey(StoreLimits limits)
    {
        if (Kind != OperationKind.Batch) return Key;
        var writes = new ByteReader(Writes);
        ParsedOperation first = default;
        TryReadWrite(ref writes, limits, ref first);
        return first.Key;
    }

    /// <summary>Reads one Put or Delete of a batch.</summary>
    public static AnswerStatus TryReadWrite(ref ByteReader reader, StoreLimits limits, ref ParsedOperation write)
    {
        if (!reader.TryByte(out byte kind)) return AnswerStatus.Malformed;
        write.Kind = (OperationKind)kind;
        return write.Kind is OperationKind.Put or OperationKind.Delete
            ? ReadKeyAndValue(ref reader, limits, ref write)
            : AnswerStatus.Malformed;
    }

    private static AnswerStatus ReadKeyAndValue(
        ref ByteReader reader, StoreLimits limits, ref ParsedOperation operation)
    {
        AnswerStatus status = ReadKey(ref reader, limits, ref operation);
        operation.HasValue = operation.Kind != OperationKind.Delete;
        if (status != AnswerStatus.Ok || !operation.HasValue) return status;
        return ReadValue(ref reader, limits, ref operation.Value);
    }

    private static AnswerStatus ReadKey(ref ByteReader reader, StoreLimits limits, ref ParsedOperation operation)
    {
        if (!reader.TryByte(out byte family) || family > (byte)ColumnFamily.Write) return AnswerStatus.Malformed;
        operation.Family = (ColumnFamily)family;
        if (!reader.TryBlock(out operation.Key) || operation.Key.IsEmpty) return AnswerStatus.Malformed;
        return operation.Key.Length > limits.MaxKeyBytes ? AnswerStatus.KeyTooLarge : AnswerStatus.Ok;
    }

    private static AnswerStatus ReadValue(ref ByteReader reader, StoreLimits limits, ref ReadOnlySpan<byte> value)
    {
        if (!reader.TryBlock(out value)) return AnswerStatus.Malformed;
        return value.Length > limits.MaxValueBytes ? AnswerStatus.ValueTooLarge : AnswerStatus.Ok;
    }

    private static AnswerStatus ReadCompareAndSet(
        ref ByteReader reader, StoreLimits limits, ref ParsedOperation operation)
    {
        AnswerStatus status = ReadKey(ref reader, limits, ref operation);
        if (status != AnswerStatus.Ok) return status;
        if (!reader.TryByte(out byte flags) || flags > (Operation.HasExpected | Operation.HasReplacement))
            return AnswerStatus.Malformed;
        operation.HasExpected = (flags & Operation.HasExpected) != 0;
        operation.HasValue = (flags & Operation.HasReplacement) != 0;
        if (operation.HasExpected) status = ReadValue(ref reader, limits, ref operation.Expected);
        if (status != AnswerStatus.Ok || !operation.HasValue) return status;
        return ReadValue(ref reader, limits, ref operation.Value);
    }

    private static AnswerStatus ReadBatch(ref ByteReader reader, StoreLimits limits, ref ParsedOperation operation)
    {
        if (!reader.TryPositive(out operation.Number) || operation.Number == 0) return AnswerStatus.Malformed;
        operation.Writes = reader.Rest;
        ParsedOperation write = default;
        for (long i = 0; i < operation.Number; i++)
        {
            AnswerStatus status = TryReadWrite(ref reader, limits, ref write);
            if (status != AnswerStatus.Ok) return status;
        }
        return AnswerStatus.Ok;
    }

    private static AnswerStatus ReadSplit(ref ByteReader reader, StoreLimits limits, ref ParsedOperation operation)
    {
        bool read = reader.TryVarint(out operation.RangeVersion) && reader.TryVarint(out operation.ConfigVersion);
        read = read && reader.TryBlock(out operation.Key) && !operation.Key.IsEmpty;
        if (!read) return AnswerStatus.Malformed;
        if (operation.Key.Length > limits.MaxKeyBytes) return AnswerStatus.KeyTooLarge;
        read = TryGroup(ref reader, out operation.Group) && reader.TryPositive(out operation.Number)
            && operation.Number is > 0 and <= MaxReplicas;
        if (!read) return AnswerStatus.Malformed;
        operation.Replicas = reader.Rest;
        Span<ulong> ids = stackalloc ulong[MaxReplicas];
        for (int i = 0; i < operation.Number; i++)
        {
            if (!reader.TryVarint(out ids[i]) || ids[i] == 0 || ids[..i].Contains(ids[i])) return AnswerStatus.Malformed;
        }
        return AnswerStatus.Ok;
    }
}
