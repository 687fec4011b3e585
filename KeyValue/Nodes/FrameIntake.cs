using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Checks frames from other nodes and hands their messages to the replicas they name.</summary>
internal sealed class FrameIntake(StoreNode node, ILogger logger)
{
    private long _refused;

    public long Refused => Interlocked.Read(ref _refused);

    public void Receive(ReadOnlySpan<byte> frame, FormationRecord record)
    {
        FrameStatus status = FrameReader.TryOpen(frame, out FrameHeader header, out FrameReader reader);
        if (status != FrameStatus.Ok)
        {
            Refuse($"frame: {status}");
            return;
        }
        if (header.Cluster != record.Cluster || header.To != record.StoreOf(node.Name)
            || FindSender(record, header.From) is not { } sender)
        {
            Refuse($"frame of cluster {header.Cluster} from store {header.From} to store {header.To}");
            return;
        }
        node.Liveness.Heard(sender);
        while (reader.TryReadNext(out MessageAddress address, out RaftMessage? message, out status))
        {
            if (status != FrameStatus.Ok || message is null) Refuse($"message from {sender}: {status}");
            else if (!IsPlacedOn(record, address.Group, address.From, sender)
                || !IsPlacedOn(record, address.Group, address.To, node.Name))
                Refuse($"message from {sender} for {address.Group}, {address.From} to {address.To}");
            // A replica that is not open yet misses messages as a slow network would lose them.
            else node.Find(address.Group)?.Deliver(address.From, message);
        }
    }

    public void ReceiveLiveness(ReadOnlySpan<byte> frame, FormationRecord record)
    {
        FrameStatus status = LivenessFrame.TryDecode(frame, out LivenessFrame decoded);
        FrameHeader header = decoded.Header;
        if (status != FrameStatus.Ok) Refuse($"liveness frame: {status}");
        else if (header.Cluster != record.Cluster || header.To != record.StoreOf(node.Name)
            || FindSender(record, header.From) is not { } sender)
            Refuse($"liveness frame of cluster {header.Cluster} from store {header.From} to store {header.To}");
        else node.Liveness.Heard(sender, decoded.BootNonce, decoded.Sequence);
    }

    private static NodeName? FindSender(FormationRecord record, StoreId store)
    {
        foreach (FormationNode candidate in record.Nodes)
            if (candidate.Store == store) return candidate.Name;
        return null;
    }

    /// <summary>A node speaks only for replicas that are placed on it.</summary>
    private static bool IsPlacedOn(FormationRecord record, GroupId group, ReplicaId replica, NodeName node)
    {
        long index = (long)group.Value - 1;
        if (index < 0 || index >= record.Groups.Count) return false;
        foreach (ReplicaPlacement placement in record.Groups[(int)index].Replicas)
            if (placement.Id == replica) return placement.Node == node;
        return false;
    }

    private void Refuse(string what)
    {
        long count = Interlocked.Increment(ref _refused);
        // A stranger's flood must not become a flood of log lines: the first, then every thousandth.
        if (count % 1000 == 1) IntakeLog.Refused(logger, node.Name, what, count);
    }
}

internal static partial class IntakeLog
{
    [LoggerMessage(40, LogLevel.Warning, "{Node}: refused {What} ({Count} so far)")]
    public static partial void Refused(ILogger logger, NodeName node, string what, long count);
}
