namespace Orleans.Raft.KeyValue;

/// <summary>Bounds one attempt to reach a group, without leaving the caller's scheduler.</summary>
public static class Attempt
{
    /// <summary>The reply, or <see cref="GroupReplyStatus.Unknown"/> if there is none within <paramref name="limit"/>.</summary>
    /// <remarks>
    /// Not <c>WaitAsync</c> or <c>WhenAny</c>: those hop over the thread pool, whatever scheduler the caller is on.
    /// </remarks>
    public static async Task<GroupReply> WithinAsync(Task<GroupReply> execution, TimeSpan limit, TimeProvider time)
    {
        if (execution.IsCompletedSuccessfully) return execution.Result;
        var first = new TaskCompletionSource<GroupReply>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using ITimer timer = time.CreateTimer(static first => ((TaskCompletionSource<GroupReply>)first!)
            .TrySetResult(GroupReply.Of(GroupReplyStatus.Unknown)), first, limit, Timeout.InfiniteTimeSpan);
        _ = ForwardAsync(execution, first);
        return await first.Task;
    }

    private static async Task ForwardAsync(Task<GroupReply> execution, TaskCompletionSource<GroupReply> first) =>
        first.TrySetResult(await execution);
}
