using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Grains;

/// <summary>From the store's types to those that travel.</summary>
internal static class StoreMessages
{
    /// <param name="leadersSilo">Where the leader is; null if that is not known.</param>
    public static GroupReplyMessage ToMessage(in GroupReply reply, string servedBy, string? leadersSilo = null) =>
        new((byte)reply.Status, Payload.Of(reply.Answers), reply.LeaderHint?.Value, servedBy, reply.Reason,
            leadersSilo);

    public static GroupReply ToReply(GroupReplyMessage message) =>
        new((GroupReplyStatus)message.Status, message.Answers, message.LeaderHint is { } leader
            ? new NodeName(leader)
            : null,
            message.Reason);

    public static NodeStatusMessage ToMessage(NodeStatus status) =>
        new(status.LogBytes, status.Snapshots, status.MemoryBytes, status.Problem);

    public static PeerInfo ToMessage(Replica replica, int activations)
    {
        ReplicaStatus status = replica.Status;
        return new PeerInfo(status.Group.Value, status.Role, status.Term.Value, status.Commit.Value,
            status.Applied.Value,
            replica.Leader?.Value, status.Reason, replica.Incarnation, activations, replica.Descriptor.Encode());
    }
}
