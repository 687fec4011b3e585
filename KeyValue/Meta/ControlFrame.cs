using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// The bytes of a <see cref="ControlMessage"/>: magic u32, CRC-32C of all that follows u32, version u8, cluster 16,
/// from store 16, to store 16, kind u8, fields. Integers are varints.
/// </summary>
internal static partial class ControlFrame
{
    public const int MaxBytes = 16 << 20;

    private const uint Magic = 0x544C_434F; // "OCLT"
    private const byte Version = 3;
    private const int CheckedFrom = 8;

    private enum Kind : byte
    {
        Report = 1,
        Orders = 2,
        Redirect = 3,
        Dismissal = 4,
        MergePart = 5,
        MergeReply = 6,
    }

    private enum OrderKind : byte
    {
        AddLearner = 1,
        Promote = 2,
        RemoveReplica = 3,
        Transfer = 4,
        Split = 5,
        Retire = 6,
        Merge = 7,
        Abandon = 8,
        Thaw = 9,
    }

    public static bool IsControlFrame(ReadOnlySpan<byte> frame) =>
        frame.Length >= CheckedFrom && BinaryPrimitives.ReadUInt32LittleEndian(frame) == Magic;

    /// <exception cref="InvalidOperationException">It would have more than <see cref="MaxBytes"/>.</exception>
    public static byte[] Encode(in FrameHeader header, ControlMessage message)
    {
        var buffer = new ByteBuffer();
        buffer.UInt32(Magic);
        buffer.UInt32(0);
        buffer.Byte(Version);
        buffer.Guid(header.Cluster.Value);
        buffer.Guid(header.From.Value);
        buffer.Guid(header.To.Value);
        switch (message)
        {
            case NodeReport report: Write(buffer, report); break;
            case Orders orders: Write(buffer, orders); break;
            case Redirect redirect: Write(buffer, redirect); break;
            case MergePart part: Write(buffer, part); break;
            case MergeReply reply: Write(buffer, reply); break;
            case Dismissal dismissal: Write(buffer, dismissal); break;
            default: throw new InvalidOperationException($"{message.GetType().Name} has no encoding.");
        }
        if (buffer.Length > MaxBytes)
            throw new InvalidOperationException($"A control frame of {buffer.Length} bytes; at most {MaxBytes} fit.");
        buffer.PatchUInt32(4, Crc32C.Compute(buffer.Written[CheckedFrom..]));
        return buffer.ToArray();
    }

    public static FrameStatus TryDecode(
        ReadOnlySpan<byte> frame, out FrameHeader header, out ControlMessage? message)
    {
        header = default;
        message = null;
        if (!IsControlFrame(frame)) return FrameStatus.UnknownMagic;
        if (frame.Length > MaxBytes) return FrameStatus.Malformed;
        if (BinaryPrimitives.ReadUInt32LittleEndian(frame[4..]) != Crc32C.Compute(frame[CheckedFrom..]))
            return FrameStatus.BadChecksum;
        var reader = new ByteReader(frame[CheckedFrom..]);
        if (!reader.TryByte(out byte version)) return FrameStatus.Truncated;
        if (version != Version) return FrameStatus.UnknownVersion;
        if (!reader.TryGuid(out Guid cluster) || !reader.TryGuid(out Guid from) || !reader.TryGuid(out Guid to)
            || !reader.TryByte(out byte kind))
            return FrameStatus.Truncated;
        header = new FrameHeader(new ClusterId(cluster), new StoreId(from), new StoreId(to));
        message = (Kind)kind switch
        {
            Kind.Report => ReadReport(ref reader),
            Kind.Orders => ReadOrders(ref reader),
            Kind.Redirect => ReadRedirect(ref reader),
            Kind.Dismissal => TryReadToDo(ref reader, out List<Order> toDo) ? new Dismissal(toDo) : null,
            Kind.MergePart => ReadMergePart(ref reader),
            Kind.MergeReply => ReadMergeReply(ref reader),
            _ => null,
        };
        if (message is null)
            return kind is 0 or > (byte)Kind.MergeReply ? FrameStatus.UnknownType : FrameStatus.Malformed;
        if (reader.IsAtEnd) return FrameStatus.Ok;
        message = null;
        return FrameStatus.Malformed;
    }

