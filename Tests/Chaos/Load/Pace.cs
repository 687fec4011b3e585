using System.Diagnostics;

namespace Orleans.Raft.Chaos;

/// <summary>
/// Bounds the operations a second of all clients together. They go in bursts: within one every client is as fast as the
/// store, so that clients meet however low the rate is.
/// </summary>
public sealed class Pace(double perSecond)
{
    private const int Burst = 256;

    private readonly TimeSpan _period = TimeSpan.FromSeconds(Burst / perSecond);
    private readonly Lock _lock = new();
    private readonly long _start = Stopwatch.GetTimestamp();
    private TimeSpan _begin;
    private int _left = Burst;

    /// <summary>Waits for the caller's turn, or until it is told to stop. What was missed while nobody could go is not
    /// made up for.</summary>
    public async Task TurnAsync(CancellationToken stop)
    {
        TimeSpan wait;
        lock (_lock)
        {
            TimeSpan now = Stopwatch.GetElapsedTime(_start);
            if (_left-- == 0)
            {
                _left = Burst - 1;
                _begin += _period;
                if (_begin < now) _begin = now;
            }
            wait = _begin - now;
        }
        await WaitAsync(wait, stop);
    }

    /// <summary>Waits until a burst begins, or until it is told to stop.</summary>
    public async Task BurstAsync(CancellationToken stop)
    {
        TimeSpan wait;
        lock (_lock) wait = _begin + _period - Stopwatch.GetElapsedTime(_start);
        await WaitAsync(wait, stop);
    }

    private static async Task WaitAsync(TimeSpan wait, CancellationToken stop)
    {
        if (wait <= TimeSpan.Zero) return;
        await Task.Delay(wait, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
