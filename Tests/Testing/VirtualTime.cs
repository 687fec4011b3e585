namespace Orleans.Raft.Testing;

/// <summary>A clock that moves only by <see cref="Advance"/>. Timers fire in the order of their due times, then of
/// their making.</summary>
/// <param name="scheduler">If given, each timer's callback is a task of it, and it runs until idle before time moves
/// on.</param>
public sealed class VirtualTime(DeterministicScheduler? scheduler = null) : TimeProvider
{
    internal static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Lock _lock = new();
    private readonly PriorityQueue<(VirtualEvent Event, long Version), (long Due, long Number)> _due = new(new Order());
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
        var timer = new VirtualTimer(this, scheduler, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves time on, stopping at each timer that falls due on the way.</summary>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        long end = _now + by.Ticks;
        scheduler?.RunUntilIdle();
        while (TakeDue(end) is { } due)
        {
            due.Happen();
            scheduler?.RunUntilIdle();
        }
        Interlocked.Exchange(ref _now, end);
    }

    /// <summary>Completes when that much time has passed.</summary>
    internal Task AfterAsync(TimeSpan delay)
    {
        var wait = new Wait();
        Set(wait, _now + delay.Ticks);
        return wait.Task;
    }

    /// <summary>Lets an event happen then, and not when it was to happen before.</summary>
    internal void Set(VirtualEvent what, long dueTicks)
    {
        lock (_lock) _due.Enqueue((what, ++what.Version), (dueTicks, ++_numbers));
    }

    internal void Cancel(VirtualEvent what)
    {
        lock (_lock) what.Version++;
    }

    private VirtualEvent? TakeDue(long end)
    {
        lock (_lock)
        {
            DropStale();
            if (!_due.TryPeek(out (VirtualEvent Event, long Version) item, out (long Due, long Number) at)
                || at.Due > end) return null;
            _due.Dequeue();
            item.Event.Version++;
            Interlocked.Exchange(ref _now, Math.Max(_now, at.Due));
            return item.Event;
        }
    }

    private void DropStale()
    {
        while (_due.TryPeek(out (VirtualEvent Event, long Version) item, out _) && item.Event.Version != item.Version)
            _due.Dequeue();
    }

    private sealed class Order : IComparer<(long Due, long Number)>
    {
        public int Compare((long Due, long Number) x, (long Due, long Number) y) =>
            x.Due != y.Due ? x.Due.CompareTo(y.Due) : x.Number.CompareTo(y.Number);
    }

    private sealed class Wait : VirtualEvent
    {
        private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Task => _completion.Task;

        public override void Happen() => _completion.SetResult();
    }

    private sealed class VirtualTimer(
        VirtualTime time, DeterministicScheduler? scheduler, TimerCallback callback, object? state)
        : VirtualEvent, ITimer
    {
        private bool _disposed;
        private long _due;

        // 0: once.
        private long _periodTicks;

        public override void Happen()
        {
            if (_periodTicks > 0) time.Set(this, _due += _periodTicks);
            if (scheduler is null) callback(state);
            else
            {
                _ = Task.Factory.StartNew(static timer => ((VirtualTimer)timer!).Call(), this, CancellationToken.None,
                    TaskCreationOptions.None, scheduler);
            }
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            if (_disposed) return false;
            time.Cancel(this);
            _periodTicks = period > TimeSpan.Zero ? period.Ticks : 0;
            if (dueTime >= TimeSpan.Zero) time.Set(this, _due = time._now + dueTime.Ticks);
            return true;
        }

        public void Dispose()
        {
            _disposed = true;
            time.Cancel(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Call() => callback(state);
    }
}

/// <summary>Something that is to happen at a moment of virtual time.</summary>
internal abstract class VirtualEvent
{
    /// <summary>Changes with every setting: an older one in the queue no longer counts.</summary>
    public long Version { get; set; }

    /// <summary>Called while nothing else runs; must not do more than queue work or complete a task.</summary>
    public abstract void Happen();
}
