using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>A node as the meta group holds it.</summary>
internal sealed record NodeRow(NodeName Name, StoreId Store, string Zone, NodeIntent Intent);

/// <summary>
/// The rows of the meta group, all in the default column family: <c>n/NAME</c> a node, <c>g/ID</c> a group as last
/// reported, <c>o/ID</c> the planned move of a group's replica, <c>s/CHILD</c> the group that is being split,
/// <c>m/ID</c> a merge that is not over, <c>x/ID</c> a group that was merged into another, <c>id</c> the next group's
/// number, <c>im</c> the next merge's, <c>b</c> whether load is evened out. Each value begins with a version byte.
/// </summary>
internal static class MetaRows
{
    private const byte Version = 1;
    private const string NodePrefix = "n/";
    private const string GroupPrefix = "g/";
    private const string MovePrefix = "o/";
    private const string MergePrefix = "m/";
    private const string MergedPrefix = "x/";
    private const string SplitPrefix = "s/";
    private const string NextGroupKey = "id";
    private const string NextMergeKey = "im";
    private const string BalanceKey = "b";

    public static WriteOperation Put(NodeRow node)
    {
        ByteBuffer value = Begin();
        Write(value, node);
        return Row(NodePrefix + node.Name.Value, value);
    }

    public static WriteOperation Put(GroupDescriptor group)
    {
        ByteBuffer value = Begin();
        value.Block(group.Encode());
        return Row(GroupPrefix + Number(group.Group), value);
    }

    public static WriteOperation Put(GroupId group, PlannedMove move)
    {
        ByteBuffer value = Begin();
        value.Flag(move.From is not null);
        if (move.From is { } from) value.Name(from);
        value.Name(move.To);
        value.Flag(move.IsAsked);
        value.Text(move.Reason);
        return Row(MovePrefix + Number(group), value);
    }

    public static WriteOperation Put(PlannedMerge merge)
    {
        ByteBuffer value = Begin();
        value.Varint(merge.Source.Value);
        value.Varint(merge.Target.Value);
        value.Varint(merge.RangeVersion);
        value.Flag(merge.IsAsked);
        value.Text(merge.Reason);
        value.Byte((byte)merge.Phase);
        value.Text(merge.Problem);
        return Row(MergePrefix + Number(merge.Id.Value), value);
    }

    /// <summary>
    /// Kept for ever: it alone tells a node that was away, however long, that the group of its replicas is no more. That
    /// a number was given out and no group is known by it says nothing: a group that was split off reports once its
    /// leader can, be that after weeks, and till then its parent may still be known with all keys. Each merge costs 12 to
    /// 16 bytes here, and 2 to 10 to each node, which is told of all of them, when another controller takes over.
    /// </summary>
    public static WriteOperation Put(MergedGroup merged)
    {
        ByteBuffer value = Begin();
        value.Varint(merged.Into.Value);
        return Row(MergedPrefix + Number(merged.Group), value);
    }

    public static WriteOperation PutNextMerge(ulong next)
    {
        ByteBuffer value = Begin();
        value.Varint(next);
        return Row(NextMergeKey, value);
    }

    /// <summary>A split that is ordered and whose child has not reported yet.</summary>
    public static WriteOperation PutSplit(GroupId child, GroupId parent)
    {
        ByteBuffer value = Begin();
        value.Varint(parent.Value);
        return Row(SplitPrefix + Number(child), value);
    }

    public static WriteOperation DeleteSplit(GroupId child) => new(Key(SplitPrefix + Number(child)), null);

    public static WriteOperation PutNextGroup(uint next)
    {
        ByteBuffer value = Begin();
        value.Varint(next);
        return Row(NextGroupKey, value);
    }

    public static WriteOperation PutBalance(bool isOn)
    {
        ByteBuffer value = Begin();
        value.Flag(isOn);
        return Row(BalanceKey, value);
    }

    public static WriteOperation DeleteMove(GroupId group) => new(Key(MovePrefix + Number(group)), null);

    public static WriteOperation DeleteMerge(MergeId merge) => new(Key(MergePrefix + Number(merge.Value)), null);

    public static WriteOperation DeleteGroup(GroupId group) => new(Key(GroupPrefix + Number(group)), null);

    public static void Write(ByteBuffer buffer, NodeRow node)
    {
        buffer.Name(node.Name);
        buffer.Guid(node.Store.Value);
        buffer.Text(node.Zone);
        buffer.Byte((byte)node.Intent);
    }

    public static bool TryRead(ref ByteReader reader, [NotNullWhen(true)] out NodeRow? node)
    {
        node = null;
        if (!reader.TryName(out NodeName name) || !reader.TryGuid(out Guid store) || !reader.TryText(out string zone)
            || !reader.TryByte(out byte intent) || intent > (byte)NodeIntent.Removed)
            return false;
        node = new NodeRow(name, new StoreId(store), zone, (NodeIntent)intent);
        return true;
    }

    /// <summary>Takes a row into what it is part of.</summary>
    /// <exception cref="InvalidDataException">It is no row of this version.</exception>
    public static void Load(MetaState state, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (!TryLoad(state, key, value))
            throw new InvalidDataException($"The meta group holds a row that cannot be read "
                + $"({Encoding.UTF8.GetString(key)}): a newer program wrote it. Run that version on every node.");
    }

