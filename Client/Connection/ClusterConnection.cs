using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Client;

/// <summary>Reaches the store through the cluster's gateways; each try ends in time, and the next one enters
/// elsewhere.</summary>
internal sealed class ClusterConnection(IClusterClient cluster, IOptions<OrleansRaftClientOptions> options,
    ILogger<ClusterConnection> logger) : IStoreConnection
{
    private const int Routers = 64;

    private readonly Entrances _entrances = new();
    private int _routerKey;

    public bool IsRemote => true;

    public async ValueTask<StoreRoutes?> GetRoutesAsync()
    {
        Task<StoreRoutes?> call = AskAsync(NextRouter());
        await EndAsync(call);
        return call.IsCompletedSuccessfully ? await call : null;
    }

    /// <summary>Tells of every change of the routes from when they are first known, until it is stopped. Never
    /// throws.</summary>
    public async Task FollowRoutesAsync(Action<StoreRoutes> changed, CancellationToken stop)
    {
        Guid seen = Guid.Empty;
        IRouterGrain router = NextRouter();
        while (!stop.IsCancellationRequested)
        {
            Task<Guid?> call = FollowOnceAsync(router, seen, changed);
            await ((Task)call).WaitAsync(stop)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            if (call.IsCompletedSuccessfully)
            {
                seen = await call ?? seen;
                continue;
            }
            if (call.IsFaulted) ConnectionLog.Failed(logger, call.Exception!.InnerException!.Message);
            // Another gateway, should this one be gone.
            router = NextRouter();
            await Task.Delay(options.Value.AttemptTimeout, stop)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    /// <returns>The version it told of; null if there was no news for long.</returns>
    private static async Task<Guid?> FollowOnceAsync(IRouterGrain router, Guid seen, Action<StoreRoutes> changed)
    {
        if (await router.WaitForRoutes(seen) is not { } message) return null;
        if (Decode(message) is { } routes) changed(routes);
        return message.Version;
    }

    public async Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request)
    {
        int key = _entrances.Choose(group.Value);
        Task<GroupReplyMessage> call = cluster.GetGrain<IKvGrain>(key)
            .Execute(group.Value, (byte)request.Kind, Payload.Of(request.Batch));
        await EndAsync(call);
        if (!call.IsCompletedSuccessfully)
        {
            _entrances.Fail(group.Value, key);
            return GroupReply.Of(GroupReplyStatus.Unknown);
        }
        GroupReplyMessage message = await call;
        var status = (GroupReplyStatus)message.Status;
        bool isHelpless = message.LeaderSilo is null && status is GroupReplyStatus.NotLeader or GroupReplyStatus.Unknown
            or GroupReplyStatus.Unavailable;
        _entrances.Learn(group.Value, key, message.ServedBy, message.LeaderSilo, isHelpless);
        return new GroupReply(status, message.Answers, message.LeaderHint is { } leader
            ? new NodeName(leader)
            : null,
            message.Reason);
    }

    /// <summary>A client that is not connected yet throws at once; here that is a call that failed.</summary>
    private static async Task<StoreRoutes?> AskAsync(IRouterGrain router) => Decode(await router.GetRoutes());

    /// <summary>Another one each time: another gateway, should this one be gone.</summary>
    private IRouterGrain NextRouter() =>
        cluster.GetGrain<IRouterGrain>(Interlocked.Increment(ref _routerKey) & (Routers - 1));

    private static StoreRoutes? Decode(RoutesMessage message) => message.Limits is { } limits
        ? new StoreRoutes(new RangeMap([.. message.Groups.Select(group => GroupDescriptor.Decode(group))]),
            StoreLimits.Decode(limits))
        : null;

    /// <summary>Waits until a call ends or its time is up; how it ended is seen on the call itself.</summary>
    private async Task EndAsync(Task call)
    {
        await call.WaitAsync(options.Value.AttemptTimeout)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        if (call.IsFaulted) ConnectionLog.Failed(logger, call.Exception!.InnerException!.Message);
    }
}

internal static partial class ConnectionLog
{
    [LoggerMessage(80, LogLevel.Debug, "A try failed: {Why}")]
    public static partial void Failed(ILogger logger, string why);
}
