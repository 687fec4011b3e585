using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue.Tests.Client;

/// <summary>A connection of which a test decides what happens to each attempt; counts them.</summary>
internal sealed class WrappedConnection(IStoreConnection inner) : IStoreConnection
{
    public int Attempts { get; private set; }

    public List<GroupRequest> Requests { get; } = [];

    /// <summary>In place of the connection underneath: gets the number of the attempt, from 1 on, and the attempt
    /// itself.</summary>
    public Func<int, Func<Task<GroupReply>>, Task<GroupReply>>? Handle { get; set; }

    /// <summary>Null: the routes of the connection underneath.</summary>
    public Func<Task<StoreRoutes?>>? Routes { get; set; }

    public ValueTask<StoreRoutes?> GetRoutesAsync() => Routes is { } routes ? new(routes()) : inner.GetRoutesAsync();

    public Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request)
    {
        Requests.Add(request);
        int number = ++Attempts;
        return Handle is { } handle
            ? handle(number, () => inner.ExecuteAsync(group, request))
            : inner.ExecuteAsync(group, request);
    }
}
