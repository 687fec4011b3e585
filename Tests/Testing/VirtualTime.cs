namespace Orleans.Raft.Testing;

/// <summary>A clock that moves only by <see cref="Advance"/>. Timers fire in the order of their due times, then of
/// their making.</summary>
/// <param name="scheduler">If given, each timer's callback is a task of it, and it runs until idle before time moves
/// on.</param>
public sealed class VirtualTime(DeterministicScheduler? scheduler = null) : TimeProvider
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Lock _lock = new();
    private readonly PriorityQueue<(VirtualTimer Timer, long Version), (long Due, long Number)> _due = new();
    private long _now;
    private long _numbers;

    /// <summary>Time since the start.</summary>
    public TimeSpan Now => new(Interlocked.Read(ref _now));

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>How long until the next timer fires; null if none is set.</summary>
    public TimeSpan? UntilNextTimer
    {
        get
        {
            lock (_lock)
            {
                DropStale();
                return _due.TryPeek(out _, out (long Due, long Number) next)
                    ? new TimeSpan(Math.Max(0, next.Due - _now))
                    : null;
            }
        }
    }

    public override long GetTimestamp() => Interlocked.Read(ref _now);

    public override DateTimeOffset GetUtcNow() => Start + Now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new VirtualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves time on, stopping at each timer that falls due on the way.</summary>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        long end = _now + by.Ticks;
        scheduler?.RunUntilIdle();
        while (TakeDue(end) is { } timer)
        {
            if (scheduler is null)
            {
                timer.Fire();
                continue;
            }
            _ = Task.Factory.StartNew(timer.Fire, CancellationToken.None, TaskCreationOptions.None, scheduler);
            scheduler.RunUntilIdle();
        }
        Interlocked.Exchange(ref _now, end);
    }

    private VirtualTimer? TakeDue(long end)
    {
        lock (_lock)
        {
            DropStale();
            if (!_due.TryPeek(out (VirtualTimer Timer, long Version) item, out (long Due, long Number) at)
                || at.Due > end) return null;
            _due.Dequeue();
            Interlocked.Exchange(ref _now, Math.Max(_now, at.Due));
            if (item.Timer.Period > 0) Set(item.Timer, at.Due + item.Timer.Period);
            return item.Timer;
        }
    }

    private void DropStale()
    {
        while (_due.TryPeek(out (VirtualTimer Timer, long Version) item, out _) && item.Timer.Version != item.Version)
            _due.Dequeue();
    }

    private void Set(VirtualTimer timer, long due) => _due.Enqueue((timer, ++timer.Version), (due, ++_numbers));

    private sealed class VirtualTimer(VirtualTime time, TimerCallback callback, object? state) : ITimer
    {
        private bool _disposed;

        /// <summary>Changes with every setting: an older one in the queue no longer counts.</summary>
        public long Version { get; set; }

        /// <summary>Ticks; 0: once.</summary>
        public long Period { get; private set; }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._lock)
            {
                if (_disposed) return false;
                Version++;
                Period = period > TimeSpan.Zero ? period.Ticks : 0;
                if (dueTime >= TimeSpan.Zero) time.Set(this, time._now + dueTime.Ticks);
                return true;
            }
        }

        public void Dispose()
        {
            lock (time._lock)
            {
                _disposed = true;
                Version++;
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
