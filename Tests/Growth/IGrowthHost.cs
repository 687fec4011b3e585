using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Growth;

/// <summary>A cluster of three nodes that can be given more.</summary>
public interface IGrowthHost : IAsyncDisposable
{
    IClusterAdministration Administration { get; }

    /// <summary>Null if a node is not added by a command of the shell.</summary>
    INodeControl? Nodes { get; }

    /// <summary>Starts the first three nodes, and returns when they serve.</summary>
    Task StartAsync(Action<string> say, CancellationToken cancellation);

    /// <summary>A client with sessions of its own.</summary>
    IKeyValueStore StoreOf(int client);

    /// <summary>Adds a node where the shell cannot.</summary>
    Task AddNodeAsync(Action<string> say, CancellationToken cancellation);
}
