using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// The bytes of administrators' requests and answers: a version byte, then for a request its kind and fields, for an
/// answer status, text, groups, nodes and, if any, what the controller does.
/// </summary>
public static class AdministrationCodec
{
    private const byte Version = 1;
    private const byte NoLeader = 0;
    private const byte HasLeader = 1;

    private enum Kind : byte
    {
        ListGroups = 1,
        ListNodes = 2,
        Split = 3,
        GrowGroups = 4,
        MoveReplica = 5,
        TransferLeader = 6,
        DrainNode = 7,
        RemoveNode = 8,
        ReplaceNode = 9,
        SwitchBalance = 10,
        BalanceStatus = 11,
        MergeGroups = 12,
    }

    public static byte[] Encode(AdministrationRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var buffer = new ByteBuffer();
        buffer.Byte(Version);
        buffer.Flag(request.IsRepeat);
        switch (request)
        {
            case ListGroupsRequest: buffer.Byte((byte)Kind.ListGroups); break;
            case ListNodesRequest: buffer.Byte((byte)Kind.ListNodes); break;
            case BalanceStatusRequest: buffer.Byte((byte)Kind.BalanceStatus); break;
            case SplitRequest split:
                buffer.Byte((byte)Kind.Split);
                buffer.Block(split.Key.Span);
                break;
            case MergeGroupsRequest merge:
                buffer.Byte((byte)Kind.MergeGroups);
                buffer.Varint(merge.Left.Value);
                buffer.Varint(merge.Right.Value);
                break;
            case GrowGroupsRequest grow:
                buffer.Byte((byte)Kind.GrowGroups);
                buffer.Varint((ulong)Math.Max(0, grow.Target));
                break;
            case MoveReplicaRequest move:
                buffer.Byte((byte)Kind.MoveReplica);
                buffer.Varint(move.Group.Value);
                buffer.Name(move.From);
                buffer.Name(move.To);
                break;
            case TransferLeaderRequest transfer:
                buffer.Byte((byte)Kind.TransferLeader);
                buffer.Varint(transfer.Group.Value);
                buffer.Name(transfer.Node);
                break;
            case DrainNodeRequest drain:
                buffer.Byte((byte)Kind.DrainNode);
                buffer.Name(drain.Node);
                buffer.Flag(drain.Undo);
                break;
            case RemoveNodeRequest remove:
                buffer.Byte((byte)Kind.RemoveNode);
                buffer.Name(remove.Node);
                break;
            case ReplaceNodeRequest replace:
                buffer.Byte((byte)Kind.ReplaceNode);
                buffer.Name(replace.Node);
                break;
            case SwitchBalanceRequest balance:
                buffer.Byte((byte)Kind.SwitchBalance);
                buffer.Flag(balance.On);
                break;
            default: throw new InvalidOperationException($"{request.GetType().Name} has no encoding.");
        }
        return buffer.ToArray();
    }

    /// <summary>False if these are not the bytes of a request of this version.</summary>
    public static bool TryDecodeRequest(ReadOnlySpan<byte> bytes, out AdministrationRequest request)
    {
        request = new BalanceStatusRequest();
        var reader = new ByteReader(bytes);
        if (!reader.TryByte(out byte version) || version != Version || !reader.TryFlag(out bool isRepeat)
            || !reader.TryByte(out byte kind) || ReadRequest((Kind)kind, ref reader) is not { } read
            || !reader.IsAtEnd)
            return false;
        request = read with { IsRepeat = isRepeat };
        return true;
    }

    public static byte[] Encode(AdministrationAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        var buffer = new ByteBuffer();
        buffer.Byte(Version);
        buffer.Byte((byte)answer.Status);
        buffer.Text(answer.Text);
        buffer.Varint((ulong)answer.Groups.Count);
        foreach (GroupOverview group in answer.Groups) Write(buffer, group);
        buffer.Varint((ulong)answer.Nodes.Count);
        foreach (NodeOverview node in answer.Nodes)
        {
            buffer.Name(node.Name);
            buffer.Text(node.Zone);
            buffer.Byte((byte)node.State);
            buffer.Varint((ulong)node.Replicas);
            buffer.Varint((ulong)node.Leaders);
            buffer.Varint((ulong)node.Bytes);
        }
        buffer.Flag(answer.Balance is not null);
        if (answer.Balance is { } balance)
        {
            buffer.Flag(balance.IsOn);
            buffer.Texts(balance.UnderWay);
            buffer.Texts(balance.Recent);
        }
        return buffer.ToArray();
    }