    private static void Write(ByteBuffer buffer, NodeReport report)
    {
        buffer.Byte((byte)Kind.Report);
        buffer.Varint(report.Boot);
        buffer.Varint(report.Number);
        buffer.Varint(report.Map.Controller.Value);
        buffer.Varint(report.Map.Number);
        buffer.Text(report.Zone);
        buffer.Flag(report.IsFull);
        buffer.Varint((ulong)report.Groups.Count);
        foreach (GroupReport group in report.Groups) Write(buffer, group);
        buffer.Varint((ulong)report.Left.Count);
        foreach (GroupId group in report.Left) buffer.Varint(group.Value);
        buffer.Varint((ulong)report.Leaderless.Count);
        foreach (ReplicaSighting replica in report.Leaderless)
        {
            buffer.Varint(replica.Group.Value);
            buffer.Varint(replica.Replica.Value);
            buffer.Varint(replica.ConfigVersion);
        }
        buffer.Varint((ulong)report.Joining.Count);
        foreach (FormationNode joining in report.Joining)
        {
            buffer.Name(joining.Name);
            buffer.Guid(joining.Store.Value);
        }
        buffer.Varint((ulong)report.MergeTroubles.Count);
        foreach (MergeTrouble trouble in report.MergeTroubles)
        {
            buffer.Varint(trouble.Merge.Value);
            buffer.Text(trouble.Reason);
        }
    }

    private static void Write(ByteBuffer buffer, GroupReport group)
    {
        buffer.Block(group.Descriptor.Encode());
        buffer.Varint(group.Term.Value);
        buffer.Varint((ulong)group.Bytes);
        buffer.Varint((ulong)group.Keys);
        buffer.UInt64((ulong)BitConverter.DoubleToInt64Bits(group.OperationsPerSecond));
        WriteOptional(buffer, group.LoadSplitKey);
        buffer.Varint((ulong)group.Members.Count);
        foreach (ModelMember member in group.Members)
        {
            buffer.Varint(member.Id.Value);
            buffer.Flag(member.IsCaughtUp);
            buffer.Varint((ulong)Math.Max(0, (long)member.SilentFor.TotalMilliseconds));
        }
        Write(buffer, group.Merges);
    }

    private static void Write(ByteBuffer buffer, Orders orders)
    {
        buffer.Byte((byte)Kind.Orders);
        buffer.Varint(orders.Controller.Value);
        buffer.Varint(orders.Boot);
        buffer.Varint(orders.Number);
        buffer.Varint(orders.Since);
        buffer.Varint(orders.Revision);
        buffer.Varint((ulong)orders.Nodes.Count);
        foreach (NodeRow node in orders.Nodes) MetaRows.Write(buffer, node);
        buffer.Varint((ulong)orders.Groups.Count);
        foreach (GroupDescriptor group in orders.Groups) buffer.Block(group.Encode());
        Write(buffer, orders.ToDo);
        buffer.Varint((ulong)orders.Merged.Count);
        foreach (MergedGroup merged in orders.Merged)
        {
            buffer.Varint(merged.Group.Value);
            buffer.Varint(merged.Into.Value);
        }
        buffer.Varint(orders.NextGroup);
    }

    private static void Write(ByteBuffer buffer, Dismissal dismissal)
    {
        buffer.Byte((byte)Kind.Dismissal);
        Write(buffer, dismissal.ToDo);
    }

    private static void Write(ByteBuffer buffer, IReadOnlyList<Order> toDo)
    {
        buffer.Varint((ulong)toDo.Count);
        foreach (Order order in toDo) Write(buffer, order);
    }

    private static void Write(ByteBuffer buffer, Redirect redirect)
    {
        buffer.Byte((byte)Kind.Redirect);
        buffer.Flag(redirect.Leader is not null);
        if (redirect.Leader is { } leader) buffer.Name(leader);
        buffer.Block(redirect.Meta.Encode());
    }

