using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// What an administrator wants of the cluster. Every request may be repeated: it says what should be so, and is
/// <see cref="AdministrationStatus.Done"/> as soon as it is.
/// </summary>
public abstract record AdministrationRequest
{
    private protected AdministrationRequest()
    {
    }

    /// <summary>The same request was sent before and may have taken effect: what would be refused as being so already
    /// is done.</summary>
    public bool IsRepeat { get; init; }
}

/// <summary>Every group, with its size and load.</summary>
public sealed record ListGroupsRequest : AdministrationRequest;

/// <summary>Every node, with what it holds.</summary>
public sealed record ListNodesRequest : AdministrationRequest;

/// <summary>Makes a key the boundary of two groups.</summary>
public sealed record SplitRequest(ReadOnlyMemory<byte> Key) : AdministrationRequest
{
    public bool Equals(SplitRequest? other) =>
        other is not null && IsRepeat == other.IsRepeat && Key.Span.SequenceEqual(other.Key.Span);

    public override int GetHashCode() => Key.Length;
}

/// <summary>Makes one group of two neighbours. Names both, so that repeated it does not take in a third.</summary>
public sealed record MergeGroupsRequest(GroupId Left, GroupId Right) : AdministrationRequest;

/// <summary>Splits the largest groups until there are so many.</summary>
/// <param name="Target">How many groups there should be, 1 to <see cref="StoreNodeOptions.MaxGroups"/>.</param>
public sealed record GrowGroupsRequest(int Target) : AdministrationRequest;

/// <summary>Moves a replica from one node to another.</summary>
public sealed record MoveReplicaRequest(GroupId Group, NodeName From, NodeName To) : AdministrationRequest;

/// <summary>Lets the replica on a node lead its group.</summary>
public sealed record TransferLeaderRequest(GroupId Group, NodeName Node) : AdministrationRequest;

/// <summary>Empties a node of replicas; it stays in the cluster and gets none until <see cref="Undo"/>.</summary>
/// <param name="Undo">Ends the draining; nothing is moved back by this alone.</param>
public sealed record DrainNodeRequest(NodeName Node, bool Undo = false) : AdministrationRequest;

/// <summary>Lets a node go for good. Done when no group has a replica on it; its name may be used again only by a node
/// that joins.</summary>
public sealed record RemoveNodeRequest(NodeName Node) : AdministrationRequest;

/// <summary>A node lost its disk: its replicas are replaced elsewhere, and its name is free for one with a new
/// disk.</summary>
public sealed record ReplaceNodeRequest(NodeName Node) : AdministrationRequest;

/// <summary>Switches on or off what the controller does by itself to even out load. Repairs go on.</summary>
public sealed record SwitchBalanceRequest(bool On) : AdministrationRequest;

/// <summary>What the controller is doing, and why.</summary>
public sealed record BalanceStatusRequest : AdministrationRequest;
