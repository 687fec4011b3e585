using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>
/// When a flush begins. Groups whose writes one flush made durable are answered at the same time, and soon write again.
/// A flush that began with the first of them would hold few, and all others would wait for it and for the next one. So
/// it waits for as many groups as were writing at the same time when the last flush ended and when the one before did,
/// but not longer than the last one took, in whole milliseconds, of which a timer counts no fraction. Whoever writes
/// alone never waits.
/// </summary>
internal sealed partial class FlushQueue
{
    // Guarded by the lock.
    private readonly HashSet<GroupId> _queuedGroups = [];
    private TaskCompletionSource? _gathered;
    private bool _mustNotWait;
    private int _expectedGroups;

    // Belong to the turn.
    private readonly HashSet<GroupId> _writingGroups = [];
    private int _writingBefore;
    private TimeSpan _gatherWindow;
    private long _lastFlushEnded;

    // Under the lock.
    private bool IsGathered => _queuedGroups.Count >= _expectedGroups || _mustNotWait || _queue.Count == 0
        || _session.Ended is not null;

    /// <summary>Takes what is queued once the groups that are expected are among it, or are late. False, and the turn
    /// ends, if there is nothing to do.</summary>
    private async ValueTask<bool> GatherAsync()
    {
        TimeSpan left = _gatherWindow - _options.Time.GetElapsedTime(_lastFlushEnded);
        if (left > TimeSpan.Zero && _pending.Count == 0 && StartGathering() is { } gathered)
        {
            // Timers count whole milliseconds, and would end at once what is shorter.
            await using ITimer timer = _options.Time.CreateTimer(
                _ => gathered.TrySetResult(), null, WholeMilliseconds(left), Timeout.InfiniteTimeSpan);
            await gathered.Task;
        }
        return TakeQueued();
    }

    /// <summary>Null if there is nobody to wait for.</summary>
    private TaskCompletionSource? StartGathering()
    {
        lock (_lock)
        {
            if (IsGathered) return null;
            return _gathered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Under the lock.</summary>
    private void NoteQueued(in QueueRequest request)
    {
        if (request.Kind == QueueRequestKind.Persist) _queuedGroups.Add(request.Replica!.Group);
        else _mustNotWait = true;
        if (_gathered is not null && IsGathered) _gathered.TrySetResult();
    }

    /// <summary>Notes how many groups write now: those of the flush that has just ended, and those that have come
    /// meanwhile.</summary>
    private void NoteFlush(long started)
    {
        _lastFlushEnded = _options.Time.GetTimestamp();
        TimeSpan took = WholeMilliseconds(_options.Time.GetElapsedTime(started, _lastFlushEnded));
        _gatherWindow = took < _options.GatherLimit ? took : _options.GatherLimit;
        _writingGroups.Clear();
        foreach (QueueRequest request in _inFlight)
            if (request.Kind == QueueRequestKind.Persist) _writingGroups.Add(request.Replica!.Group);
        lock (_lock)
        {
            _writingGroups.UnionWith(_queuedGroups);
            _expectedGroups = Math.Min(_writingGroups.Count, _writingBefore);
        }
        _writingBefore = _writingGroups.Count;
    }

    private static TimeSpan WholeMilliseconds(TimeSpan time) =>
        TimeSpan.FromMilliseconds(Math.Ceiling(time.TotalMilliseconds));
}
