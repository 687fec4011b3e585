using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What became of an <see cref="AdministrationRequest"/>.</summary>
public enum AdministrationStatus : byte
{
    /// <summary>It is as was asked.</summary>
    Done = 0,

    /// <summary>It goes on by itself; <see cref="AdministrationAnswer.Text"/> says how far it is. Ask again to
    /// follow it.</summary>
    UnderWay = 1,

    /// <summary>Nothing was changed; <see cref="AdministrationAnswer.Text"/> says why.</summary>
    Refused = 2,
}

/// <summary>The answer to an <see cref="AdministrationRequest"/>.</summary>
/// <param name="Text">One line for people.</param>
public sealed record AdministrationAnswer(AdministrationStatus Status, string Text)
{
    /// <summary>In key order; of a <see cref="ListGroupsRequest"/>.</summary>
    public IReadOnlyList<GroupOverview> Groups { get; init; } = [];

    /// <summary>By name; of a <see cref="ListNodesRequest"/>.</summary>
    public IReadOnlyList<NodeOverview> Nodes { get; init; } = [];

    /// <summary>Of a <see cref="BalanceStatusRequest"/>.</summary>
    public BalanceOverview? Balance { get; init; }
}

/// <summary>A group as the controller knows it.</summary>
/// <param name="Bytes">Of its keys and values, once; as last reported.</param>
/// <param name="Leader">Null while none is known.</param>
/// <param name="Operation">What is being changed, in words; null if nothing is.</param>
public sealed record GroupOverview(GroupDescriptor Descriptor, long Bytes, long Keys, NodeName? Leader,
    double OperationsPerSecond, string? Operation);

/// <summary>How a node is.</summary>
public enum NodeState : byte
{
    /// <summary>It reports.</summary>
    Up = 0,

    /// <summary>It has not reported for a few seconds.</summary>
    Suspect = 1,

    /// <summary>It has not reported for so long that its replicas are replaced.</summary>
    Gone = 2,

    /// <summary>An administrator wants it empty.</summary>
    Draining = 3,

    /// <summary>An administrator let it go; its last replicas are being replaced.</summary>
    Removed = 4,
}

/// <summary>A node as the controller knows it; the meta group's replicas count for nothing here.</summary>
/// <param name="Zone">Empty if it has none.</param>
/// <param name="Bytes">Of keys and values of its replicas.</param>
public sealed record NodeOverview(NodeName Name, string Zone, NodeState State, int Replicas, int Leaders, long Bytes);

/// <summary>What the controller does.</summary>
/// <param name="UnderWay">Operations it waits for, in words, with the reason of each.</param>
/// <param name="Recent">The last decisions, newest first, with the reason of each.</param>
public sealed record BalanceOverview(bool IsOn, IReadOnlyList<string> UnderWay, IReadOnlyList<string> Recent);
