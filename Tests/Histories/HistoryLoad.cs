using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;
using Operation = Orleans.Raft.Linearizability.Operation;
using OperationKind = Orleans.Raft.Linearizability.OperationKind;

namespace Orleans.Raft.Histories;

/// <summary>Clients that use a store and record what they are told. The store must hold none of the keys yet.</summary>
/// <remarks>
/// Runs where it is called: on a single-threaded scheduler everything is drawn in the same order every time; on the
/// thread pool clients run side by side.
/// </remarks>
public sealed class HistoryLoad
{
    private readonly IKeyValueStore _store;
    private readonly HistoryLoadOptions _options;
    private readonly string?[] _lastSeen;
    private readonly Lock _lock = new();
    private readonly List<(int Count, TaskCompletionSource Reached)> _waiting = [];
    private int _answered;

    public HistoryLoad(IKeyValueStore store, HistoryLoadOptions options)
    {
        _store = store;
        _options = options;
        _lastSeen = new string?[options.Keys.Count];
    }

    public History History { get; } = new();

    /// <summary>Operations answered so far.</summary>
    public int Answered
    {
        get
        {
            lock (_lock) return _answered;
        }
    }

    /// <summary>Runs all clients until a number of operations have been answered.</summary>
    /// <param name="until">The clients go on until this has ended too.</param>
    public Task RunAsync(int answered, Task? until = null) => Task.WhenAll(Enumerable.Range(0, _options.Clients)
        .Select(client => RunClientAsync(client, answered, until ?? Task.CompletedTask)));

    /// <summary>Runs all clients until a number of operations have been answered and what is done meanwhile, on any
    /// thread, has ended.</summary>
    /// <param name="meanwhileAsync">Is given what waits until so many more operations have been answered, and fails as
    /// soon as a client does.</param>
    public async Task RunWhileAsync(int answered, Func<Func<int, Task>, Task> meanwhileAsync)
    {
        var ended = new TaskCompletionSource();
        Task running = RunAsync(answered, ended.Task);
        try
        {
            await meanwhileAsync(async more => await await Task.WhenAny(AnsweredAsync(Answered + more), running));
        }
        finally
        {
            ended.SetResult();
        }
        await running;
    }

    /// <summary>Waits until a number of operations have been answered.</summary>
    public Task AnsweredAsync(int count)
    {
        lock (_lock)
        {
            if (_answered >= count) return Task.CompletedTask;
            var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((count, reached));
            return reached.Task;
        }
    }

    /// <summary>Judges the history.</summary>
    /// <param name="name">Names the picture's file.</param>
    /// <returns>The history's figures, in one line.</returns>
    /// <exception cref="LinearizabilityException">No order explains the answers.</exception>
    public string Judge(string name)
    {
        IReadOnlyList<HistoryEntry> entries = History.Entries();
        long start = _options.Time.GetTimestamp();
        LinearizabilityResult result = LinearizabilityChecker.Check(entries);
        TimeSpan elapsed = _options.Time.GetElapsedTime(start);
        if (!result.IsLinearizable)
            throw new LinearizabilityException(
                $"{result.Explain()}Picture: {ViolationPicture.Write(entries, result, name)}");
        int Count(OperationOutcome outcome) => entries.Count(entry => entry.Outcome == outcome);
        return $"{elapsed.TotalMilliseconds:0} ms to check {entries.Count} operations: "
            + $"{Count(OperationOutcome.Answered)} answered, {Count(OperationOutcome.Unknown)} of unknown outcome, "
            + $"{Count(OperationOutcome.Refused)} refused, {result.States} states";
    }

    private async Task RunClientAsync(int client, int answered, Task until)
    {
        var random = new Random(_options.Seed * 1_000 + client);
        for (int number = 0; Answered < answered || !until.IsCompleted; number++)
        {
            int place = random.Next(_options.Keys.Count);
            Operation operation = Draw(random, place, $"{client}-{number}.");
            Consistency consistency = random.Next(100) < _options.LeaseReadPercent
                ? Consistency.Lease : Consistency.Linearizable;
            int id = History.Invoke(client, operation, Now);
            try
            {
                Answer answer = await _store.ExecuteAsync(operation, consistency);
                History.Complete(id, answer, Now);
                Remember(place, operation, answer);
                Count();
            }
            catch (Exception exception) when (exception is OutcomeUnknownException or OperationCanceledException)
            {
                History.Unknown(id);
            }
            catch (Exception exception) when (exception is UnavailableException or ValueLimitException)
            {
                History.Refuse(id);
            }
        }
    }

    private long Now => _options.Time.GetTimestamp();

    private Operation Draw(Random random, int place, string value)
    {
        (string partition, string key) = _options.Keys[place];
        int drawn = random.Next(_options.Weights.Sum());
        int kind = 0;
        while (drawn >= _options.Weights[kind]) drawn -= _options.Weights[kind++];
        switch ((OperationKind)kind)
        {
            case OperationKind.Get:
                return Operation.Get(partition, key);
            case OperationKind.Put:
                return Operation.Put(partition, key, value);
            case OperationKind.Append:
                return Operation.Append(partition, key, value);
            case OperationKind.Delete:
                return Operation.Delete(partition, key);
            case OperationKind.CompareAndSet:
                string? expected = random.Next(8) == 0 ? null : Volatile.Read(ref _lastSeen[place]);
                return Operation.CompareAndSet(partition, key, expected, random.Next(5) == 0 ? null : value);
            default:
                string[] keys = [.. _options.Keys.Where(other => other.Partition == partition)
                    .Select(other => other.Key).Order(StringComparer.Ordinal)];
                return Operation.Scan(partition, keys[0], keys[^1] + "!", random.Next(3), random.Next(2) == 0);
        }
    }

    /// <summary>What is known of a key's value, for compare-and-sets that may be applied.</summary>
    private void Remember(int place, Operation operation, Answer answer)
    {
        if (operation.Kind is OperationKind.Scan or OperationKind.Append) return;
        bool wrote = operation.Kind != OperationKind.Get && answer.Succeeded;
        Volatile.Write(ref _lastSeen[place], wrote ? operation.Value : answer.Value);
    }

    private void Count()
    {
        lock (_lock)
        {
            _answered++;
            foreach (var (count, reached) in _waiting)
                if (count <= _answered) reached.TrySetResult();
            _waiting.RemoveAll(waiting => waiting.Count <= _answered);
        }
    }
}

/// <summary>No order of the operations explains what the clients were told.</summary>
public sealed class LinearizabilityException(string message) : Exception(message);
