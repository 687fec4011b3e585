namespace Orleans.Raft.Testing;

/// <summary>Asynchronous work begun on a scheduler. The runtime's way to see its end, <c>Unwrap</c>, may go through the
/// thread pool, and the order of things would then depend on real time.</summary>
internal static class StartedWork
{
    public static Task<T> On<T>(TaskScheduler scheduler, Func<Task<T>> work)
    {
        var end = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = Task.Factory.StartNew(() => FollowAsync(work, end), CancellationToken.None, TaskCreationOptions.None,
            scheduler);
        return end.Task;
    }

    public static Task On(TaskScheduler scheduler, Func<Task> work) => On(scheduler, async () =>
    {
        await work();
        return true;
    });

    private static async Task FollowAsync<T>(Func<Task<T>> work, TaskCompletionSource<T> end)
    {
        try
        {
            end.SetResult(await work());
        }
#pragma warning disable CA1031 // It is the caller's, as a result would be.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            end.SetException(failure);
        }
    }
}
