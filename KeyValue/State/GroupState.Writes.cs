using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>What each operation does to the keys. Everything is checked before anything is changed.</content>
public sealed partial class GroupState
{
    private Outcome Write(ReadOnlySpan<byte> bytes)
    {
        ParsedOperation operation = ParsedOperation.Parse(bytes, Limits, out AnswerStatus status);
        if (status != AnswerStatus.Ok) return status;
        switch (operation.Kind)
        {
            case OperationKind.Batch:
                return WriteBatch(in operation);
            case var kind when CommandBatchReader.IsUnsessioned(kind):
                return AnswerStatus.Malformed;
        }
        if (!Owns(operation.Key)) return AnswerStatus.WrongRange;
        switch (operation.Kind)
        {
            case OperationKind.Append:
                return Append(in operation);
            case OperationKind.CompareAndSet:
                return CompareAndSet(in operation);
            default:
                Store(in operation);
                return AnswerStatus.Ok;
        }
    }

    private bool Owns(ReadOnlySpan<byte> key) =>
        Descriptor.Contains(key) || Faults.Has(FaultPoint.RangeCheckedWhenProposed);

    /// <summary>Sets a key to the operation's value, or removes it if the operation has none.</summary>
    private void Store(in ParsedOperation operation)
    {
        OrderedMap family = _families[(int)operation.Family];
        if (operation.HasValue) family.Set(operation.Key, operation.Value);
        else family.Remove(operation.Key);
    }

    private AnswerStatus Append(in ParsedOperation operation)
    {
        OrderedMap family = _families[(int)operation.Family];
        if (!family.TryGet(operation.Key, out byte[]? present)) present = [];
        if (present.Length + (long)operation.Value.Length > Limits.MaxValueBytes) return AnswerStatus.ValueTooLarge;
        byte[] joined = new byte[present.Length + operation.Value.Length];
        present.CopyTo(joined, 0);
        operation.Value.CopyTo(joined.AsSpan(present.Length));
        family.Set(operation.Key, joined);
        return AnswerStatus.Ok;
    }

    private Outcome CompareAndSet(in ParsedOperation operation)
    {
        bool found = _families[(int)operation.Family].TryGet(operation.Key, out byte[]? present);
        bool asExpected = found == operation.HasExpected && (!found || operation.Expected.SequenceEqual(present));
        if (!asExpected) return new Outcome(AnswerStatus.Mismatch, present?.AsSpan().ToArray());
        Store(in operation);
        return AnswerStatus.Ok;
    }

    private AnswerStatus WriteBatch(in ParsedOperation batch)
    {
        ParsedOperation write = default;
        var check = new ByteReader(batch.Writes);
        for (long i = 0; i < batch.Number; i++)
        {
            ParsedOperation.TryReadWrite(ref check, Limits, ref write);
            if (!Owns(write.Key)) return AnswerStatus.WrongRange;
        }
        var writes = new ByteReader(batch.Writes);
        for (long i = 0; i < batch.Number; i++)
        {
            ParsedOperation.TryReadWrite(ref writes, Limits, ref write);
            Store(in write);
        }
        return AnswerStatus.Ok;
    }
}
