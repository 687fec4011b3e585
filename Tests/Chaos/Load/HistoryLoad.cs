using System.Globalization;
using Orleans.Raft.Histories;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;
using Operation = Orleans.Raft.Linearizability.Operation;
using OperationKind = Orleans.Raft.Linearizability.OperationKind;

namespace Orleans.Raft.Chaos;

/// <summary>Clients that get, put, append, delete, compare and set, and scan a few keys of one group, and remember what
/// they were told.</summary>
/// <param name="stores">One of each client.</param>
/// <param name="window">Number of this history; makes its keys new.</param>
public sealed class HistoryLoad(IReadOnlyList<IKeyValueStore> stores, int window, int seed, Pace pace, Tally tally)
{
    /// <summary>Keys of one history; few, so that clients meet.</summary>
    public const int KeyCount = 5;

    public History History { get; } = new();

    private string Prefix { get; } = string.Create(CultureInfo.InvariantCulture,
        $"{Keys.FirstCharacters[window % Keys.FirstCharacters.Length]}h{window}-");

    private int _counted;

    /// <summary>Runs until the history has so many operations that were not refused, which say nothing, or until it is
    /// told to stop.</summary>
    public Task RunAsync(int operations, CancellationToken stop) =>
        Task.WhenAll(stores.Select((_, client) => RunClientAsync(client, operations, stop)));

    private async Task RunClientAsync(int client, int operations, CancellationToken stop)
    {
        var random = new Random(unchecked((seed * 31 + window) * 31 + client));
        string?[] seen = new string?[KeyCount];
        for (int number = 0; Volatile.Read(ref _counted) < operations && !stop.IsCancellationRequested; number++)
        {
            await pace.TurnAsync(stop);
            if (stop.IsCancellationRequested) return;
            int key = random.Next(KeyCount);
            Operation operation = Draw(random, $"{Prefix}{key}", $"{client}.{number} ", seen[key]);
            int id = History.Invoke(client, operation, tally.Elapsed.Ticks);
            bool isWrite = operation.Kind is not (OperationKind.Get or OperationKind.Scan);
            try
            {
                Answer answer = await stores[client].ExecuteAsync(operation);
                History.Complete(id, answer, tally.Elapsed.Ticks);
                Interlocked.Increment(ref _counted);
                tally.Acknowledge(isWrite);
                if (operation.Kind == OperationKind.Get || !answer.Succeeded) seen[key] = answer.Value;
            }
            catch (UnavailableException)
            {
                History.Refuse(id);
                tally.NoteRefused();
            }
            catch (OutcomeUnknownException)
            {
                History.Unknown(id);
                Interlocked.Increment(ref _counted);
                tally.NoteUnknown();
            }
        }
    }

    private Operation Draw(Random random, string key, string value, string? seen) => random.Next(100) switch
    {
        < 25 => Operation.Get(Prefix, key),
        < 45 => Operation.Put(Prefix, key, value),
        < 60 => Operation.Append(Prefix, key, value),
        < 68 => Operation.Delete(Prefix, key),
        < 85 => Operation.CompareAndSet(Prefix, key, seen, random.Next(5) == 0 ? null : value),
        _ => Operation.Scan(Prefix, Prefix, $"{Prefix}~", random.Next(2) * 3, random.Next(2) == 0),
    };
}
