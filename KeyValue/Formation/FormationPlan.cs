using System.Text;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What the configured nodes agree to form: equal on all of them, or the cluster does not form.</summary>
public sealed record FormationPlan(
    IReadOnlyList<NodeName> Nodes, IReadOnlyList<GroupDescriptor> Groups, StoreLimits Limits)
{
    /// <summary>Replicas of a group, unless the options say otherwise, where there are nodes enough.</summary>
    public const int ReplicationFactor = 3;

    public const int MaxReplicationFactor = 9;

    private const byte FirstPrintable = 0x21;
    private const byte LastPrintable = 0x7e;

    /// <summary>Divides the key space at <paramref name="splitKeys"/> and places each group's replicas round robin, on
    /// all nodes if there are fewer than <paramref name="replicationFactor"/>.</summary>
    /// <param name="splitKeys">Ascending, without repeats, none empty; one less than there are groups.</param>
    /// <exception cref="FormationException">Names what is wrong with the nodes or keys, or says that they are too
    /// many.</exception>
    public static FormationPlan Create(
        IReadOnlyList<NodeName> nodes, IReadOnlyList<byte[]> splitKeys, StoreLimits limits,
        int replicationFactor = ReplicationFactor)
    {
        NodeName[] sorted = [.. nodes.Order()];
        if (sorted.Length == 0) throw new FormationException("A cluster needs at least one node.");
        if (sorted.Distinct().Count() != sorted.Length) throw new FormationException("Two nodes have the same name.");
        for (int i = 0; i < splitKeys.Count; i++)
        {
            if (splitKeys[i].Length == 0) throw new FormationException("A split key is empty.");
            if (splitKeys[i].Length > limits.MaxKeyBytes)
                throw new FormationException($"Split key {i + 1} is longer than {limits.MaxKeyBytes} bytes.");
            if (i > 0 && splitKeys[i].AsSpan().SequenceCompareTo(splitKeys[i - 1]) <= 0)
                throw new FormationException($"Split keys must ascend: key {i + 1} is not after key {i}.");
        }

        var groups = new List<GroupDescriptor>();
        for (int i = 0; i <= splitKeys.Count; i++)
        {
            var replicas = new List<ReplicaPlacement>();
            for (int r = 0; r < Math.Min(replicationFactor, sorted.Length); r++)
                replicas.Add(new ReplicaPlacement(new ReplicaId((ulong)r + 1), sorted[(i + r) % sorted.Length]));
            groups.Add(new GroupDescriptor(new GroupId((uint)i + 1), i == 0 ? [] : splitKeys[i - 1],
                i == splitKeys.Count ? [] : splitKeys[i], RangeVersion: 1, ConfigVersion: 1, replicas));
        }
        var plan = new FormationPlan(sorted, groups, limits);
        // The record repeats the plan, with a store for each node; nodes send each other both.
        int bytes = new FormationRecord(default, [.. sorted.Select(n => new FormationNode(n, default))], groups, limits)
            .Encode().Length;
        if (bytes > FormationCodec.MaxBlockBytes)
        {
            throw new FormationException($"{groups.Count} groups on {sorted.Length} nodes make a formation record of "
                + $"{bytes} bytes; "
                + $"at most {FormationCodec.MaxBlockBytes} are possible. Take fewer groups, shorter split keys or "
                + "shorter node names.");
        }
        return plan;
    }

    /// <summary>Split keys that divide printable ASCII evenly among <paramref name="groups"/>, so that text keys spread
    /// over all.</summary>
    public static IReadOnlyList<byte[]> EvenSplitKeys(int groups)
    {
        const int Symbols = LastPrintable - FirstPrintable + 1;
        var keys = new List<byte[]>();
        for (int i = 1; i < groups; i++)
        {
            // Two symbols give 8,836 places, enough for any number of groups formed at once.
            int place = (int)((long)i * Symbols * Symbols / groups);
            int high = FirstPrintable + place / Symbols, low = FirstPrintable + place % Symbols;
            keys.Add(low == FirstPrintable ? [(byte)high] : [(byte)high, (byte)low]);
        }
        return keys;
    }

    public byte[] Encode()
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes, Encoding.UTF8);
        writer.Write(Nodes.Count);
        foreach (NodeName node in Nodes) writer.Write(node.Value);
        EncodeRanges(writer);
        writer.Flush();
        return bytes.ToArray();
    }

    /// <summary>Says in words how another plan differs from this one; null if it does not.</summary>
    public string? DifferenceTo(FormationPlan other)
    {
        if (!Nodes.SequenceEqual(other.Nodes))
            return $"nodes {string.Join(",", Nodes)} against {string.Join(",", other.Nodes)}";
        if (Groups.Count != other.Groups.Count) return $"{Groups.Count} groups against {other.Groups.Count}";
        for (int i = 0; i < Groups.Count; i++)
        {
            if (!Groups[i].Start.AsSpan().SequenceEqual(other.Groups[i].Start))
                return $"another start of {Groups[i].Group}";
            if (Groups[i].Replicas.Count != other.Groups[i].Replicas.Count)
                return $"{Groups[i].Replicas.Count} replicas of {Groups[i].Group} against {other.Groups[i].Replicas.Count}";
        }
        if (Limits.DifferenceTo(other.Limits) is { } limits) return limits;
        return Encode().AsSpan().SequenceEqual(other.Encode()) ? null : "other placements";
    }

    internal void EncodeRanges(BinaryWriter writer)
    {
        writer.Write(Groups.Count);
        foreach (GroupDescriptor group in Groups) FormationCodec.WriteBlock(writer, group.Encode());
        FormationCodec.WriteBlock(writer, Limits.Encode());
    }

    /// <summary>Reads what ends a plan and a record.</summary>
    internal static (IReadOnlyList<GroupDescriptor> Groups, StoreLimits Limits) DecodeRanges(BinaryReader reader)
    {
        int count = FormationCodec.ReadCount(reader);
        var groups = new List<GroupDescriptor>();
        for (int i = 0; i < count; i++) groups.Add(GroupDescriptor.Decode(FormationCodec.ReadBlock(reader)));
        StoreLimits limits = StoreLimits.Decode(FormationCodec.ReadBlock(reader));
        FormationCodec.RequireEnd(reader);
        return (groups, limits);
    }

    internal static FormationPlan Decode(byte[] bytes) => FormationCodec.Guard("formation plan", () =>
    {
        using BinaryReader reader = FormationCodec.Open(bytes);
        int count = FormationCodec.ReadCount(reader);
        var nodes = new List<NodeName>();
        for (int i = 0; i < count; i++) nodes.Add(new NodeName(FormationCodec.ReadText(reader)));
        (IReadOnlyList<GroupDescriptor> groups, StoreLimits limits) = DecodeRanges(reader);
        return new FormationPlan(nodes, groups, limits);
    });
}
