using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;
using Operation = Orleans.Raft.Linearizability.Operation;
using OperationKind = Orleans.Raft.Linearizability.OperationKind;

namespace Orleans.Raft.Histories;

/// <summary>Recorded operations as calls to a store.</summary>
public static class StoreOperations
{
    /// <summary>Calls the store; throws what the call throws.</summary>
    /// <param name="consistency">Of reads.</param>
    public static async Task<Answer> ExecuteAsync(this IKeyValueStore store, Operation operation,
        Consistency consistency = Consistency.Linearizable)
    {
        byte[] key = Operation.Bytes(operation.Key);
        switch (operation.Kind)
        {
            case OperationKind.Get:
                return Answer.Found(Text(await store.GetAsync(key, new ReadOptions(Consistency: consistency))));
            case OperationKind.Put:
                await store.PutAsync(key, Operation.Bytes(operation.Value!));
                return Answer.Done;
            case OperationKind.Append:
                await store.AppendAsync(key, Operation.Bytes(operation.Value!));
                return Answer.Done;
            case OperationKind.Delete:
                await store.DeleteAsync(key);
                return Answer.Done;
            case OperationKind.CompareAndSet:
                CompareAndSetResult result = await store.CompareAndSetAsync(key, MaybeBytes(operation.Expected),
                    MaybeBytes(operation.Value));
                return result.Applied ? Answer.Done : Answer.Mismatch(Text(result.Current));
            default:
                var rows = new List<KeyValuePair<string, string>>();
                var options = new ScanOptions(Consistency: consistency, Limit: operation.Limit,
                    Reverse: operation.Reverse);
                await foreach (KeyValueEntry row in store.ScanAsync(key, Operation.Bytes(operation.End), options))
                    rows.Add(new(Operation.Text(row.Key.Span), Operation.Text(row.Value.Span)));
                return Answer.Scanned(rows);
        }
    }

    private static ReadOnlyMemory<byte>? MaybeBytes(string? text)
    {
        // Not with ?: whose null would be an empty memory.
        if (text is null) return null;
        return Operation.Bytes(text);
    }

    private static string? Text(ReadOnlyMemory<byte>? bytes) => bytes is { } value ? Operation.Text(value.Span) : null;
}