    private static void Write(ByteBuffer buffer, Order order)
    {
        buffer.Byte((byte)(order switch
        {
            AddLearnerOrder => OrderKind.AddLearner,
            PromoteOrder => OrderKind.Promote,
            RemoveReplicaOrder => OrderKind.RemoveReplica,
            TransferOrder => OrderKind.Transfer,
            SplitOrder => OrderKind.Split,
            RetireOrder => OrderKind.Retire,
            MergeOrder => OrderKind.Merge,
            AbandonOrder => OrderKind.Abandon,
            ThawOrder => OrderKind.Thaw,
            _ => throw new InvalidOperationException($"{order.GetType().Name} has no encoding."),
        }));
        buffer.Varint(order.Group.Value);
        switch (order)
        {
            case AddLearnerOrder add:
                buffer.Varint(add.ConfigVersion);
                buffer.Name(add.Node);
                break;
            case PromoteOrder promote:
                buffer.Varint(promote.ConfigVersion);
                buffer.Varint(promote.Learner.Value);
                buffer.Varint(promote.Removed.Value);
                break;
            case RemoveReplicaOrder remove:
                buffer.Varint(remove.ConfigVersion);
                buffer.Varint(remove.Replica.Value);
                break;
            case TransferOrder transfer: buffer.Name(transfer.To); break;
            case SplitOrder split:
                buffer.Varint(split.RangeVersion);
                WriteOptional(buffer, split.Key);
                buffer.Varint(split.Child.Value);
                break;
            case RetireOrder retire:
                buffer.Varint(retire.Replica.Value);
                buffer.Varint(retire.ConfigVersion);
                break;
            case MergeOrder merge:
                buffer.Varint(merge.Merge.Value);
                buffer.Varint(merge.RangeVersion);
                buffer.Varint(merge.Target.Value);
                buffer.Name(merge.TargetNode);
                break;
            case AbandonOrder abandon: buffer.Varint(abandon.Merge.Value); break;
            case ThawOrder thaw: buffer.Varint(thaw.Merge.Value); break;
        }
    }

    private static NodeReport? ReadReport(ref ByteReader reader)
    {
        if (!reader.TryVarint(out ulong boot) || !reader.TryVarint(out ulong number)
            || !reader.TryVarint(out ulong controller) || !reader.TryVarint(out ulong revision)
            || !reader.TryText(out string zone) || !reader.TryFlag(out bool isFull)
            || !reader.TryCount(out int groupCount))
            return null;
        var groups = new List<GroupReport>();
        for (int i = 0; i < groupCount; i++)
        {
            if (!TryReadGroup(ref reader, out GroupReport? group)) return null;
            groups.Add(group);
        }
        if (!reader.TryCount(out int leftCount)) return null;
        var left = new List<GroupId>();
        for (int i = 0; i < leftCount; i++)
        {
            if (!reader.TryGroup(out GroupId group)) return null;
            left.Add(group);
        }
        if (!reader.TryCount(out int leaderlessCount)) return null;
        var leaderless = new List<ReplicaSighting>();
        for (int i = 0; i < leaderlessCount; i++)
        {
            if (!reader.TryGroup(out GroupId group) || !reader.TryVarint(out ulong replica)
                || !reader.TryVarint(out ulong version))
                return null;
            leaderless.Add(new ReplicaSighting(group, new ReplicaId(replica), version));
        }
        if (!reader.TryCount(out int joiningCount)) return null;
        var joining = new List<FormationNode>();
        for (int i = 0; i < joiningCount; i++)
        {
            if (!reader.TryName(out NodeName name) || !reader.TryGuid(out Guid store)) return null;
            joining.Add(new FormationNode(name, new StoreId(store)));
        }
        if (ReadTroubles(ref reader) is not { } troubles) return null;
        var map = new MapRevision(new Term(controller), revision);
        return new NodeReport(boot, number, map, zone, isFull, groups, left, leaderless, joining)
        {
            MergeTroubles = troubles,
        };
    }

    private static bool TryReadGroup(ref ByteReader reader, [NotNullWhen(true)] out GroupReport? group)
    {
        group = null;
        if (!reader.TryDescriptor(out GroupDescriptor? descriptor) || !reader.TryVarint(out ulong term)
            || !reader.TryPositive(out long bytes) || !reader.TryPositive(out long keys)
            || !reader.TryUInt64(out ulong rate) || !TryReadOptional(ref reader, out byte[]? splitKey)
            || !reader.TryCount(out int count))
            return false;
        var members = new List<ModelMember>();
        for (int i = 0; i < count; i++)
        {
            if (!reader.TryVarint(out ulong id) || !reader.TryFlag(out bool isCaughtUp)
                || !reader.TryVarint(out ulong silent) || silent > int.MaxValue)
                return false;
            members.Add(new ModelMember(new ReplicaId(id), isCaughtUp, TimeSpan.FromMilliseconds((long)silent)));
        }
        if (!TryReadMarks(ref reader, out MergeMarks merges)) return false;
        group = new GroupReport(descriptor, new Term(term), bytes, keys,
            BitConverter.Int64BitsToDouble((long)rate), splitKey, members)
        {
            Merges = merges,
        };
        return true;
    }