    /// <summary>False if these are not the bytes of an answer of this version.</summary>
    public static bool TryDecodeAnswer(ReadOnlySpan<byte> bytes, out AdministrationAnswer answer)
    {
        answer = new AdministrationAnswer(AdministrationStatus.Refused, "");
        var reader = new ByteReader(bytes);
        if (!reader.TryByte(out byte version) || version != Version || !reader.TryByte(out byte status)
            || status > (byte)AdministrationStatus.Refused || !reader.TryText(out string text)
            || !TryReadGroups(ref reader, out GroupOverview[] groups)
            || !TryReadNodes(ref reader, out NodeOverview[] nodes)
            || !reader.TryFlag(out bool hasBalance))
            return false;
        BalanceOverview? balance = null;
        if (hasBalance)
        {
            if (!reader.TryFlag(out bool isOn) || !reader.TryTexts(out string[] underWay)
                || !reader.TryTexts(out string[] recent))
                return false;
            balance = new BalanceOverview(isOn, underWay, recent);
        }
        answer = new AdministrationAnswer((AdministrationStatus)status, text)
        {
            Groups = groups,
            Nodes = nodes,
            Balance = balance,
        };
        return reader.IsAtEnd;
    }

    private static AdministrationRequest? ReadRequest(Kind kind, ref ByteReader reader)
    {
        switch (kind)
        {
            case Kind.ListGroups: return new ListGroupsRequest();
            case Kind.ListNodes: return new ListNodesRequest();
            case Kind.BalanceStatus: return new BalanceStatusRequest();
            case Kind.Split:
                return reader.TryBlock(out ReadOnlySpan<byte> key) ? new SplitRequest(key.ToArray()) : null;
            case Kind.MergeGroups:
                return reader.TryGroup(out GroupId left) && reader.TryGroup(out GroupId right)
                    ? new MergeGroupsRequest(left, right)
                    : null;
            case Kind.GrowGroups:
                return reader.TryVarint(out ulong target) && target <= int.MaxValue
                    ? new GrowGroupsRequest((int)target)
                    : null;
            case Kind.MoveReplica:
                return reader.TryGroup(out GroupId moved) && reader.TryName(out NodeName from)
                    && reader.TryName(out NodeName to)
                    ? new MoveReplicaRequest(moved, from, to)
                    : null;
            case Kind.TransferLeader:
                return reader.TryGroup(out GroupId led) && reader.TryName(out NodeName leader)
                    ? new TransferLeaderRequest(led, leader)
                    : null;
            case Kind.DrainNode:
                return reader.TryName(out NodeName drained) && reader.TryFlag(out bool undo)
                    ? new DrainNodeRequest(drained, undo)
                    : null;
            case Kind.RemoveNode:
                return reader.TryName(out NodeName removed) ? new RemoveNodeRequest(removed) : null;
            case Kind.ReplaceNode:
                return reader.TryName(out NodeName old) ? new ReplaceNodeRequest(old) : null;
            case Kind.SwitchBalance:
                return reader.TryFlag(out bool on) ? new SwitchBalanceRequest(on) : null;
            default: return null;
        }
    }

    private static void Write(ByteBuffer buffer, GroupOverview group)
    {
        buffer.Block(group.Descriptor.Encode());
        buffer.Varint((ulong)group.Bytes);
        buffer.Varint((ulong)group.Keys);
        buffer.Byte(group.Leader is null ? NoLeader : HasLeader);
        if (group.Leader is { } leader) buffer.Name(leader);
        buffer.UInt64((ulong)BitConverter.DoubleToInt64Bits(group.OperationsPerSecond));
        buffer.Flag(group.Operation is not null);
        if (group.Operation is { } operation) buffer.Text(operation);
    }

    private static bool TryReadGroups(ref ByteReader reader, out GroupOverview[] groups)
    {
        groups = [];
        if (!reader.TryCount(out int count)) return false;
        var read = new GroupOverview[count];
        for (int i = 0; i < count; i++)
        {
            if (!reader.TryDescriptor(out GroupDescriptor? descriptor) || !reader.TryPositive(out long bytes)
                || !reader.TryPositive(out long keys) || !reader.TryFlag(out bool hasLeader))
                return false;
            NodeName? leader = null;
            if (hasLeader)
            {
                if (!reader.TryName(out NodeName name)) return false;
                leader = name;
            }
            if (!reader.TryUInt64(out ulong rate) || !reader.TryFlag(out bool isChanging)) return false;
            string? operation = null;
            if (isChanging)
            {
                if (!reader.TryText(out string text)) return false;
                operation = text;
            }
            read[i] = new GroupOverview(
                descriptor, bytes, keys, leader, BitConverter.Int64BitsToDouble((long)rate), operation);
        }
        groups = read;
        return true;
    }

    private static bool TryReadNodes(ref ByteReader reader, out NodeOverview[] nodes)
    {
        nodes = [];
        if (!reader.TryCount(out int count)) return false;
        var read = new NodeOverview[count];
        for (int i = 0; i < count; i++)
        {
            if (!reader.TryName(out NodeName name) || !reader.TryText(out string zone)
                || !reader.TryByte(out byte state) || state > (byte)NodeState.Removed
                || !reader.TryVarint(out ulong replicas) || replicas > int.MaxValue
                || !reader.TryVarint(out ulong leaders) || leaders > int.MaxValue
                || !reader.TryPositive(out long bytes))
                return false;
            read[i] = new NodeOverview(name, zone, (NodeState)state, (int)replicas, (int)leaders, bytes);
        }
        nodes = read;
        return true;
    }
}
