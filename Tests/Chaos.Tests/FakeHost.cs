using System.Runtime.CompilerServices;
using System.Text;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Chaos.Tests;

/// <summary>A store in memory that breaks a promise where a test wants it to.</summary>
internal sealed class FakeHost : IChaosHost
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, string> _map = new(StringComparer.Ordinal);

    /// <summary>Whether this write is acknowledged and forgotten. Takes its number.</summary>
    public Func<int, bool> Loses { get; init; } = _ => false;

    /// <summary>Whether this append happens twice.</summary>
    public Func<int, bool> Doubles { get; init; } = _ => false;

    /// <summary>Whether this write happens although it is said to have been refused.</summary>
    public Func<int, bool> Refuses { get; init; } = _ => false;

    /// <summary>Whether this write is refused, and does not happen.</summary>
    public Func<int, bool> Declines { get; init; } = _ => false;

    /// <summary>Whether the outcome of this write, which happens, is not told. Takes the key and the write's
    /// number.</summary>
    public Func<string, int, bool> Hides { get; init; } = (_, _) => false;

    /// <summary>Whether reads of a key see it as it is now, whatever is written later. Takes the key and the write's
    /// number.</summary>
    public Func<string, int, bool> Freezes { get; init; } = (_, _) => false;

    /// <summary>What <see cref="FindProblemsAsync"/> answers.</summary>
    public Func<Task<IReadOnlyList<string>>> Problems { get; init; } =
        () => Task.FromResult<IReadOnlyList<string>>([]);

    /// <summary>Whether it is disposed of.</summary>
    public bool IsDisposed { get; private set; }

    private readonly Dictionary<string, string?> _frozen = [];
    private volatile TaskCompletionSource _up = NewGate();
    private int _writes;

    public FakeHost() => _up.SetResult();

    /// <summary>From here on calls wait.</summary>
    public void GoDown() => _up = NewGate();

    public Dictionary<string, Fault> Faults { get; init; } = [];

    IReadOnlyDictionary<string, Fault> IChaosHost.Faults => Faults;

    public IReadOnlyDictionary<string, string> Impossible { get; init; } = new Dictionary<string, string>();

    public Task StartAsync(CancellationToken cancellation) => Task.CompletedTask;

    public IKeyValueStore StoreOf(int client) => new Store(this);

    public void CutOff(string why) => _up.TrySetException(new UnavailableException(why));

    public Task<IReadOnlyList<string>> FindProblemsAsync() => Problems();

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        return ValueTask.CompletedTask;
    }

    private static TaskCompletionSource NewGate() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task UpAsync()
    {
        await Task.Yield();
        await _up.Task;
    }

    private void Write(string key, Func<string?, string?> change, bool isAppend = false)
    {
        lock (_lock)
        {
            int number = ++_writes;
            if (Declines(number)) throw new UnavailableException("declined");
            string? old = _map.GetValueOrDefault(key);
            if (Freezes(key, number)) _frozen.TryAdd(key, old);
            if (Loses(number)) return;
            string? value = change(old);
            if (isAppend && Doubles(number)) value = change(value);
            if (value is null) _map.Remove(key);
            else _map[key] = value;
            if (Refuses(number)) throw new UnavailableException("refused");
            if (Hides(key, number)) throw new OutcomeUnknownException("hidden");
        }
    }

    private sealed class Store(FakeHost host) : IKeyValueStore
    {
        public async Task PutAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value,
            ColumnFamily family = ColumnFamily.Default, CancellationToken cancellationToken = default)
        {
            await host.UpAsync();
            host.Write(Text(key), _ => Text(value));
        }

        public async Task AppendAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> suffix,
            ColumnFamily family = ColumnFamily.Default, CancellationToken cancellationToken = default)
        {
            await host.UpAsync();
            host.Write(Text(key), old => old + Text(suffix), isAppend: true);
        }

        public async Task DeleteAsync(ReadOnlyMemory<byte> key, ColumnFamily family = ColumnFamily.Default,
            CancellationToken cancellationToken = default)
        {
            await host.UpAsync();
            host.Write(Text(key), _ => null);
        }

        public async Task<CompareAndSetResult> CompareAndSetAsync(ReadOnlyMemory<byte> key,
            ReadOnlyMemory<byte>? expected, ReadOnlyMemory<byte>? replacement,
            ColumnFamily family = ColumnFamily.Default, CancellationToken cancellationToken = default)
        {
            await host.UpAsync();
            bool applied = false;
            string? found = null;
            host.Write(Text(key), old =>
            {
                found = old;
                applied = old == (expected is { } e ? Text(e) : null);
                return applied ? replacement is { } r ? Text(r) : null : old;
            });
            return new CompareAndSetResult(applied, applied || found is null
                ? default(ReadOnlyMemory<byte>?)
                : Encoding.Latin1.GetBytes(found));
        }

        public Task BatchAsync(IReadOnlyList<WriteOperation> operations,
            CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public async Task<ReadOnlyMemory<byte>?> GetAsync(ReadOnlyMemory<byte> key, ReadOptions options = default,
            CancellationToken cancellationToken = default)
        {
            await host.UpAsync();
            lock (host._lock)
            {
                string name = Text(key);
                if (!host._frozen.TryGetValue(name, out string? value)) value = host._map.GetValueOrDefault(name);
                return value is null ? default(ReadOnlyMemory<byte>?) : Encoding.Latin1.GetBytes(value);
            }
        }

        public async IAsyncEnumerable<KeyValueEntry> ScanAsync(ReadOnlyMemory<byte> start, ReadOnlyMemory<byte> end,
            ScanOptions options = default, [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            await host.UpAsync();
            KeyValuePair<string, string>[] rows;
            lock (host._lock)
                rows = [.. host._map.Where(row => string.CompareOrdinal(row.Key, Text(start)) >= 0
                    && string.CompareOrdinal(row.Key, Text(end)) < 0)];
            if (options.Reverse) Array.Reverse(rows);
            foreach ((string key, string value) in options.Limit > 0 ? rows.Take(options.Limit) : rows)
                yield return new KeyValueEntry(Encoding.Latin1.GetBytes(key), Encoding.Latin1.GetBytes(value));
        }

        private static string Text(ReadOnlyMemory<byte> bytes) => Encoding.Latin1.GetString(bytes.Span);
    }
}
