namespace Orleans.Raft.KeyValue;

/// <summary>Spreads the snapshots a node sends over time, so that they leave room for everything else. Any thread may
/// call it.</summary>
internal sealed class SnapshotPace(long bytesPerSecond)
{
    // So much may leave at once: ticks come seldom, and a small snapshot should not wait for one.
    private static readonly TimeSpan Burst = TimeSpan.FromMilliseconds(50);

    private readonly Lock _lock = new();

    /// <summary>When all that was let go would have left at the rate.</summary>
    private TimeSpan _spentUntil;

    /// <summary>Whether a part may leave now; if so, it counts.</summary>
    public bool TryTake(int bytes, TimeSpan now)
    {
        lock (_lock)
        {
            if (_spentUntil > now + Burst) return false;
            TimeSpan start = _spentUntil > now ? _spentUntil : now;
            _spentUntil = start + TimeSpan.FromSeconds((double)bytes / bytesPerSecond);
            return true;
        }
    }
}
