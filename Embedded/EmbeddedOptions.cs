using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Embedded;

/// <summary>How to run a whole cluster in one process.</summary>
public sealed record EmbeddedOptions
{
    /// <summary>Each node has a folder of its name in here. Default <c>data</c>.</summary>
    public string DataDirectory { get; init; } = "data";

    /// <summary>How many nodes, 1 to 64; below 3 a group has fewer replicas and survives less. Default 3.</summary>
    public int Nodes { get; init; } = 3;

    /// <summary>Groups of a new cluster; null: 4, or what the data directory was formed with.</summary>
    public int? Groups { get; init; }

    /// <summary>Where to divide the keys, instead of <see cref="Groups"/>.</summary>
    public IReadOnlyList<byte[]>? SplitKeys { get; init; }

    /// <summary>See <see cref="StoreNodeOptions.Zone"/>: of each node, in the order of their names, then of nodes that
    /// join. Null: none.</summary>
    public IReadOnlyList<string>? Zones { get; init; }

    /// <summary>False acknowledges writes before they are on the disk: a power failure may then lose acknowledged
    /// writes. Default true.</summary>
    public bool FlushToDisk { get; init; } = true;

    public ReplicaOptions Replica { get; init; } = new();

    /// <summary>How the cluster looks after itself. A new cluster's groups have
    /// <see cref="PlacementOptions.ReplicaCount"/> replicas from the beginning.</summary>
    public ControllerOptions Controller { get; init; } = new();

    /// <summary>See <see cref="StoreNodeOptions.LogSegmentBytes"/>. Default 32 MiB.</summary>
    public int LogSegmentBytes { get; init; } = StoreNodeOptions.DefaultLogSegmentBytes;

    public StoreLimits Limits { get; init; } = new();

    public KvClientOptions Client { get; init; } = new();

    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;

    /// <summary>Opens a node's storage elsewhere than in <see cref="DataDirectory"/>, such as in a database. Nodes that
    /// joined such a cluster are not started with it again. Null, the default: there.</summary>
    public Func<NodeName, StorageContext, Task<INodeStorage>>? OpenStorage { get; init; }

    public const int MaxNodes = 64;

    public IReadOnlyList<NodeName> NodeNames => [.. Enumerable.Range(1, Nodes).Select(i => new NodeName($"node-{i}"))];

    /// <summary>Returns every problem of these options, in words; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (string.IsNullOrWhiteSpace(DataDirectory)) problems.Add("--data is empty; name a directory.");
        if (Nodes is < 1 or > MaxNodes) problems.Add($"--nodes is {Nodes}; it must be 1 to {MaxNodes}.");
        if (Groups is < 1 or > StoreNodeOptions.MaxGroups)
            problems.Add($"--groups is {Groups}; it must be 1 to {StoreNodeOptions.MaxGroups}.");
        if (Groups is { } groups && SplitKeys is { } keys && keys.Count + 1 != groups)
            problems.Add($"--groups is {groups}, but --split-at with {keys.Count} keys makes {keys.Count + 1} groups; "
                + "give one of the two.");
        if (Zones is { } zones && (zones.Count < Nodes || zones.Count > MaxNodes))
            problems.Add($"--zones names {zones.Count} zones for {Nodes} nodes; name one for each, empty for none, and "
                + $"{MaxNodes} at most.");
        problems.AddRange(Client.Validate());
        problems.AddRange(Replica.Validate());
        problems.AddRange(Controller.Validate());
        problems.AddRange(Limits.Validate());
        return problems;
    }
}
