using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>The cluster, for administrators.</summary>
public interface IClusterAdministration
{
    /// <summary>Groups, replicas and nodes as they are now; nodes that do not answer are reported as down.</summary>
    Task<ClusterStatus> GetStatusAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Asks the cluster's controller once; <see cref="ClusterAdministrationExtensions.CompleteAsync"/> sees a request
    /// through. Refusals and what is under way are answers.
    /// </summary>
    /// <exception cref="UnavailableException">The controller could not be reached in time; what was asked for may still
    /// happen, and may be asked for again.</exception>
    Task<AdministrationAnswer> AdministerAsync(
        AdministrationRequest request, CancellationToken cancellationToken = default);
}

/// <summary>Breaks and mends nodes; the embedded host can, real silos cannot.</summary>
public interface IFaultControl
{
    /// <summary>Crashes a node: queued writes are discarded, never flushed.</summary>
    Task KillAsync(NodeName node, CancellationToken cancellationToken = default);

    Task StartAsync(NodeName node, CancellationToken cancellationToken = default);

    /// <summary>Cuts a node off from all others, in both directions.</summary>
    Task IsolateAsync(NodeName node, CancellationToken cancellationToken = default);

    /// <summary>Ends every isolation.</summary>
    Task HealAsync(CancellationToken cancellationToken = default);
}

/// <summary>Starts nodes that the cluster did not have; the embedded host can, and a silo that starts joins by
/// itself.</summary>
public interface INodeControl
{
    /// <summary>Starts a node, and waits until it has joined; nothing if it has.</summary>
    /// <exception cref="KeyValueException">The node cannot be started, or not under this name; the message says
    /// why.</exception>
    Task AddAsync(NodeName node, CancellationToken cancellationToken = default);
}

/// <summary>The cluster at one moment, as far as its nodes answered.</summary>
public sealed record ClusterStatus(
    IReadOnlyList<GroupStatus> Groups, IReadOnlyList<ReplicaStatus> Replicas, IReadOnlyList<NodeStatus> Nodes);

/// <summary>A group. <paramref name="Leader"/> is null while none is known.</summary>
/// <param name="Term">The leader's; without one the highest of its replicas.</param>
/// <param name="Start">Inclusive; empty: unbounded.</param>
/// <param name="End">Exclusive; empty: unbounded.</param>
public sealed record GroupStatus(
    GroupId Group, ReadOnlyMemory<byte> Start, ReadOnlyMemory<byte> End, NodeName? Leader, Term Term, LogIndex Commit);

/// <summary>A replica.</summary>
/// <param name="Role"><c>follower</c>, <c>pre-candidate</c>, <c>candidate</c>, <c>leader</c>, <c>starting</c> or
/// <c>failed</c>.</param>
/// <param name="Reason">Why it failed; null otherwise.</param>
public sealed record ReplicaStatus(
    GroupId Group, NodeName Node, string Role, Term Term, LogIndex Commit, LogIndex Applied, string? Reason = null);

/// <summary>A node.</summary>
/// <param name="LogBytes">Its log on disk.</param>
/// <param name="Snapshots">Its snapshot files.</param>
/// <param name="MemoryBytes">Keys and values it holds, with their overhead, estimated.</param>
/// <param name="Problem">What is wrong with it, such as a hanging disk or one too full for snapshots; null if nothing
/// is.</param>
/// <param name="Silo">Of a slot: the silo that hosts it, if one does; else null.</param>
public sealed record NodeStatus(NodeName Node, bool IsUp, long LogBytes, int Snapshots, long MemoryBytes,
    string? Problem = null, string? Silo = null);
