using System.Diagnostics;
using System.Globalization;
using Orleans.Raft.Histories;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;
using Keys = Orleans.Raft.Chaos.Keys;
using Operation = Orleans.Raft.Linearizability.Operation;
using OperationKind = Orleans.Raft.Linearizability.OperationKind;

namespace Orleans.Raft.Growth;

/// <summary>
/// Clients that get, put, append, delete, compare and set, and scan a few keys of all groups, and remember what they
/// were told. One history follows another, each on new keys, so that each is small enough to be checked. A scan covers
/// one key: over several groups it is not read at one moment.
/// </summary>
public sealed class GrowthLoad(
    IReadOnlyList<IKeyValueStore> stores, double operationsPerSecond, int seed, PhaseTimes times)
{
    private const int OperationsPerHistory = 3000;
    private const int MostFailures = 10;

    private readonly Lock _lock = new();
    private readonly List<History> _histories = [];
    private readonly List<string> _failures = [];
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _answered;
    private long _failed;

    public long Answered => Interlocked.Read(ref _answered);

    public long Failed => Interlocked.Read(ref _failed);

    /// <summary>The first failures, each as one line.</summary>
    public IReadOnlyList<string> Failures
    {
        get
        {
            lock (_lock) return [.. _failures];
        }
    }

    /// <summary>Those begun so far; valid once <see cref="RunAsync"/> has ended.</summary>
    public IReadOnlyList<History> Histories => _histories;

    public Task RunAsync(CancellationToken stop) =>
        Task.WhenAll(stores.Select((_, client) => RunClientAsync(client, stop)));

    private async Task RunClientAsync(int client, CancellationToken stop)
    {
        var random = new Random(unchecked((seed * 31) + client));
        TimeSpan period = TimeSpan.FromSeconds(stores.Count / operationsPerSecond);
        TimeSpan due = period * client / stores.Count;
        var seen = new Dictionary<string, string?>();
        for (int number = 0; ; number++)
        {
            TimeSpan early = due - Elapsed;
            if (early > TimeSpan.Zero)
                await Task.Delay(early, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stop.IsCancellationRequested) return;
            // What was missed while one waited for an answer is not made up for.
            due = due + period > Elapsed ? due + period : Elapsed;
            int window = number * stores.Count / OperationsPerHistory;
            await ExecuteAsync(client, window, Draw(random, window, $"{client}.{number} ", seen), seen);
        }
    }

    private async Task ExecuteAsync(int client, int window, Operation operation, Dictionary<string, string?> seen)
    {
        History history = HistoryOf(window);
        int phase = times.Current;
        long sent = Stopwatch.GetTimestamp();
        int id = history.Invoke(client, operation, Elapsed.Ticks);
        try
        {
            Answer answer = await stores[client].ExecuteAsync(operation);
            history.Complete(id, answer, Elapsed.Ticks);
            times.Record(phase, Stopwatch.GetElapsedTime(sent));
            Interlocked.Increment(ref _answered);
            if (operation.Kind == OperationKind.Get || !answer.Succeeded) seen[operation.Key] = answer.Value;
        }
        catch (KeyValueException failure)
        {
            times.Record(phase, Stopwatch.GetElapsedTime(sent));
            if (failure is OutcomeUnknownException) history.Unknown(id);
            else history.Refuse(id);
            NoteFailure($"{operation}: {failure.Code}: {failure.Message}");
        }
    }

    private TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    private History HistoryOf(int window)
    {
        lock (_lock)
        {
            while (_histories.Count <= window) _histories.Add(new History());
            return _histories[window];
        }
    }

    private void NoteFailure(string failure)
    {
        Interlocked.Increment(ref _failed);
        lock (_lock)
        {
            if (_failures.Count < MostFailures)
                _failures.Add(string.Create(CultureInfo.InvariantCulture, $"{Elapsed.TotalSeconds:F1} s: {failure}"));
        }
    }

    private static Operation Draw(Random random, int window, string value, Dictionary<string, string?> seen)
    {
        char first = Keys.FirstCharacters[random.Next(Keys.FirstCharacters.Length)];
        string key = string.Create(CultureInfo.InvariantCulture, $"{first}h{window}");
        return random.Next(100) switch
        {
            < 25 => Operation.Get(key, key),
            < 45 => Operation.Put(key, key, value),
            < 60 => Operation.Append(key, key, value),
            < 68 => Operation.Delete(key, key),
            < 85 => Operation.CompareAndSet(key, key, seen.GetValueOrDefault(key), random.Next(5) == 0 ? null : value),
            _ => Operation.Scan(key, key, key + "!", random.Next(2), random.Next(2) == 0),
        };
    }
}
