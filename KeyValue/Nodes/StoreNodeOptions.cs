using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <summary>How one node of the store is set up.</summary>
public sealed record StoreNodeOptions
{
    public required NodeName Name { get; init; }

    /// <summary>All nodes the cluster forms with, this one among them unless it <see cref="Joins"/>; the same on every
    /// node.</summary>
    public required IReadOnlyList<NodeName> Nodes { get; init; }

    /// <summary>This node is none of those that formed the cluster: it says hello to <see cref="Nodes"/> until it is let
    /// in, and takes all else from them. Default false.</summary>
    public bool Joins { get; init; }

    /// <summary><see cref="Nodes"/> says only with whom a new cluster forms: in one that has formed, with whatever
    /// nodes, this one stays or, if it is none of its nodes, joins. Default false: such a difference is
    /// refused.</summary>
    public bool JoinsIfFormed { get; init; }

    /// <summary>Hears of each replica that should be open on this node and is not: the host opens it by
    /// <see cref="StoreNode.OpenReplicaAsync"/>. Called on any thread; only takes note. Those that are there when the
    /// cluster has formed are in <see cref="StoreNode.OwnGroups"/> instead. Null: the host looks there by
    /// itself.</summary>
    public Action<GroupId>? ReplicaWanted { get; init; }

    /// <summary>Whether the node tells the meter <c>Orleans.Raft</c> how it is; see <see cref="StoreMetrics"/>. Default
    /// false.</summary>
    public bool IsMeasured { get; init; }

    /// <summary>Groups to form with, dividing printable ASCII evenly. Null: 4 for a new cluster, whatever it has for a
    /// formed one.</summary>
    public int? Groups { get; init; }

    /// <summary>Keys to divide the key space at, instead of <see cref="Groups"/>.</summary>
    public IReadOnlyList<byte[]>? SplitKeys { get; init; }

    /// <summary>Replicas of each group of a new cluster, 1 to 9; as many as there are nodes if those are fewer. Of
    /// 2n + 1 replicas any n may fail. Default 3.</summary>
    public int ReplicationFactor { get; init; } = FormationPlan.ReplicationFactor;

    /// <summary>A label of where the node stands, such as a rack or a data centre: groups spread over zones. Default:
    /// none.</summary>
    public string Zone { get; init; } = "";

    /// <summary>How the cluster looks after itself; null: not at all, and it is formed without a meta group. The same on
    /// every node.</summary>
    public ControllerOptions? Controller { get; init; } = new();

    public StoreLimits Limits { get; init; } = new();

    public ReplicaOptions Replica { get; init; } = new();

    /// <summary>Size of one segment of the write-ahead log; see <see cref="NodeStorageOptions.SegmentBytes"/>. Default
    /// 32 MiB.</summary>
    public int LogSegmentBytes { get; init; } = DefaultLogSegmentBytes;

    public required TimeProvider Time { get; init; }

    /// <summary>Where the log's and the node's own asynchronous work runs.</summary>
    public required TaskScheduler Scheduler { get; init; }

    /// <summary>Seeds identities, election timeouts and jitter; must differ between nodes and between lives.</summary>
    public required ulong Seed { get; init; }

    public required ILogger Logger { get; init; }

    /// <summary>Deliberate bugs, for tests that must find them; the node passes them on to its storage and replicas.
    /// None.</summary>
    internal FaultPoints Faults { get; init; }

    public const int DefaultGroups = 4;
    public const int DefaultLogSegmentBytes = 32 << 20;
    public const int MaxGroups = 8192;

    /// <summary>Returns every problem of these options, in words; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (string.IsNullOrWhiteSpace(Name.Value)) problems.Add("Name is empty; give the node a name.");
        if (Joins && Nodes.Contains(Name))
            problems.Add($"Nodes ({string.Join(",", Nodes)}) must not contain Name ({Name}): it joins them.");
        if (!Joins && !Nodes.Contains(Name)) problems.Add($"Nodes ({string.Join(",", Nodes)}) must contain Name ({Name}).");
        if (Nodes.Distinct().Count() != Nodes.Count)
            problems.Add($"Nodes ({string.Join(",", Nodes)}) must not repeat a name.");
        if (Groups is < 1 or > MaxGroups) problems.Add($"Groups is {Groups}; it must be 1 to {MaxGroups}.");
        if (Groups is { } groups && SplitKeys is { } keys && keys.Count + 1 != groups)
            problems.Add($"Groups is {groups}, but {keys.Count} split keys make {keys.Count + 1} groups; give one of "
                + "the two.");
        if (ReplicationFactor is < 1 or > FormationPlan.MaxReplicationFactor)
            problems.Add($"ReplicationFactor is {ReplicationFactor}; it must be 1 to "
                + $"{FormationPlan.MaxReplicationFactor}.");
        problems.AddRange(Replica.Validate());
        if (Controller is { } controller) problems.AddRange(controller.Validate());
        problems.AddRange(Limits.Validate());
        return problems;
    }
}
