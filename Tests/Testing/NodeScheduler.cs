namespace Orleans.Raft.Testing;

/// <summary>
/// Where one life of a simulated node runs: a lane of a <see cref="DeterministicScheduler"/>, which runs its tasks
/// among all others. While it is paused they pile up; once it is discarded they are lost.
/// </summary>
public sealed class NodeScheduler : TaskScheduler
{
    private readonly DeterministicScheduler _owner;

    // What piled up while paused, oldest first.
    private List<Task> _held = [];

    private bool _hasRun;

    internal NodeScheduler(DeterministicScheduler owner) => _owner = owner;

    public override int MaximumConcurrencyLevel => 1;

    public bool IsPaused { get; private set; }

    /// <summary>Whether its node was killed: nothing runs here any more.</summary>
    public bool IsDiscarded { get; private set; }

    /// <summary>Starts work here without running it. It never ends if the lane is discarded.</summary>
    public Task Start(Func<Task> work) => StartedWork.On(this, work);

    /// <summary>Starts work here without running it. It never ends if the lane is discarded.</summary>
    public Task<T> Start<T>(Func<Task<T>> work) => StartedWork.On(this, work);

    internal void Post(Action<object?> action, object? state) =>
        Task.Factory.StartNew(action, state, CancellationToken.None, TaskCreationOptions.None, this);

    /// <summary>For a node of a cluster: <see cref="StoreCluster.Pause"/>.</summary>
    public void Pause()
    {
        if (IsPaused || IsDiscarded) return;
        IsPaused = true;
        _held = _owner.Withdraw(this);
    }

    public void Resume()
    {
        if (!IsPaused) return;
        IsPaused = false;
        foreach (Task task in _held) _owner.Queue(this, task);
        _held = [];
    }

    /// <summary>What is queued never runs, nor what is queued from now on.</summary>
    public void Discard()
    {
        IsDiscarded = true;
        IsPaused = false;
        _held = [];
        _owner.Withdraw(this);
    }

    /// <summary>Whether anything has run here since this was asked last.</summary>
    internal bool TakeHasRun()
    {
        bool hasRun = _hasRun;
        _hasRun = false;
        return hasRun;
    }

    internal void Execute(Task task)
    {
        _hasRun = true;
        TryExecuteTask(task);
    }

    protected override void QueueTask(Task task)
    {
        if (IsDiscarded) return;
        if (IsPaused) _held.Add(task);
        else _owner.Queue(this, task);
    }

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

    protected override IEnumerable<Task> GetScheduledTasks() => [.. _held];
}
