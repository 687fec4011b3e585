using System.Diagnostics;

namespace Orleans.Raft.Chaos;

/// <summary>Counts operations as they end; for any number of threads.</summary>
public sealed class Tally
{
    private readonly Lock _lock = new();
    private readonly long _start = Stopwatch.GetTimestamp();
    private TimeSpan _lastWrite;

    public long Acknowledged { get; private set; }

    public long Unknown { get; private set; }

    /// <summary>Certainly not executed.</summary>
    public long Refused { get; private set; }

    public long Total
    {
        get
        {
            lock (_lock) return Acknowledged + Unknown + Refused;
        }
    }

    /// <summary>The longest time without an acknowledged write.</summary>
    public TimeSpan LongestGap { get; private set; }

    /// <summary>Clients begin: the time without an acknowledged write counts from here.</summary>
    public void Begin() => _lastWrite = Elapsed;

    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    public void Acknowledge(bool isWrite)
    {
        lock (_lock)
        {
            Acknowledged++;
            if (!isWrite) return;
            TimeSpan now = Elapsed;
            if (now - _lastWrite > LongestGap) LongestGap = now - _lastWrite;
            _lastWrite = now;
        }
    }

    public void NoteUnknown()
    {
        lock (_lock) Unknown++;
    }

    public void NoteRefused()
    {
        lock (_lock) Refused++;
    }
}
