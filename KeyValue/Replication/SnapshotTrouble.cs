using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Snapshots that found no room on the disk, one after the other: each makes the wait for the next try
/// longer.</summary>
internal sealed class SnapshotTrouble
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(1);

    private volatile string? _problem;
    private int _failures;
    private TimeSpan _retryAt;

    /// <summary>In words; null if the last try went well. Any thread may ask.</summary>
    public string? Problem => _problem;

    /// <summary>The last entry of the snapshot that failed last.</summary>
    public EntryId Last { get; private set; }

    public bool MustWait(TimeSpan now) => _problem is not null && now < _retryAt;

    /// <returns>How long to wait before the next try.</returns>
    public TimeSpan Note(EntryId last, string problem, TimeSpan now)
    {
        TimeSpan wait = FirstWait * (1 << Math.Min(_failures++, 6));
        _retryAt = now + wait;
        Last = last;
        _problem = problem;
        return wait;
    }

    public void Forget()
    {
        _failures = 0;
        _problem = null;
    }
}
