using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Grains;

/// <summary>How a silo takes part in the store. The silo's name is its node's name, unless nodes are
/// <see cref="Slots"/>.</summary>
public sealed class OrleansRaftOptions
{
    /// <summary>All nodes that the store forms with, by name, this silo's among them unless it <see cref="Joins"/>; the
    /// same on every silo. Of slots: those that were there when the store was formed; none: all that there are then,
    /// and one that comes later joins.</summary>
    public IReadOnlyList<NodeName> Nodes { get; set; } = [];

    /// <summary>See <see cref="StoreNodeOptions.Joins"/>. Default false.</summary>
    public bool Joins { get; set; }

    /// <summary>
    /// The slots: nodes whose storage any silo can open by <see cref="OpenStorage"/>, and which silos share among them; a
    /// slot whose silo dies goes on on another. Needs grain storage of the name <see cref="SlotStorage"/>, and every silo
    /// of the Orleans cluster is to take part in the store. Default null: none, the silo itself is the node.
    /// </summary>
    public IReadOnlyList<SlotOptions>? Slots { get; set; }

    /// <summary>The grain storage that keeps which silo holds which slot.</summary>
    public const string SlotStorage = "orleans-raft";

    /// <summary>See <see cref="StoreNodeOptions.Zone"/>; of slots, each has its own. Default: none.</summary>
    public string Zone { get; set; } = "";

    /// <summary>Opens a node's storage, given the node's name; throws where it cannot be used. A data directory is opened
    /// by <see cref="NodeStorage.OpenOwnedAsync"/>.</summary>
    public Func<NodeName, StorageContext, Task<INodeStorage>> OpenStorage { get; set; } =
        (_, _) => throw new InvalidOperationException($"{nameof(OrleansRaftOptions)}.{nameof(OpenStorage)} is not set; "
            + "set it to open the node's storage.");

    /// <summary>See <see cref="StoreNodeOptions.Groups"/>.</summary>
    public int? Groups { get; set; }

    /// <summary>See <see cref="StoreNodeOptions.SplitKeys"/>.</summary>
    public IReadOnlyList<byte[]>? SplitKeys { get; set; }

    public StoreLimits Limits { get; set; } = new();

    public ReplicaOptions Replica { get; set; } = new();

    /// <summary>How the cluster looks after itself; the same on every silo. A new cluster's groups have
    /// <see cref="PlacementOptions.ReplicaCount"/> replicas from the beginning.</summary>
    public ControllerOptions Controller { get; set; } = new();

    /// <summary>See <see cref="StoreNodeOptions.LogSegmentBytes"/>. Default 32 MiB.</summary>
    public int LogSegmentBytes { get; set; } = StoreNodeOptions.DefaultLogSegmentBytes;

    public RequestJoinerOptions Joiner { get; set; } = new();

    /// <summary>How <see cref="Interfaces.IKvGrain"/>'s calls for applications behave on this silo.</summary>
    public KvClientOptions Client { get; set; } = new();

    /// <summary>How often replicas hear of time, at most a third of the heartbeat interval. Default 25 ms.</summary>
    public TimeSpan TickPeriod { get; set; } = TimeSpan.FromMilliseconds(25);

    /// <summary>How long one try with another silo may take. Default 400 ms: less than a client's own try of 500
    /// ms.</summary>
    public TimeSpan AttemptTimeout { get; set; } = TimeSpan.FromMilliseconds(400);

    /// <summary>How long a frame may be on its way before it counts as lost. Default 500 ms.</summary>
    public TimeSpan FrameTimeout { get; set; } = TimeSpan.FromMilliseconds(500);

    internal IReadOnlyList<NodeName> FormingNodes => Slots is { } slots && Nodes.Count == 0
        ? [.. slots.Select(slot => slot.Name)]
        : Nodes;

    /// <summary>A slot that came after the store was formed joins it.</summary>
    internal bool JoinsAs(NodeName node) => Slots is null ? Joins : !FormingNodes.Contains(node);

    /// <summary>See <see cref="StoreNodeOptions.JoinsIfFormed"/>.</summary>
    internal bool JoinIfFormed => Slots is not null && Nodes.Count == 0;

    internal string ZoneOf(NodeName node) => Slots is null ? Zone
        : Slots.FirstOrDefault(slot => slot.Name == node)?.Zone ?? "";
}

/// <summary>A node of the store that is no silo's own: storage that any silo can open.</summary>
/// <param name="Zone">See <see cref="StoreNodeOptions.Zone"/>: names the database, so that replicas of a group are in
/// several.</param>
public sealed record SlotOptions(NodeName Name, string Zone = "");
