using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What the controller and the agent need of the node they live on.</summary>
internal interface IMetaNode
{
    NodeName Name { get; }

    string Zone { get; }

    FormationRecord Formation { get; }

    FaultPoints Faults { get; }

    /// <summary>By the node's own monotonic clock.</summary>
    TimeSpan Now { get; }

    /// <summary>The term in which this node's replica leads the meta group; null while it does not.</summary>
    Term? MetaTerm { get; }

    /// <summary>The meta group as this node's replica of it knows it; null without one.</summary>
    GroupDescriptor? Meta { get; }

    /// <summary>The meta group as far as this node has heard, with a replica of it or without.</summary>
    GroupDescriptor KnownMeta { get; }

    /// <summary>The node whose replica leads the meta group, as this node's replica of it believes; null if
    /// unknown.</summary>
    NodeName? MetaLeader { get; }

    /// <summary>All rows of the meta group, everything applied that was committed before; null if this node does not
    /// lead it any more or nothing comes in time.</summary>
    Task<IReadOnlyList<KeyValueEntry>?> ReadRowsAsync();

    /// <summary>Writes rows, all or none; false if that is not sure.</summary>
    Task<bool> WriteRowsAsync(IReadOnlyList<WriteOperation> rows);

    /// <summary>Sends at most once.</summary>
    void Send(NodeName to, ControlMessage message);

    /// <summary>Starts work on the node's scheduler.</summary>
    void Start(Func<Task> work);

    /// <summary>The groups that this node's replicas lead, and how they are.</summary>
    IReadOnlyList<GroupReport> LedGroups();

    /// <summary>Replicas here that know no leader, and those of groups that are merged into others.</summary>
    IReadOnlyList<ReplicaSighting> LeaderlessReplicas();

    /// <summary>Why merges that were ordered here cannot go on.</summary>
    IReadOnlyList<MergeTrouble> MergeTroubles();

    /// <summary>Nodes that would join the cluster and said so here.</summary>
    IReadOnlyList<FormationNode> Joining();

    /// <summary>Carries out an order as far as it fits; says in words what became of it.</summary>
    Task<string> ObeyAsync(Order order);

    /// <summary>This node was removed from the cluster, and nothing there counts on it any more.</summary>
    void NoteDismissed(NodeName from);

    /// <summary>Takes what is new of the map.</summary>
    /// <param name="isWhole">There is nothing else.</param>
    void Learn(Orders orders, bool isWhole);
}
