namespace Orleans.Raft.Storage;

/// <summary>
/// Counts what is under way, so that a crash can let the current disk calls end and be sure that no other follows:
/// after <see cref="CloseAsync"/> completes, nothing of this storage touches the directory.
/// </summary>
internal sealed class ActivityGate
{
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _active;
    private volatile bool _closed;

    public bool IsClosed => _closed;

    public bool TryEnter()
    {
        lock (_lock)
        {
            if (_closed) return false;
            _active++;
            return true;
        }
    }

    public void Enter()
    {
        if (!TryEnter()) ThrowClosed();
    }

    public void Exit()
    {
        lock (_lock)
        {
            _active--;
            if (_closed && _active == 0) _idle.TrySetResult();
        }
    }

    /// <summary>To be called after every wait of a longer activity.</summary>
    public void ThrowIfClosed()
    {
        if (_closed) ThrowClosed();
    }

    /// <summary>Lets nothing in any more; completes when everything inside has left.</summary>
    public Task CloseAsync()
    {
        lock (_lock)
        {
            _closed = true;
            if (_active == 0) _idle.TrySetResult();
        }
        return _idle.Task;
    }

    private static void ThrowClosed() => throw new FencedException("The storage was closed or crashed; open it again.");
}
