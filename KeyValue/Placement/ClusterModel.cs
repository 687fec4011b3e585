using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>The cluster as the controller sees it at one moment: all that it decides by.</summary>
/// <param name="IsBalanceOn">Whether load is evened out; repairs and splits go on without.</param>
public sealed record ClusterModel(
    IReadOnlyList<ModelNode> Nodes, IReadOnlyList<ModelGroup> Groups, bool IsBalanceOn = true);

/// <summary>What administrators want of a node. Stored and sent as one byte.</summary>
public enum NodeIntent : byte
{
    Member = 0,

    /// <summary>It is emptied and stays.</summary>
    Draining = 1,

    /// <summary>It is emptied, or lost, and does not come back.</summary>
    Removed = 2,
}

/// <summary>A node.</summary>
/// <param name="Zone">A label; empty: all nodes without one are in one zone.</param>
/// <param name="SilentFor">Since it reported last.</param>
public sealed record ModelNode(
    NodeName Name, string Zone = "", NodeIntent Intent = NodeIntent.Member, TimeSpan SilentFor = default)
{
    public NodeState StateBy(PlacementOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (Intent == NodeIntent.Removed) return NodeState.Removed;
        if (SilentFor >= options.GoneAfter) return NodeState.Gone;
        if (Intent == NodeIntent.Draining) return NodeState.Draining;
        return SilentFor >= options.SuspectAfter ? NodeState.Suspect : NodeState.Up;
    }
}

/// <summary>A group, as its leader reported it last.</summary>
/// <param name="Leader">Null while none reports: nothing can be changed then.</param>
public sealed record ModelGroup(GroupDescriptor Descriptor, NodeName? Leader)
{
    public GroupId Group => Descriptor.Group;

    /// <summary>Of keys and values, once.</summary>
    public long Bytes { get; init; }

    public double OperationsPerSecond { get; init; }

    /// <summary>A key that halves its recent requests; null if there is none.</summary>
    public byte[]? LoadSplitKey { get; init; }

    /// <summary>What its leader knows of its followers; a replica that is missing here is taken as new.</summary>
    public IReadOnlyList<ModelMember> Members { get; init; } = [];

    /// <summary>The move of one of its replicas that was decided and is not finished; null if there is
    /// none.</summary>
    public PlannedMove? Move { get; init; }

    /// <summary>It is part of a merge that is not over: nothing else of it is changed.</summary>
    public bool IsMerging { get; init; }

    /// <summary>Since its range or its replicas changed.</summary>
    public TimeSpan UnchangedFor { get; init; }

    /// <summary>How long its first learner has been one; zero without.</summary>
    public TimeSpan LearnsFor { get; init; }

    /// <summary>The node on which its last learner was given up: another is tried first. Null if none was.</summary>
    public NodeName? GaveUpOn { get; init; }

    public bool IsMeta => Group == GroupId.Meta;
}

/// <summary>A follower as its leader sees it.</summary>
/// <param name="IsCaughtUp">Lags by less than an election timeout.</param>
/// <param name="SilentFor">Since it answered last.</param>
public readonly record struct ModelMember(ReplicaId Id, bool IsCaughtUp, TimeSpan SilentFor);

/// <summary>A replica on its way; kept durably until it has arrived.</summary>
/// <param name="From">The node that gives its replica up; null: one more replica.</param>
/// <param name="IsAsked">An administrator asked for it.</param>
public sealed record PlannedMove(NodeName? From, NodeName To, bool IsAsked, string Reason);
