using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Grains;

/// <summary>How a silo takes part in the store. The silo's name is the node's name.</summary>
public sealed class OrleansRaftOptions
{
    /// <summary>All silos that the store forms with, by name, this one among them unless it <see cref="Joins"/>; the
    /// same on every silo.</summary>
    public IReadOnlyList<NodeName> Nodes { get; set; } = [];

    /// <summary>See <see cref="StoreNodeOptions.Joins"/>. Default false.</summary>
    public bool Joins { get; set; }

    /// <summary>See <see cref="StoreNodeOptions.Zone"/>. Default: none.</summary>
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
}
