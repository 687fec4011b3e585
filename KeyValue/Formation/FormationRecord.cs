using System.Text;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>A node of the cluster and the disk it had when it came to it.</summary>
public readonly record struct FormationNode(NodeName Name, StoreId Store);

/// <summary>
/// What a cluster is: decided once, when it forms, and recorded durably by every node; only its members change. A node
/// whose disk is not the recorded one must not take part, for it may have forgotten votes and entries it promised.
/// </summary>
/// <param name="Nodes">Those that formed it.</param>
/// <param name="Groups">As they were formed.</param>
public sealed record FormationRecord(
    ClusterId Cluster, IReadOnlyList<FormationNode> Nodes, IReadOnlyList<GroupDescriptor> Groups, StoreLimits Limits)
{
    private const byte Version = 1;

    // Written only where the members are others than the nodes that formed the cluster.
    private const byte VersionWithMembers = 2;

    // With members, and after them the meta group; written only where that has changed its members.
    private const byte VersionWithMeta = 3;

    // With members, whether there is the meta group, that, and the first new group.
    private const byte VersionWithFirstNewGroup = 4;

    private readonly IReadOnlyList<FormationNode>? _members;

    /// <summary>The nodes it has now.</summary>
    public IReadOnlyList<FormationNode> Members
    {
        get => _members ?? Nodes;
        init => _members = value;
    }

    /// <summary>The meta group as it was last heard of: where to look for it after a restart. Null: as it was
    /// formed.</summary>
    public GroupDescriptor? Meta { get; init; }

    /// <summary>
    /// Of the node that keeps this record, if it joined later: no group with this number or a higher one was there before
    /// its disk was. Null: that is not known, or the node was there from the beginning.
    /// </summary>
    public uint? FirstNewGroup { get; init; }

    /// <summary>The recorded store of a node; throws if the node is not of this cluster.</summary>
    public StoreId StoreOf(NodeName node) => TryGetStore(node, out StoreId store)
        ? store
        : throw new FormationException($"Node {node} is not one of cluster {Cluster} "
        + $"({string.Join(", ", Members.Select(n => n.Name))}).");

    public bool TryGetStore(NodeName node, out StoreId store)
    {
        foreach (FormationNode candidate in Members)
        {
            if (candidate.Name != node) continue;
            store = candidate.Store;
            return true;
        }
        store = default;
        return false;
    }

    public byte[] Encode()
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes, Encoding.UTF8);
        bool hasMembers = FirstNewGroup is not null || Meta is not null || !Members.SequenceEqual(Nodes);
        writer.Write(FirstNewGroup is not null ? VersionWithFirstNewGroup
            : Meta is not null ? VersionWithMeta
            : hasMembers ? VersionWithMembers
            : Version);
        writer.Write(Cluster.Value.ToByteArray());
        WriteNodes(writer, Nodes);
        if (hasMembers) WriteNodes(writer, Members);
        if (FirstNewGroup is not null) writer.Write(Meta is not null);
        if (Meta is { } meta) FormationCodec.WriteBlock(writer, meta.Encode());
        if (FirstNewGroup is { } first) writer.Write(first);
        new FormationPlan(Nodes.Select(n => n.Name).ToList(), Groups, Limits).EncodeRanges(writer);
        writer.Flush();
        return bytes.ToArray();
    }

    /// <exception cref="FormationException">The bytes are not a formation record this program understands.</exception>
    public static FormationRecord Decode(ReadOnlyMemory<byte> bytes) => FormationCodec.Guard("formation record", () =>
    {
        using BinaryReader reader = FormationCodec.Open(bytes.ToArray());
        byte version = reader.ReadByte();
        if (version is < Version or > VersionWithFirstNewGroup)
            throw new FormationException($"The formation record has version {version}; this program understands "
                + $"{Version} to {VersionWithFirstNewGroup}.");
        var cluster = new ClusterId(FormationCodec.ReadGuid(reader));
        List<FormationNode> nodes = ReadNodes(reader);
        List<FormationNode> members = version >= VersionWithMembers ? ReadNodes(reader) : nodes;
        bool hasMeta = version == VersionWithMeta
            || (version == VersionWithFirstNewGroup && FormationCodec.ReadFlag(reader));
        GroupDescriptor? meta = hasMeta ? GroupDescriptor.Decode(FormationCodec.ReadBlock(reader)) : null;
        uint? firstNewGroup = version == VersionWithFirstNewGroup ? reader.ReadUInt32() : null;
        if (meta is not null && (meta.Group != GroupId.Meta || meta.Replicas.Count == 0))
            throw new FormationException($"The formation record tells of {meta.Group} as the meta group.");
        if (version == VersionWithMembers && members.SequenceEqual(nodes))
            throw new FormationException("The formation record tells its members although they are those it began with.");
        (IReadOnlyList<GroupDescriptor> groups, StoreLimits limits) = FormationPlan.DecodeRanges(reader);
        return new FormationRecord(cluster, nodes, groups, limits)
        {
            Members = members,
            Meta = meta,
            FirstNewGroup = firstNewGroup,
        };
    });

    /// <summary>What was planned when this cluster formed.</summary>
    public FormationPlan Plan() => new([.. Nodes.Select(n => n.Name)], Groups, Limits);

    private static void WriteNodes(BinaryWriter writer, IReadOnlyList<FormationNode> nodes)
    {
        writer.Write(nodes.Count);
        foreach (FormationNode node in nodes)
        {
            writer.Write(node.Name.Value);
            writer.Write(node.Store.Value.ToByteArray());
        }
    }

    private static List<FormationNode> ReadNodes(BinaryReader reader)
    {
        int count = FormationCodec.ReadCount(reader);
        var nodes = new List<FormationNode>();
        for (int i = 0; i < count; i++)
            nodes.Add(new FormationNode(new NodeName(FormationCodec.ReadText(reader)),
                new StoreId(FormationCodec.ReadGuid(reader))));
        return nodes;
    }
}

/// <summary>A node cannot join its cluster. The message says what differs and what to do.</summary>
public sealed class FormationException(string message) : Exception(message);
