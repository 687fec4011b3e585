namespace Orleans.Raft.Simulator;

/// <summary>What can go wrong in a simulation, and what administrators ask of the cluster meanwhile. On the command
/// line: <c>power-loss</c> for <see cref="PowerLoss"/>, and so on. Where nodes have databases, what is said of disks is
/// meant of these.</summary>
public enum FaultKind
{
    /// <summary>A node's process dies; what it wrote stays in the system's cache. It starts again later; sometimes its
    /// machine then soon loses power.</summary>
    Crash,

    /// <summary>A node's machine loses power and with it all that was not flushed, often at the very moment at which
    /// it promises something. It starts again later.</summary>
    PowerLoss,

    /// <summary>As <see cref="PowerLoss"/>, but any part of what was not flushed survives: batches are torn. Disks
    /// only.</summary>
    TornWrite,

    /// <summary>All nodes lose power at once.</summary>
    PowerLossOfAll,

    /// <summary>A node dies and comes back with an empty disk: it must refuse to start, until an administrator has said
    /// that it is to be replaced. No other disk is lost before every group has all its replicas again: a group of three
    /// survives one.</summary>
    LostDisk,

    /// <summary>A bit of a node's log flips before the last batch while the node is down: it must refuse to start. Then as
    /// <see cref="LostDisk"/>.</summary>
    Rot,

    /// <summary>A node's process stands still, mostly for longer than an election timeout.</summary>
    Pause,

    /// <summary>A node hears nobody and nobody hears it.</summary>
    Isolation,

    /// <summary>The nodes fall into two halves.</summary>
    Partition,

    /// <summary>Nodes no longer hear one of them, which still hears them.</summary>
    OneWayCut,

    /// <summary>Two nodes no longer hear each other, though both are heard by the others.</summary>
    LinkCut,

    /// <summary>Nodes are cut off one after the other and come back in another order.</summary>
    Swizzle,

    /// <summary>All frames from one node to another, or to all others, take long.</summary>
    SlowLink,

    /// <summary>Many frames, and requests of clients, are lost.</summary>
    Loss,

    /// <summary>Many frames arrive twice.</summary>
    Duplication,

    /// <summary>Some frames take so long that many later ones overtake them.</summary>
    LongTail,

    /// <summary>A node's disk takes long for every write and flush.</summary>
    SlowDisk,

    /// <summary>A node's disk does not answer flushes for a while.</summary>
    HungDisk,

    /// <summary>A node's disk fails a flush: the node must stop. It starts again later. Disks only.</summary>
    FailedFlush,

    /// <summary>A node's disk fails a write: if it is the log's, the node must stop; a snapshot is given up. Disks
    /// only.</summary>
    FailedWrite,

    /// <summary>A node's disk has no room for a while.</summary>
    FullDisk,

    /// <summary>A node's clock runs faster or slower, within the margin that leases allow for.</summary>
    ClockDrift,

    /// <summary>A node's monotonic clock jumps ahead, its wall clock anywhere. Leases do not hold then and are not
    /// used.</summary>
    ClockJump,

    /// <summary>A live replica is opened a second time on its node; the first goes on until it notices.</summary>
    SecondInstance,

    /// <summary>Leadership is handed to another replica.</summary>
    Transfer,

    /// <summary>A client dies in the middle of its calls; another takes its place.</summary>
    ClientDeath,

    /// <summary>A node's storage is opened a second time, in another process, as when the node is taken for dead; the
    /// first goes on, reached by some nodes and clients, until it notices. Databases only.</summary>
    SecondOpening,

    /// <summary>Connections to a node's database break often, before or after what was asked took effect. Databases
    /// only.</summary>
    LostConnections,

    /// <summary>A commit is applied, and its answer lost. Databases only.</summary>
    UnknownCommit,

    /// <summary>A node's database cannot be reached for a while; what it was about to answer stays unknown. Databases
    /// only.</summary>
    DatabaseDown,

    /// <summary>A group is split at a key that clients use.</summary>
    Split,

    /// <summary>A group is merged with its right neighbour.</summary>
    Merge,

    /// <summary>A replica is moved to another node.</summary>
    Move,

    /// <summary>The controller hands leadership to another replica.</summary>
    Lead,

    /// <summary>A new node joins, with an empty disk.</summary>
    Join,

    /// <summary>A node is drained; then it gets replicas again, or is removed.</summary>
    Drain,

    /// <summary>A node that is up is removed; when it is empty, it goes for good.</summary>
    Removal,

    /// <summary>A node dies with its disk and never comes back; it is removed before or after it counts as gone.</summary>
    LostNode,

    /// <summary>Balancing is switched off for a while.</summary>
    BalanceOff,
}
