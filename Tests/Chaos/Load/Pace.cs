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

    /// <summary>Waits for the caller's turn. What was missed while nobody could go is not made up for.</summary>
    public async Task TurnAsync()
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
        if (wait > TimeSpan.Zero) await Task.Delay(wait);
    }

    /// <summary>Waits until a burst begins.</summary>
    public async Task BurstAsync()
    {
        TimeSpan wait;
        lock (_lock) wait = _begin + _period - Stopwatch.GetElapsedTime(_start);
        if (wait > TimeSpan.Zero) await Task.Delay(wait);
    }
}
