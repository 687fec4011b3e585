namespace Orleans.Raft.Shell.Tests;

/// <summary>Time that the test moves.</summary>
internal sealed class ManualTime : TimeProvider
{
    private long _now;
    private bool _firesTimers;

    public override long TimestampFrequency => 1_000_000_000;

    public override long GetTimestamp() => Interlocked.Read(ref _now);

    public void Advance(TimeSpan time) => Interlocked.Add(ref _now, (long)time.TotalNanoseconds);

    /// <summary>From now on a timer is due as soon as it is made.</summary>
    public void FireTimersOnceCreated() => _firesTimers = true;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        System.CreateTimer(callback, state, _firesTimers ? TimeSpan.Zero : dueTime, period);
}
