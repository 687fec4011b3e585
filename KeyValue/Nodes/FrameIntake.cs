using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// Checks frames from other nodes and hands their messages to the replicas they name. A message of a leader to a replica
/// that is new here makes it; one to a replica that was removed from here is dropped.
/// </summary>
internal sealed class FrameIntake(StoreNode node, ILogger logger)
{
    private long _refused;
    private long _late;

    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Messages to replicas that were removed from here.</summary>
    public long Late => Interlocked.Read(ref _late);

    public void Receive(ReadOnlySpan<byte> frame, FormationRecord record)
    {
        FrameStatus status = FrameReader.TryOpen(frame, out FrameHeader header, out FrameReader reader);
        if (status != FrameStatus.Ok)
        {
            Refuse($"frame: {status}");
            return;
        }
        if (FindSender(header, record) is not { } sender)
        {
            Refuse($"frame of cluster {header.Cluster} from store {header.From} to store {header.To}");
            return;
        }
        node.Liveness.Heard(sender);
        while (reader.TryReadNext(out MessageAddress address, out RaftMessage? message, out status))
        {
            if (status != FrameStatus.Ok || message is null) Refuse($"message from {sender}: {status}");
            else if (address.From.IsNone || address.To.IsNone || address.From == address.To) RefuseAddress(sender, address);
            else Take(sender, address, message, record);
        }
    }

    public void ReceiveLiveness(ReadOnlySpan<byte> frame, FormationRecord record)
    {
        FrameStatus status = LivenessFrame.TryDecode(frame, out LivenessFrame decoded);
        FrameHeader header = decoded.Header;
        if (status != FrameStatus.Ok) Refuse($"liveness frame: {status}");
        else if (FindSender(header, record) is not { } sender)
            Refuse($"liveness frame of cluster {header.Cluster} from store {header.From} to store {header.To}");
        else node.Liveness.Heard(sender, decoded.BootNonce, decoded.Sequence);
    }

    /// <summary>Without a controller, nobody takes what is told.</summary>
    public void ReceiveControl(ReadOnlySpan<byte> frame, FormationRecord record)
    {
        if (node.Meta is not { } meta) return;
        FrameStatus status = ControlFrame.TryDecode(frame, out FrameHeader header, out ControlMessage? message);
        if (status != FrameStatus.Ok || message is null) Refuse($"control frame: {status}");
        else if (FindSender(header, record) is { } sender) meta.Take(sender, message);
        else if (IsForThis(header, record) && meta.FindRemoved(header.From) is { } removed)
            meta.TakeFromRemoved(removed, message);
        else Refuse($"control frame of cluster {header.Cluster} from store {header.From} to store {header.To}");
    }

    /// <summary>The node that sent a frame to this one; null if it is no other node of this cluster, or meant
    /// another.</summary>
    private NodeName? FindSender(in FrameHeader header, FormationRecord record) =>
        IsForThis(header, record) && node.Directory.NodeOf(header.From) is { } sender && sender != node.Name
            ? sender
            : null;

    private bool IsForThis(in FrameHeader header, FormationRecord record) =>
        header.Cluster == record.Cluster && header.To == node.Storage.StoreId;

    private void Take(NodeName sender, in MessageAddress address, RaftMessage message,
        FormationRecord record)
    {
        Replica? live = node.Find(address.Group);
        if (live is { StopReason: null } && live.Id == address.To)
        {
            live.Deliver(address.From, sender, message);
            return;
        }
        OwnReplica? own = node.FindOwn(address.Group);
        if (own?.Id == address.To)
        {
            // One that is not open misses messages as a slow network would lose them. That it is to go, one that failed
            // must hear now; any other is told when it is open, for it may have to bear a child first.
            if (message is ReplicaRemoved && live is { Status.Role: "failed" }) node.Retire(address.Group, address.To);
        }
        else if (address.To <= node.Storage.FindReplica(address.Group).Removed)
        {
            Interlocked.Increment(ref _late);
        }
        // Only a leader makes replicas, and a candidate of a group that had no time to make all of them; who else writes
        // here has the wrong address.
        else if (!MakesReplica(address.Group, message) || address.To < own?.Id || WasFormedElsewhere(record, address))
        {
            RefuseAddress(sender, address);
        }
        else if (own is null)
        {
            node.Create(address.Group, address.To);
        }
        // Its group would not give the node another replica as long as this one belonged to it. A later message makes
        // that.
        else if (own is { Start: null, Base: null } && live is { StopReason: null, HoldsNothing: true }
            && live.Id == own.Id)
        {
            node.Retire(address.Group, own.Id);
        }
        // A group has one replica on a node, so the one here was removed and does not know. It goes only when a member
        // says so; to be told, it is enough that it speaks.
        else
        {
            node.Send(sender, new MessageAddress(address.Group, own.Id, address.From), Replica.MembershipQuestion);
            node.FlushLinks();
        }
    }

    private bool MakesReplica(GroupId group, RaftMessage message) => message switch
    {
        AppendEntries or Heartbeat or SnapshotChunk => true,
        PreVote or RequestVote => node.MayVoteFromNothing(group),
        _ => false,
    };

    /// <summary>A replica never changes its node.</summary>
    private bool WasFormedElsewhere(FormationRecord record, MessageAddress address) =>
        record.Groups.FirstOrDefault(group => group.Group == address.Group) is { } formed
        && formed.Replicas.Any(replica => replica.Id == address.To && replica.Node != node.Name);

    private void RefuseAddress(NodeName sender, in MessageAddress address) =>
        Refuse($"message from {sender} for {address.Group}, {address.From} to {address.To}");

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