    private static Orders? ReadOrders(ref ByteReader reader)
    {
        if (!reader.TryVarint(out ulong controller) || !reader.TryVarint(out ulong boot)
            || !reader.TryVarint(out ulong number) || !reader.TryVarint(out ulong since)
            || !reader.TryVarint(out ulong revision) || !reader.TryCount(out int nodeCount))
            return null;
        var nodes = new List<NodeRow>();
        for (int i = 0; i < nodeCount; i++)
        {
            if (!MetaRows.TryRead(ref reader, out NodeRow? node)) return null;
            nodes.Add(node);
        }
        if (!reader.TryCount(out int groupCount)) return null;
        var groups = new List<GroupDescriptor>();
        for (int i = 0; i < groupCount; i++)
        {
            if (!reader.TryDescriptor(out GroupDescriptor? group)) return null;
            groups.Add(group);
        }
        if (!TryReadToDo(ref reader, out List<Order> toDo) || ReadMerged(ref reader) is not { } merged
            || !reader.TryGroup(out GroupId next)) return null;
        return new Orders(new Term(controller), boot, number, since, revision, nodes, groups, toDo)
        {
            Merged = merged,
            NextGroup = next.Value,
        };
    }

    private static bool TryReadToDo(ref ByteReader reader, out List<Order> toDo)
    {
        toDo = [];
        if (!reader.TryCount(out int count)) return false;
        for (int i = 0; i < count; i++)
        {
            if (ReadOrder(ref reader) is not { } order) return false;
            toDo.Add(order);
        }
        return true;
    }

    private static Redirect? ReadRedirect(ref ByteReader reader)
    {
        if (!reader.TryFlag(out bool hasLeader)) return null;
        NodeName? leader = null;
        if (hasLeader)
        {
            if (!reader.TryName(out NodeName name)) return null;
            leader = name;
        }
        return reader.TryDescriptor(out GroupDescriptor? meta) ? new Redirect(leader, meta) : null;
    }

    private static Order? ReadOrder(ref ByteReader reader)
    {
        if (!reader.TryByte(out byte kind) || !reader.TryGroup(out GroupId group)) return null;
        if ((OrderKind)kind == OrderKind.Transfer)
            return reader.TryName(out NodeName to) ? new TransferOrder(group, to) : null;
        if (!reader.TryVarint(out ulong first)) return null;
        switch ((OrderKind)kind)
        {
            case OrderKind.AddLearner:
                return reader.TryName(out NodeName node) ? new AddLearnerOrder(group, first, node) : null;
            case OrderKind.Promote:
                return reader.TryVarint(out ulong learner) && reader.TryVarint(out ulong removed)
                    ? new PromoteOrder(group, first, new ReplicaId(learner), new ReplicaId(removed))
                    : null;
            case OrderKind.RemoveReplica:
                return reader.TryVarint(out ulong leaving)
                    ? new RemoveReplicaOrder(group, first, new ReplicaId(leaving))
                    : null;
            case OrderKind.Split:
                return TryReadOptional(ref reader, out byte[]? key) && reader.TryGroup(out GroupId child)
                    ? new SplitOrder(group, first, key, child)
                    : null;
            case OrderKind.Retire:
                return reader.TryVarint(out ulong version)
                    ? new RetireOrder(group, new ReplicaId(first), version)
                    : null;
            case OrderKind.Merge:
                return reader.TryVarint(out ulong rangeVersion) && reader.TryGroup(out GroupId target)
                    && reader.TryName(out NodeName targetNode)
                    ? new MergeOrder(group, new MergeId(first), rangeVersion, target, targetNode)
                    : null;
            case OrderKind.Abandon: return new AbandonOrder(group, new MergeId(first));
            case OrderKind.Thaw: return new ThawOrder(group, new MergeId(first));
            default: return null;
        }
    }

    private static void WriteOptional(ByteBuffer buffer, byte[]? bytes)
    {
        buffer.Flag(bytes is not null);
        if (bytes is not null) buffer.Block(bytes);
    }

    private static bool TryReadOptional(ref ByteReader reader, out byte[]? bytes)
    {
        bytes = null;
        if (!reader.TryFlag(out bool has)) return false;
        if (!has) return true;
        if (!reader.TryBlock(out ReadOnlySpan<byte> read)) return false;
        bytes = read.ToArray();
        return true;
    }
}
