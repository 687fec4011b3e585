using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>A client's own way to the nodes: it may lead to some of them only, lose requests and replies, and take its
/// time.</summary>
internal sealed class SuiteConnection(StoreCluster cluster, Random random) : IStoreConnection
{
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromMilliseconds(500);
    private const double Loss = 0.1;
    private const double MaxDelayMilliseconds = 27;
    private const double MaxLossDetectionMilliseconds = 100;

    private readonly LeaderRouter _router = new(cluster.Nodes.Values.First().Formation.Groups);

    public bool IsUnreliable { get; set; }

    /// <summary>The nodes the client reaches; null: all.</summary>
    public IReadOnlyCollection<NodeName>? Reach { get; set; }

    /// <summary>Requests and replies lost.</summary>
    public int Lost { get; private set; }

    public async ValueTask<StoreRoutes?> GetRoutesAsync()
    {
        StoreRoutes? routes = await cluster.GetRoutesAsync();
        foreach (GroupDescriptor group in routes?.Ranges.Groups ?? []) _router.Update(group);
        return routes;
    }

    public async Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request)
    {
        if (_router.Pick(group) is not { } node) return GroupReply.Of(GroupReplyStatus.Unavailable);
        GroupReply reply = await AttemptAsync(node, group, request);
        _router.Learn(group, node, reply);
        return reply;
    }

    private async Task<GroupReply> AttemptAsync(NodeName node, GroupId group, GroupRequest request)
    {
        if (Reach is { } reach && !reach.Contains(node)) return await LoseAsync();
        if (IsUnreliable)
        {
            await DelayAsync(MaxDelayMilliseconds);
            if (random.NextDouble() < Loss) return await LoseAsync();
        }
        if (!cluster.Nodes.TryGetValue(node, out StoreNode? store) || store.Find(group) is not { } replica)
            return GroupReply.Of(GroupReplyStatus.Unavailable);
        GroupReply reply = await Attempt.WithinAsync(replica.ExecuteAsync(request), AttemptTimeout, cluster.Time);
        if (!IsUnreliable) return reply;
        await DelayAsync(MaxDelayMilliseconds);
        return random.NextDouble() < Loss ? await LoseAsync() : reply;
    }

    private async Task<GroupReply> LoseAsync()
    {
        Lost++;
        await DelayAsync(MaxLossDetectionMilliseconds);
        return GroupReply.Of(GroupReplyStatus.Unknown);
    }

    private Task DelayAsync(double maxMilliseconds) =>
        Task.Delay(TimeSpan.FromMilliseconds(random.NextDouble() * maxMilliseconds), cluster.Time);
}
