using System.Runtime.ExceptionServices;

namespace Orleans.Raft.Testing;

/// <summary>
/// Runs queued tasks on the thread that asks for it, one at a time: oldest first, or in an order drawn from a seed.
/// Tasks may be queued from any thread, but a run is repeatable only if all of them come from tasks of this scheduler
/// or of its lanes.
/// </summary>
/// <param name="seed">Null: oldest first.</param>
public sealed class DeterministicScheduler(int? seed = null) : TaskScheduler
{
    private readonly Lock _lock = new();

    // Invariant: what is before _first has run; with a seed _first stays 0.
    private readonly List<QueuedTask> _queue = [];
    private readonly Random? _random = seed is { } value ? new Random(value) : null;
    private int _first;
    private bool _running;

    /// <summary>A task can only be executed by the scheduler it was queued to.</summary>
    /// <param name="Lane">Null: this scheduler itself.</param>
    private readonly record struct QueuedTask(NodeScheduler? Lane, Task Task);

    public override int MaximumConcurrencyLevel => 1;

    /// <summary>How many tasks ran.</summary>
    public long Steps { get; private set; }

    public bool IsIdle
    {
        get
        {
            lock (_lock) return _queue.Count == _first;
        }
    }

    /// <summary>A scheduler whose tasks are run by this one, among all others, and which can be paused.</summary>
    public NodeScheduler CreateLane() => new(this);

    /// <summary>Runs one queued task; false if there is none. Throws what the task throws: whatever is queued here
    /// keeps its failures to itself or is broken.</summary>
    public bool RunOne()
    {
        if (_running) throw new InvalidOperationException("A task of this scheduler may not run the scheduler.");
        if (!TryTake(out QueuedTask next)) return false;
        // A context of the test framework would take continuations away from this scheduler.
        SynchronizationContext? context = SynchronizationContext.Current;
        if (context is not null) SynchronizationContext.SetSynchronizationContext(null);
        _running = true;
        try
        {
            if (next.Lane is { } lane) lane.Execute(next.Task);
            else TryExecuteTask(next.Task);
            Steps++;
        }
        finally
        {
            _running = false;
            if (context is not null) SynchronizationContext.SetSynchronizationContext(context);
        }
        if (next.Task.Exception?.InnerException is { } failure) ExceptionDispatchInfo.Throw(failure);
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
    public Task Start(Func<Task> work) => StartedWork.On(this, work);

    /// <summary>Starts work here without running it.</summary>
    public Task<T> Start<T>(Func<Task<T>> work) => StartedWork.On(this, work);

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

    internal void Queue(NodeScheduler lane, Task task)
    {
        lock (_lock) _queue.Add(new QueuedTask(lane, task));
    }

    /// <summary>Takes back what a lane has queued, oldest first.</summary>
    internal List<Task> Withdraw(NodeScheduler lane)
    {
        lock (_lock)
        {
            List<Task> taken = [.. _queue.Skip(_first).Where(queued => queued.Lane == lane).Select(q => q.Task)];
            _queue.RemoveRange(0, _first);
            _first = 0;
            _queue.RemoveAll(queued => queued.Lane == lane);
            return taken;
        }
    }

    protected override void QueueTask(Task task)
    {
        lock (_lock) _queue.Add(new QueuedTask(null, task));
    }

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

    protected override IEnumerable<Task> GetScheduledTasks()
    {
        lock (_lock) return [.. _queue.Skip(_first).Where(queued => queued.Lane is null).Select(q => q.Task)];
    }

    private bool TryTake(out QueuedTask next)
    {
        lock (_lock)
        {
            int waiting = _queue.Count - _first;
            if (waiting == 0)
            {
                next = default;
                return false;
            }
            int index = _random?.Next(waiting) ?? _first;
            next = _queue[index];
            if (_random is not null)
            {
                _queue[index] = _queue[^1];
                _queue.RemoveAt(_queue.Count - 1);
            }
            else if (waiting == 1 || _first == 1000)
            {
                _queue.RemoveRange(0, _first + 1);
                _first = 0;
            }
            else
            {
                _queue[_first++] = default;
            }
            return true;
        }
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
