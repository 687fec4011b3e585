namespace Orleans.Raft.Grains.Interfaces;

/// <summary>
/// The store, as Orleans applications see it. A stateless worker: the silo that a call enters serves it, and any key
/// may be used; <c>GetGrain&lt;IKvGrain&gt;(0)</c> will do.
/// </summary>
/// <remarks>
/// Calls throw <see cref="KvGrainException"/>, whose <see cref="KvGrainException.Code"/> says what is known. A reply
/// that gets lost between silo and client leaves a write's outcome unknown: use <c>KvClient</c> of the client library
/// where exactly-once matters. Reads are linearizable unless asked otherwise.
/// </remarks>
[Alias("Orleans.Raft.IKvGrain")]
public interface IKvGrain : IGrainWithIntegerKey
{
    /// <summary>Sets a key's value.</summary>
    /// <param name="key">1 byte to 4 KiB.</param>
    /// <param name="value">0 to 1 MiB.</param>
    [Alias("Put")]
    Task Put([Immutable] byte[] key, [Immutable] byte[] value, KvFamily family = KvFamily.Default);

    /// <summary>The value of a key, or null.</summary>
    [Alias("Get")]
    Task<byte[]?> Get([Immutable] byte[] key, KvFamily family = KvFamily.Default,
        KvConsistency consistency = KvConsistency.Linearizable);

    /// <summary>Removes a key; removing a missing one is no error.</summary>
    [Alias("Delete")]
    Task Delete([Immutable] byte[] key, KvFamily family = KvFamily.Default);

    /// <summary>Adds bytes at the end of a key's value; a missing key counts as empty.</summary>
    [Alias("Append")]
    Task Append([Immutable] byte[] key, [Immutable] byte[] suffix, KvFamily family = KvFamily.Default);

    /// <summary>Replaces a value if it is what the caller expects.</summary>
    /// <param name="expected">Null: the key must be missing.</param>
    /// <param name="replacement">Null: the key is removed.</param>
    [Alias("CompareAndSet")]
    Task<KvCompareAndSetResult> CompareAndSet([Immutable] byte[] key, [Immutable] byte[]? expected,
        [Immutable] byte[]? replacement, KvFamily family = KvFamily.Default);

    /// <summary>Applies several writes as one, all or none; all keys must lie in one group.</summary>
    [Alias("Batch")]
    Task Batch([Immutable] KvWrite[] writes);

    /// <summary>A page of a range; <see cref="KvPage.Next"/> asks for the page after it.</summary>
    [Alias("Scan")]
    Task<KvPage> Scan(KvScan scan);

    /// <summary>
    /// Runs a batch in one group; what <c>KvClient</c> calls. Batches of many callers are joined. Never throws for what
    /// became of the batch: the reply says it.
    /// </summary>
    /// <param name="group">The group's number.</param>
    /// <param name="kind">The store's <c>RequestKind</c>.</param>
    /// <param name="batch">Commands or reads in the store's own format.</param>
    [Alias("Execute"), ResponseTimeout("00:00:02")]
    Task<GroupReplyMessage> Execute(uint group, byte kind, [Immutable] byte[] batch);
}
