namespace Orleans.Raft.KeyValue;

/// <summary>
/// The store, for applications: ordered bytes to bytes, in column families, replicated and linearizable. Every call
/// ends by its deadline. Writes are applied at most once, however often the client had to send them.
/// </summary>
/// <remarks>
/// All calls throw: <see cref="KeyValueArgumentException"/> (nothing was sent), <see cref="UnavailableException"/> (not
/// applied: nobody took it before the deadline), <see cref="OutcomeUnknownException"/> (writes only: may or may not
/// have been applied), <see cref="OperationCanceledException"/> (outcome unknown).
/// </remarks>
public interface IKeyValueStore
{
    /// <summary>Sets a key's value.</summary>
    /// <param name="key">1 byte to 4 KiB.</param>
    /// <param name="value">0 to 1 MiB. Copied before the call returns, as the key is.</param>
    Task PutAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default);

    /// <summary>Adds bytes at the end of a key's value; a missing key counts as empty.</summary>
    Task AppendAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> suffix, ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default);

    /// <summary>Removes a key; removing a missing one is no error.</summary>
    Task DeleteAsync(ReadOnlyMemory<byte> key, ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default);

    /// <summary>Replaces a value if it is what the caller expects.</summary>
    /// <param name="expected">Null: the key must be missing.</param>
    /// <param name="replacement">Null: the key is removed.</param>
    Task<CompareAndSetResult> CompareAndSetAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? expected,
        ReadOnlyMemory<byte>? replacement, ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default);

    /// <summary>Applies several writes as one, all or none; all keys must lie in one group.</summary>
    /// <exception cref="CrossGroupException">The keys lie in several groups; nothing was applied.</exception>
    Task BatchAsync(IReadOnlyList<WriteOperation> operations, CancellationToken cancellationToken = default);

    /// <summary>The value of a key, or null.</summary>
    Task<ReadOnlyMemory<byte>?> GetAsync(ReadOnlyMemory<byte> key, ReadOptions options = default,
        CancellationToken cancellationToken = default);

    /// <summary>
    /// The keys from <paramref name="start"/> (inclusive) to <paramref name="end"/> (exclusive), ascending or, with
    /// <see cref="ScanOptions.Reverse"/>, descending. Empty bounds are open. Crosses groups in order; each page is
    /// linearizable at its own moment.
    /// </summary>
    /// <remarks>
    /// The deadline bounds each wait for the next row, whatever that takes: finding the groups, crossing empty ones,
    /// pages. So a scan of any size goes on as long as rows come; bound the whole of it with
    /// <paramref name="cancellationToken"/>.
    /// </remarks>
    IAsyncEnumerable<KeyValueEntry> ScanAsync(ReadOnlyMemory<byte> start, ReadOnlyMemory<byte> end,
        ScanOptions options = default, CancellationToken cancellationToken = default);
}

/// <summary>The column families, as in TinyKV. Stored and sent as one byte.</summary>
public enum ColumnFamily : byte
{
    Default = 0,
    Lock = 1,
    Write = 2,
}

/// <summary>How fresh a read must be.</summary>
public enum Consistency : byte
{
    /// <summary>Sees every write acknowledged before it began (ReadIndex).</summary>
    Linearizable = 0,

    /// <summary>As linearizable, as long as clocks run at about the same speed; saves a round of messages.</summary>
    Lease = 1,

    /// <summary>Whatever the replica asked has applied; may be old.</summary>
    Stale = 2,
}

/// <summary>How to read a key.</summary>
public readonly record struct ReadOptions(
    ColumnFamily Family = ColumnFamily.Default, Consistency Consistency = Consistency.Linearizable);

/// <summary>How to read a range.</summary>
/// <param name="Limit">The most rows to return; 0 means all.</param>
public readonly record struct ScanOptions(
    ColumnFamily Family = ColumnFamily.Default, Consistency Consistency = Consistency.Linearizable, int Limit = 0,
    bool Reverse = false);

/// <summary>A key and its value.</summary>
public readonly record struct KeyValueEntry(ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value);

/// <summary>One write of a batch.</summary>
/// <param name="Value">Null removes the key.</param>
public readonly record struct WriteOperation(
    ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte>? Value, ColumnFamily Family = ColumnFamily.Default);

/// <summary>What became of a compare-and-set.</summary>
/// <param name="Current">If not applied, the value found; null if the key was missing.</param>
public readonly record struct CompareAndSetResult(bool Applied, ReadOnlyMemory<byte>? Current);
