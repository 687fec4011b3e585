namespace Orleans.Raft.KeyValue;

/// <summary>Bounds one attempt to reach a group, without leaving the caller's scheduler.</summary>
public static class Attempt
{
    /// <summary>The reply, or <see cref="GroupReplyStatus.Unknown"/> if there is none within
    /// <paramref name="limit"/>.</summary>
    /// <remarks>
    /// Not <c>WaitAsync</c> or <c>WhenAny</c>: those hop over the thread pool, whatever scheduler the caller is on.
    /// </remarks>
    public static Task<GroupReply> WithinAsync(Task<GroupReply> execution, TimeSpan limit, TimeProvider time) =>
        WithinAsync(execution, GroupReply.Of(GroupReplyStatus.Unknown), limit, time);

    /// <summary>What the work gives or throws, or <paramref name="otherwise"/> if that is not known within
    /// <paramref name="limit"/>.</summary>
    internal static async Task<T> WithinAsync<T>(Task<T> work, T otherwise, TimeSpan limit, TimeProvider time)
    {
        if (work.IsCompletedSuccessfully) return work.Result;
        if (limit <= TimeSpan.Zero) return otherwise;
        var first = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using ITimer timer =
            time.CreateTimer(_ => first.TrySetResult(otherwise), null, limit, Timeout.InfiniteTimeSpan);
        _ = ForwardAsync(work, first);
        return await first.Task;
    }

    private static async Task ForwardAsync<T>(Task<T> work, TaskCompletionSource<T> first)
    {
        try
        {
            first.TrySetResult(await work);
        }
#pragma warning disable CA1031 // Whatever it is, it is the caller's.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            first.TrySetException(failure);
        }
    }
}
