using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>How a <see cref="RequestJoiner"/> behaves.</summary>
public sealed record RequestJoinerOptions
{
    /// <summary>Bytes of batches joined into one; a larger batch travels alone. Default 256 KiB.</summary>
    public int MaxJoinedBytes { get; init; } = 256 << 10;

    /// <summary>Bytes that may wait per group and kind; what comes beyond is answered Busy. Default 8 MiB.</summary>
    public int MaxWaitingBytes { get; init; } = 8 << 20;

    /// <summary>Batches that may wait per group and kind; what comes beyond is answered Busy. Default 10,000.</summary>
    public int MaxWaitingBatches { get; init; } = 10_000;
}

/// <summary>
/// Joins the batches of many callers: one is on its way per group and kind, and what comes meanwhile is joined into the
/// next, so batches grow with the load by themselves. Any thread may call it.
/// </summary>
/// <param name="target">Where joined batches go.</param>
/// <param name="scheduler">Where the joiner's own work runs.</param>
public sealed class RequestJoiner(IStoreConnection target, RequestJoinerOptions options, TaskScheduler scheduler)
    : IStoreConnection
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(GroupId Group, RequestKind Kind), JoinerLane> _lanes = [];
    private volatile StoreLimits? _limits;

    public bool IsRemote => target.IsRemote;

    public ValueTask<StoreRoutes?> GetRoutesAsync() => target.GetRoutesAsync();

    public async Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request)
    {
        if (request.Kind == RequestKind.Administer) return await target.ExecuteAsync(group, request);
        if ((_limits ?? await LoadLimitsAsync()) is not { } limits) return GroupReply.Of(GroupReplyStatus.Unavailable);
        // One caller's broken batch must not spoil those it would be joined with.
        if (!TryCount(request, limits, out int count)) return GroupReply.Of(GroupReplyStatus.Malformed);
        return await LaneOf(group, request.Kind).ExecuteAsync(request.Batch, count);
    }

    private static bool TryCount(in GroupRequest request, StoreLimits limits, out int count)
    {
        count = 0;
        return request.Kind switch
        {
            RequestKind.Write => CommandBatchReader.IsWellFormed(request.Batch.Span, limits, out count, out _),
            RequestKind.LinearizableRead or RequestKind.LeaseRead or RequestKind.StaleRead =>
                ReadBatchReader.IsWellFormed(request.Batch.Span, limits, out count, out _),
            _ => false,
        };
    }

    private async ValueTask<StoreLimits?> LoadLimitsAsync() => _limits = (await target.GetRoutesAsync())?.Limits;

    private JoinerLane LaneOf(GroupId group, RequestKind kind)
    {
        lock (_lock)
        {
            if (!_lanes.TryGetValue((group, kind), out JoinerLane? lane))
                _lanes[(group, kind)] = lane = new JoinerLane(target, group, kind, options, scheduler);
            return lane;
        }
    }
}
