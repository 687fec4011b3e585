namespace Orleans.Raft.KeyValue;

/// <summary>
/// Lets a client's write batches to several groups leave together. Callers that one group has answered soon write to any
/// of them: a batch that leaves as soon as its own group is free holds only a part of what is coming, and where batches
/// travel, each costs much more than what is in it. So a lane whose batch is back waits for those that left with it, but
/// no longer than twice the time that its own was away. Who is later than that goes on alone, the longer the more often
/// it has been late: a slow group must not slow down the others.
/// </summary>
/// <remarks>Only large batches travel so. With few callers, waiting for each other would take time and save
/// nothing.</remarks>
internal sealed class Convoy : IDisposable
{
    /// <summary>Operations in a batch that travels with others.</summary>
    public const int LeastOperations = 8;

    /// <summary>How often at most a lane leaves alone before it is waited for again; once after its batch was late once,
    /// and twice as often each time that it is late again.</summary>
    public const int MostDeparturesAlone = 32;

    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly Lock _lock = new();

    // Guarded by the lock: whose batches are away, and since when. Those that left while others were waiting already are
    // waited for next time.
    private Dictionary<object, long> _away = [];
    private Dictionary<object, long> _awayLater = [];
    private readonly Dictionary<object, Lateness> _late = [];
    private TaskCompletionSource? _waiting;
    private bool _disposed;

    public Convoy(TimeProvider time)
    {
        _time = time;
        _timer = time.CreateTimer(static convoy => ((Convoy)convoy!).LeaveLateOnes(), this, Timeout.InfiniteTimeSpan,
            Timeout.InfiniteTimeSpan);
    }

    /// <summary>A lane's batch leaves.</summary>
    public void Depart(object lane)
    {
        lock (_lock)
        {
            if (_late.GetValueOrDefault(lane) is { DeparturesLeft: > 0 } late)
                _late[lane] = late with { DeparturesLeft = late.DeparturesLeft - 1 };
            else (_waiting is null ? _away : _awayLater)[lane] = _time.GetTimestamp();
        }
    }

    /// <summary>A lane's batch is back.</summary>
    /// <param name="mayWait">False: the lane has no use for the others.</param>
    /// <returns>Completes when the lane's next batch should leave.</returns>
    public Task ReturnAsync(object lane, bool mayWait = true)
    {
        lock (_lock)
        {
            bool isExpected = _away.Remove(lane, out long departed);
            if (!_awayLater.Remove(lane) && !isExpected) return Task.CompletedTask;
            _late.Remove(lane);
            if (_away.Count == 0) End();
            else if (mayWait && isExpected && _waiting is null && !_disposed) StartWaiting(departed);
            return mayWait && _waiting is not null ? _waiting.Task : Task.CompletedTask;
        }
    }

    /// <summary>Nobody waits any more, nor will.</summary>
    public void Dispose()
    {
        lock (_lock) _disposed = true;
        _timer.Dispose();
        LeaveLateOnes();
    }

    private void LeaveLateOnes()
    {
        lock (_lock)
        {
            if (_waiting is null) return;
            foreach (object lane in _away.Keys)
            {
                int departures = Math.Clamp(2 * _late.GetValueOrDefault(lane).Departures, 1, MostDeparturesAlone);
                _late[lane] = new Lateness(departures, departures);
            }
            End();
        }
    }

    /// <summary>Under the lock.</summary>
    private void StartWaiting(long departed)
    {
        _waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        // Timers count whole milliseconds, and would end at once what is shorter.
        double limit = Math.Ceiling(2 * _time.GetElapsedTime(departed).TotalMilliseconds);
        _timer.Change(TimeSpan.FromMilliseconds(Math.Max(1, limit)), Timeout.InfiniteTimeSpan);
    }

    /// <summary>Under the lock.</summary>
    private void End()
    {
        _away.Clear();
        (_away, _awayLater) = (_awayLater, _away);
        _waiting?.SetResult();
        _waiting = null;
    }

    /// <summary>Of a lane that has not been in time since.</summary>
    /// <param name="Departures">How often it was to leave alone after the last time.</param>
    private readonly record struct Lateness(int Departures, int DeparturesLeft);
}
