using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Client;

/// <summary>How an application's client of the store behaves.</summary>
public sealed class OrleansRaftClientOptions
{
    /// <summary>Deadline, batching and retries of calls.</summary>
    public KvClientOptions Client { get; set; } = new();

    /// <summary>How long one try may take before another gateway is asked. Default 500 ms.</summary>
    public TimeSpan AttemptTimeout { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long the gateways may take to tell the cluster's status. Default 2 s.</summary>
    public TimeSpan StatusTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Returns every problem of these options, in words; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>(Client.Validate());
        if (AttemptTimeout <= TimeSpan.Zero) problems.Add($"AttemptTimeout is {AttemptTimeout}; it must be positive.");
        if (StatusTimeout <= TimeSpan.Zero) problems.Add($"StatusTimeout is {StatusTimeout}; it must be positive.");
        return problems;
    }
}
