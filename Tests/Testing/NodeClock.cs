namespace Orleans.Raft.Testing;

/// <summary>
/// One simulated node's own clocks over true virtual time: they may drift, the monotonic one may jump forward, the wall
/// clock either way. They outlive the node's process. Timers go by the monotonic clock; their callbacks run in the
/// node's lane, and a timer whose callback still waits there is not queued a second time.
/// </summary>
public sealed class NodeClock : TimeProvider
{
    private readonly VirtualTime _time;
    private readonly SortedDictionary<long, NodeTimer> _timers = [];
    private long _numbers;
    private double _rate = 1;
    private TimeSpan _wallShift;

    // Local time at a moment of true time; from there on it goes by the rate.
    private long _trueBase;
    private long _localBase;

    public NodeClock(VirtualTime time, NodeScheduler lane)
    {
        _time = time;
        Lane = lane;
        _trueBase = _localBase = time.GetTimestamp();
    }

    /// <summary>How fast it goes; 1 is true. Above 0.</summary>
    public double Rate
    {
        get => _rate;
        set
        {
            if (!double.IsFinite(value) || value <= 0)
                throw new ArgumentOutOfRangeException(nameof(value), value, "A clock's rate must be above 0.");
            Rebase(0);
            _rate = value;
            ArmAll();
        }
    }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>Where the callbacks of timers made from now on run.</summary>
    internal NodeScheduler Lane { get; set; }

    /// <summary>Moves both clocks forward at once; timers that are due then fire.</summary>
    public void Jump(TimeSpan forward)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(forward, TimeSpan.Zero);
        Rebase(forward.Ticks);
        ArmAll();
    }

    /// <summary>Moves the wall clock alone, forward or back.</summary>
    public void ShiftWallClock(TimeSpan by) => _wallShift += by;

    public override long GetTimestamp() =>
        _localBase + (long)((_time.GetTimestamp() - _trueBase) * _rate);

    public override DateTimeOffset GetUtcNow() => VirtualTime.Start + new TimeSpan(GetTimestamp()) + _wallShift;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new NodeTimer(this, Lane, ++_numbers, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private void Rebase(long forwardTicks)
    {
        _localBase = GetTimestamp() + forwardTicks;
        _trueBase = _time.GetTimestamp();
    }

    private void ArmAll()
    {
        foreach (NodeTimer timer in _timers.Values) timer.Arm();
    }

    /// <summary>The first moment of true time at which this clock shows at least that.</summary>
    private long TrueTimeOf(long local)
    {
        long due = _trueBase + (long)Math.Ceiling((local - _localBase) / _rate);
        return Math.Max(due, _time.GetTimestamp());
    }

    private sealed class NodeTimer(
        NodeClock clock, NodeScheduler lane, long number, TimerCallback callback, object? state) : VirtualEvent, ITimer
    {
        private bool _disposed;
        private bool _queued;

        // By the node's clock.
        private long _due;

        // 0: once.
        private long _periodTicks;

        public void Arm() => clock._time.Set(this, clock.TrueTimeOf(_due));

        public override void Happen()
        {
            long now = clock.GetTimestamp();
            if (now < _due)
            {
                // Rounding: a tick is missing.
                clock._time.Set(this, clock._time.GetTimestamp() + 1);
                return;
            }
            if (_periodTicks > 0 && !lane.IsDiscarded)
            {
                // What a jump has passed over is not made up for.
                _due = _due + _periodTicks > now ? _due + _periodTicks : now + _periodTicks;
                Arm();
            }
            else clock._timers.Remove(number);
            if (_queued) return;
            _queued = true;
            lane.Post(static timer => ((NodeTimer)timer!).Call(), this);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            if (_disposed) return false;
            clock._time.Cancel(this);
            clock._timers.Remove(number);
            _periodTicks = period > TimeSpan.Zero ? period.Ticks : 0;
            if (dueTime < TimeSpan.Zero) return true;
            _due = clock.GetTimestamp() + dueTime.Ticks;
            clock._timers[number] = this;
            Arm();
            return true;
        }

        public void Dispose()
        {
            _disposed = true;
            clock._time.Cancel(this);
            clock._timers.Remove(number);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Call()
        {
            _queued = false;
            if (!_disposed) callback(state);
        }
    }
}
