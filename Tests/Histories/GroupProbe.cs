using System.Diagnostics;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;
using Operation = Orleans.Raft.Linearizability.Operation;

namespace Orleans.Raft.Histories;

/// <summary>Writes, or reads, one key of a group again and again, and remembers what it was told and when.</summary>
/// <param name="store">Of a client of its own, so that it waits for no other's calls.</param>
/// <param name="client">Its number in the history.</param>
public sealed class GroupProbe(IKeyValueStore store, History history, int client, string key, bool writes)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly Lock _lock = new();
    private readonly List<(long After, TaskCompletionSource<TimeSpan> Answered)> _awaited = [];
    private int _number;

    /// <summary>Goes on until it is told to stop.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            long invoked = Stopwatch.GetTimestamp();
            if (await CallAsync() is null) Note(invoked);
            await Task.Delay(Pause, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>How long after a moment the first call ends that begins after it and is answered.</summary>
    public Task<TimeSpan> AnsweredAsync(long after)
    {
        var answered = new TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock) _awaited.Add((after, answered));
        return answered.Task;
    }

    /// <summary>Calls once.</summary>
    /// <returns>Why it was not answered; null: it was.</returns>
    public async Task<string?> CallAsync()
    {
        Operation operation = writes
            ? Operation.Put(key, key, $"{client}.{Interlocked.Increment(ref _number)}")
            : Operation.Get(key, key);
        int id = history.Invoke(client, operation, Stopwatch.GetTimestamp());
        try
        {
            Answer answer = await store.ExecuteAsync(operation);
            history.Complete(id, answer, Stopwatch.GetTimestamp());
            return null;
        }
        catch (UnavailableException failure)
        {
            history.Refuse(id);
            return failure.Message;
        }
        catch (OutcomeUnknownException failure)
        {
            history.Unknown(id);
            return failure.Message;
        }
    }

    private void Note(long invoked)
    {
        TimeSpan now = Stopwatch.GetElapsedTime(0);
        lock (_lock)
        {
            foreach ((long after, TaskCompletionSource<TimeSpan> answered) in _awaited)
                if (invoked >= after) answered.TrySetResult(now - Stopwatch.GetElapsedTime(0, after));
            _awaited.RemoveAll(awaited => awaited.Answered.Task.IsCompleted);
        }
    }
}