    private static bool TryLoad(MetaState state, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        var reader = new ByteReader(value);
        if (!reader.TryByte(out byte version) || version != Version) return false;
        string name = Encoding.UTF8.GetString(key);
        if (name.StartsWith(NodePrefix, StringComparison.Ordinal))
        {
            if (!TryRead(ref reader, out NodeRow? node)) return false;
            state.Nodes[node.Name] = node;
        }
        else if (name.StartsWith(GroupPrefix, StringComparison.Ordinal))
        {
            if (!reader.TryDescriptor(out GroupDescriptor? group)) return false;
            state.Groups[group.Group] = group;
        }
        else if (name.StartsWith(MovePrefix, StringComparison.Ordinal))
        {
            if (!TryParse(name, MovePrefix, out GroupId group) || !TryReadMove(ref reader, out PlannedMove? move))
                return false;
            state.Moves[group] = move;
        }
        else if (name.StartsWith(MergePrefix, StringComparison.Ordinal))
        {
            bool read = ulong.TryParse(name.AsSpan(MergePrefix.Length), NumberStyles.HexNumber,
                CultureInfo.InvariantCulture, out ulong id);
            if (!read || !TryReadMerge(new MergeId(id), ref reader, out PlannedMerge? merge)) return false;
            state.Merges[merge.Id] = merge;
        }
        else if (name.StartsWith(MergedPrefix, StringComparison.Ordinal))
        {
            if (!TryParse(name, MergedPrefix, out GroupId group) || !reader.TryGroup(out GroupId into)) return false;
            state.Merged[group] = into;
        }
        else if (name == NextMergeKey)
        {
            if (!reader.TryVarint(out ulong next)) return false;
            state.NextMerge = next;
        }
        else if (name.StartsWith(SplitPrefix, StringComparison.Ordinal))
        {
            if (!TryParse(name, SplitPrefix, out GroupId child) || !reader.TryGroup(out GroupId parent)) return false;
            state.Splits[child] = parent;
        }
        else if (name == NextGroupKey)
        {
            if (!reader.TryGroup(out GroupId next)) return false;
            state.NextGroup = next.Value;
        }
        else if (name == BalanceKey)
        {
            if (!reader.TryFlag(out bool isOn)) return false;
            state.IsBalanceOn = isOn;
        }
        else return false;
        return reader.IsAtEnd;
    }

    private static bool TryReadMove(ref ByteReader reader, [NotNullWhen(true)] out PlannedMove? move)
    {
        move = null;
        if (!reader.TryFlag(out bool hasFrom)) return false;
        NodeName? from = null;
        if (hasFrom)
        {
            if (!reader.TryName(out NodeName name)) return false;
            from = name;
        }
        if (!reader.TryName(out NodeName to) || !reader.TryFlag(out bool isAsked) || !reader.TryText(out string reason))
            return false;
        move = new PlannedMove(from, to, isAsked, reason);
        return true;
    }

    private static bool TryReadMerge(MergeId id, ref ByteReader reader, [NotNullWhen(true)] out PlannedMerge? merge)
    {
        merge = null;
        if (!reader.TryGroup(out GroupId source) || !reader.TryGroup(out GroupId target)
            || !reader.TryVarint(out ulong range) || !reader.TryFlag(out bool isAsked)
            || !reader.TryText(out string reason) || !reader.TryByte(out byte phase)
            || phase > (byte)MergePhase.Abandoned || !reader.TryText(out string problem))
            return false;
        merge = new PlannedMerge(id, source, target, range, isAsked, reason, (MergePhase)phase, problem);
        return true;
    }

    private static bool TryParse(string name, string prefix, out GroupId group)
    {
        bool read = uint.TryParse(name.AsSpan(prefix.Length), NumberStyles.HexNumber, CultureInfo.InvariantCulture,
            out uint number);
        group = new GroupId(number);
        return read;
    }

    private static ByteBuffer Begin()
    {
        var value = new ByteBuffer();
        value.Byte(Version);
        return value;
    }

    private static WriteOperation Row(string key, ByteBuffer value) => new(Key(key), value.ToArray());

    private static byte[] Key(string text) => Encoding.UTF8.GetBytes(text);

    private static string Number(ulong number) => number.ToString("x16", CultureInfo.InvariantCulture);

    private static string Number(GroupId group) => group.Value.ToString("x8", CultureInfo.InvariantCulture);
}

/// <summary>All rows of the meta group.</summary>
internal sealed class MetaState
{
    public SortedDictionary<NodeName, NodeRow> Nodes { get; } = [];

    public SortedDictionary<GroupId, GroupDescriptor> Groups { get; } = [];

    public SortedDictionary<GroupId, PlannedMove> Moves { get; } = [];

    /// <summary>Those that are not over, by id.</summary>
    public SortedDictionary<MergeId, PlannedMerge> Merges { get; } = [];

    /// <summary>Groups that are no more, and those that they were merged into.</summary>
    public SortedDictionary<GroupId, GroupId> Merged { get; } = [];

    /// <summary>No merge ever had this id or a higher one.</summary>
    public ulong NextMerge { get; set; } = 1;

    /// <summary>Parents by the children that they are being split into.</summary>
    public SortedDictionary<GroupId, GroupId> Splits { get; } = [];

    /// <summary>No group ever had this number or a higher one.</summary>
    public uint NextGroup { get; set; }

    public bool IsBalanceOn { get; set; } = true;
}
