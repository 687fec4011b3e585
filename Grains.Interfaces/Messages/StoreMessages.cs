using System.Runtime.InteropServices;

namespace Orleans.Raft.Grains.Interfaces;

/// <summary>The reply to a batch.</summary>
/// <param name="Status">The store's <c>GroupReplyStatus</c>.</param>
/// <param name="Answers">If answered: one answer per command or read, in the store's own format.</param>
/// <param name="LeaderHint">The node believed to lead the group; null if unknown.</param>
/// <param name="ServedBy">The silo that took the call: what a client learns about its way into the cluster.</param>
/// <param name="Reason">Why the replica asked cannot serve, for people; null if the status says it all.</param>
/// <param name="LeaderSilo">The silo that hosts the hinted node; null if unknown.</param>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.GroupReply")]
public sealed record GroupReplyMessage(
    [property: Id(0)] byte Status, [property: Id(1)] byte[] Answers, [property: Id(2)] string? LeaderHint,
    [property: Id(3)] string ServedBy, [property: Id(4)] string? Reason = null,
    [property: Id(5)] string? LeaderSilo = null);

/// <summary>Where groups are, in the store's own formats.</summary>
/// <param name="Groups">Their descriptors, which together cover all keys.</param>
/// <param name="Version">Differs whenever what the silo knows differs.</param>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.Routes")]
public sealed record RoutesMessage(
    [property: Id(0)] byte[][] Groups, [property: Id(1)] byte[]? Limits, [property: Id(2)] Guid Version);

/// <summary>The cluster as its nodes see it.</summary>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.ClusterView")]
public sealed record ClusterViewMessage([property: Id(0)] byte[]? Formation, [property: Id(1)] SiloViewMessage[] Silos);

/// <summary>What one node says of itself and its replicas; without <paramref name="Node"/> it did not answer.</summary>
/// <param name="Silo">The node's name: its silo's, unless nodes are slots.</param>
/// <param name="Host">Of a slot: the silo that hosts it, if one does; else null.</param>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.SiloView")]
public sealed record SiloViewMessage(
    [property: Id(0)] string Silo, [property: Id(1)] NodeStatusMessage? Node, [property: Id(2)] PeerInfo[] Peers,
    [property: Id(3)] string? Host = null);

/// <summary>A silo's storage and memory.</summary>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.NodeStatus")]
public sealed record NodeStatusMessage(
    [property: Id(0)] long LogBytes, [property: Id(1)] int Snapshots, [property: Id(2)] long MemoryBytes,
    [property: Id(3)] string? Problem);

/// <summary>A replica at one moment.</summary>
/// <param name="Incarnation">Grows with every opening of the replica's storage, over the life of its disk.</param>
/// <param name="Activations">How often its grain was activated since its silo opened the node.</param>
/// <param name="Descriptor">The group's range and replicas, in the store's own format.</param>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.PeerInfo")]
public sealed record PeerInfo(
    [property: Id(0)] uint Group, [property: Id(1)] string Role, [property: Id(2)] ulong Term,
    [property: Id(3)] ulong Commit, [property: Id(4)] ulong Applied, [property: Id(5)] string? Leader,
    [property: Id(6)] string? Reason, [property: Id(7)] ulong Incarnation, [property: Id(8)] int Activations,
    [property: Id(9)] byte[] Descriptor);

/// <summary>Byte payloads as Orleans carries them.</summary>
public static class Payload
{
    /// <summary>The bytes as an array: the one beneath, if they are all of it, else a copy.</summary>
    public static byte[] Of(ReadOnlyMemory<byte> bytes) =>
        MemoryMarshal.TryGetArray(bytes, out ArraySegment<byte> segment) && segment.Array is { } array
        && segment.Offset == 0 && segment.Count == array.Length
            ? array
            : bytes.ToArray();
}
