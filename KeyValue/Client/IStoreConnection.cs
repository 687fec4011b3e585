using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>How a client reaches the store: in process, or through a gateway silo.</summary>
public interface IStoreConnection
{
    /// <summary>Whether a batch travels in messages between processes, and so costs much beside what is in it.</summary>
    bool IsRemote => false;

    /// <summary>The groups and limits of the cluster; null if nobody answered in time.</summary>
    ValueTask<StoreRoutes?> GetRoutesAsync();

    /// <summary>
    /// One attempt to have a batch executed. Ends within the connection's attempt timeout and never throws: what could
    /// not be found out is <see cref="GroupReplyStatus.Unknown"/>.
    /// </summary>
    Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request);
}

/// <summary>What a client needs to know about the cluster.</summary>
public sealed record StoreRoutes(RangeMap Ranges, StoreLimits Limits);
