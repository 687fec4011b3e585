namespace Orleans.Raft.Testing;

/// <summary>
/// Runs queued tasks on the thread that asks for it, one at a time: oldest first, or in an order drawn from a seed.
/// Tasks may be queued from any thread, but a run is repeatable only if all of them come from tasks of this scheduler.
/// </summary>
/// <param name="seed">Null: oldest first.</param>
public sealed class DeterministicScheduler(int? seed = null) : TaskScheduler
{
    private readonly Lock _lock = new();
    private readonly List<Task> _queue = [];
    private readonly Random? _random = seed is { } value ? new Random(value) : null;
    private bool _running;

    public override int MaximumConcurrencyLevel => 1;

    /// <summary>How many tasks ran.</summary>
    public long Steps { get; private set; }

    public bool IsIdle
    {
        get
        {
            lock (_lock) return _queue.Count == 0;
        }
    }

    /// <summary>Runs one queued task; false if there is none.</summary>
    public bool RunOne()
    {
        if (_running) throw new InvalidOperationException("A task of this scheduler may not run the scheduler.");
        Task task;
        lock (_lock)
        {
            if (_queue.Count == 0) return false;
            int index = _random?.Next(_queue.Count) ?? 0;
            task = _queue[index];
            _queue.RemoveAt(index);
        }
        // A context of the test framework would take continuations away from this scheduler.
        SynchronizationContext? context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        _running = true;
        try
        {
            TryExecuteTask(task);
            Steps++;
        }
        finally
        {
            _running = false;
            SynchronizationContext.SetSynchronizationContext(context);
        }
        return true;
    }

    /// <summary>Runs until nothing is queued; returns how many tasks ran.</summary>
    /// <param name="maxSteps">Throws after so many: something goes in circles.</param>
    public long RunUntilIdle(long maxSteps = 10_000_000)
    {
        long steps = 0;
        while (RunOne())
        {
            if (++steps > maxSteps) throw new InvalidOperationException($"Still not idle after {maxSteps} steps.");
        }
        return steps;
    }

    /// <summary>Starts work here without running it.</summary>
    public Task Start(Func<Task> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.None, this).Unwrap();

    /// <summary>Starts work here without running it.</summary>
    public Task<T> Start<T>(Func<Task<T>> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.None, this).Unwrap();

    /// <summary>Runs work to its end; throws what it throws, or if nothing is left to run and it has not
    /// ended.</summary>
    public void Run(Func<Task> work) => Complete(Start(work));

    /// <summary>Runs work to its end; throws what it throws, or if nothing is left to run and it has not
    /// ended.</summary>
    public T Run<T>(Func<Task<T>> work)
    {
        Task<T> task = Start(work);
        Complete(task);
        return task.Result;
    }

    protected override void QueueTask(Task task)
    {
        lock (_lock) _queue.Add(task);
    }

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

    protected override IEnumerable<Task> GetScheduledTasks()
    {
        lock (_lock) return [.. _queue];
    }

    private void Complete(Task task)
    {
        while (!task.IsCompleted)
        {
            if (!RunOne()) throw new InvalidOperationException("Nothing is left to run, but the work has not ended: "
                + "it waits for something.");
        }
        task.GetAwaiter().GetResult();
    }
}
