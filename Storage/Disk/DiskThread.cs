namespace Orleans.Raft.Storage;

/// <summary>
/// One thread that makes blocking file calls in the order they were asked for. Results arrive through tasks whose
/// continuations run on the asker's scheduler, never here.
/// </summary>
#pragma warning disable RS0030 // Behind the disk seam: blocking system calls need a thread of their own.
internal sealed class DiskThread
{
    private readonly object _lock = new();
    private readonly Queue<Action> _queue = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile int _queued;
    private bool _stopping;

    public DiskThread(string name)
    {
        new Thread(Run) { IsBackground = true, Name = name }.Start();
    }

    /// <summary>Queues a call; the operation and path are for the message if it fails.</summary>
    public Task<T> RunAsync<T>(string operation, string path, Func<T> call)
    {
        var completion = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Enqueue(() =>
        {
            try
            {
                completion.SetResult(call());
            }
            catch (DiskException exception)
            {
                completion.SetException(exception);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                completion.SetException(DiskErrors.From(exception, operation, path));
            }
            catch (Exception exception)
            {
                completion.SetException(exception); // A defect: told to the caller as it is.
            }
        });
        return completion.Task;
    }

    /// <summary>Ends the thread after everything queued.</summary>
    public Task StopAsync()
    {
        lock (_lock)
        {
            _stopping = true;
            Monitor.Pulse(_lock);
        }
        return _ended.Task;
    }

    private void Enqueue(Action work)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_stopping, typeof(LocalDisk));
            _queue.Enqueue(work);
            _queued = _queue.Count;
            Monitor.Pulse(_lock);
        }
    }

    private void Run()
    {
        while (TryTake(out Action? work)) work();
        _ended.SetResult();
    }

    private bool TryTake(out Action work)
    {
        // Waking a sleeping thread costs tens of microseconds, about as much as spinning a little after each call.
        var spinner = new SpinWait();
        while (_queued == 0 && !spinner.NextSpinWillYield) spinner.SpinOnce();
        lock (_lock)
        {
            while (_queue.Count == 0 && !_stopping) Monitor.Wait(_lock);
            bool taken = _queue.TryDequeue(out work!);
            _queued = _queue.Count;
            return taken;
        }
    }
}
#pragma warning restore RS0030
