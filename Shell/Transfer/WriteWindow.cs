using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>
/// Keeps a bounded number of puts in flight. Two puts of one key are never in flight together, so the later one wins,
/// as in the order of the calls.
/// </summary>
internal sealed class WriteWindow(IKeyValueStore store, CancellationToken cancellationToken)
{
    private const int MaxWrites = 1024;
    private const long MaxBytes = 16 * 1024 * 1024;

    private readonly Queue<Pending> _pending = new();
    private readonly HashSet<TransferRow> _keys = new(new SameKey());
    private long _pendingBytes;

    public long Acknowledged { get; private set; }

    /// <summary>The first put that failed, by the order of the calls; nothing should be added after it.</summary>
    public (long Number, Exception Exception)? Failure { get; private set; }

    /// <summary>Sends a put, after waiting for room.</summary>
    /// <param name="number">Names the put if it fails.</param>
    public async ValueTask AddAsync(long number, TransferRow row)
    {
        while (_keys.Contains(row)) await CompleteOldestAsync();
        long bytes = row.Key.Length + row.Value.Length;
        while (IsFullFor(bytes)) await CompleteOldestAsync();
        if (Failure is not null) return;

        Task write = store.PutAsync(row.Key, row.Value, row.Family, cancellationToken);
        _pending.Enqueue(new Pending(number, row, bytes, write));
        _keys.Add(row);
        _pendingBytes += bytes;
        if (write.IsFaulted) await DrainAsync(); // Refused without being sent: stop before anything behind it is.
        while (_pending.TryPeek(out Pending oldest) && oldest.Write.IsCompleted) await CompleteOldestAsync();
    }

    /// <summary>Waits for everything in flight.</summary>
    public async Task DrainAsync()
    {
        while (_pending.Count > 0) await CompleteOldestAsync();
    }

    private bool IsFullFor(long bytes) =>
        _pending.Count >= MaxWrites || (_pending.Count > 0 && _pendingBytes + bytes > MaxBytes);

    private async Task CompleteOldestAsync()
    {
        Pending oldest = _pending.Dequeue();
        _keys.Remove(oldest.Row);
        _pendingBytes -= oldest.Bytes;
        try
        {
            await oldest.Write;
            Acknowledged++;
        }
        catch (Exception exception)
        {
            Failure ??= (oldest.Number, exception);
        }
    }

    private readonly record struct Pending(long Number, TransferRow Row, long Bytes, Task Write);

    private sealed class SameKey : IEqualityComparer<TransferRow>
    {
        public bool Equals(TransferRow left, TransferRow right) =>
            left.Family == right.Family && left.Key.Span.SequenceEqual(right.Key.Span);

        public int GetHashCode(TransferRow row)
        {
            var hash = new HashCode();
            hash.Add(row.Family);
            hash.AddBytes(row.Key.Span);
            return hash.ToHashCode();
        }
    }
}
