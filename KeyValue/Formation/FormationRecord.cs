using System.Text;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>A node of the cluster and the disk it had when the cluster formed.</summary>
public readonly record struct FormationNode(NodeName Name, StoreId Store);

/// <summary>
/// What a cluster is: decided once, when it forms, and recorded durably by every node. A node whose disk is not the
/// recorded one must not take part, for it may have forgotten votes and entries it promised.
/// </summary>
public sealed record FormationRecord(
    ClusterId Cluster, IReadOnlyList<FormationNode> Nodes, IReadOnlyList<GroupDescriptor> Groups, StoreLimits Limits)
{
    private const byte Version = 1;

    /// <summary>The recorded store of a node; throws if the node is not of this cluster.</summary>
    public StoreId StoreOf(NodeName node) => TryGetStore(node, out StoreId store)
        ? store
        : throw new FormationException($"Node {node} is not one of cluster {Cluster} "
        + $"({string.Join(", ", Nodes.Select(n => n.Name))}).");

    public bool TryGetStore(NodeName node, out StoreId store)
    {
        foreach (FormationNode candidate in Nodes)
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
        writer.Write(Version);
        writer.Write(Cluster.Value.ToByteArray());
        writer.Write(Nodes.Count);
        foreach (FormationNode node in Nodes)
        {
            writer.Write(node.Name.Value);
            writer.Write(node.Store.Value.ToByteArray());
        }
        new FormationPlan(Nodes.Select(n => n.Name).ToList(), Groups, Limits).EncodeRanges(writer);
        writer.Flush();
        return bytes.ToArray();
    }

    /// <exception cref="FormationException">The bytes are not a formation record this program understands.</exception>
    public static FormationRecord Decode(ReadOnlyMemory<byte> bytes) => FormationCodec.Guard("formation record", () =>
    {
        using BinaryReader reader = FormationCodec.Open(bytes.ToArray());
        byte version = reader.ReadByte();
        if (version != Version)
            throw new FormationException($"The formation record has version {version}; this program understands "
                + $"{Version}.");
        var cluster = new ClusterId(FormationCodec.ReadGuid(reader));
        int count = FormationCodec.ReadCount(reader);
        var nodes = new List<FormationNode>();
        for (int i = 0; i < count; i++)
            nodes.Add(new FormationNode(new NodeName(FormationCodec.ReadText(reader)),
                new StoreId(FormationCodec.ReadGuid(reader))));
        (IReadOnlyList<GroupDescriptor> groups, StoreLimits limits) = FormationPlan.DecodeRanges(reader);
        return new FormationRecord(cluster, nodes, groups, limits);
    });

    /// <summary>What was planned when this cluster formed.</summary>
    public FormationPlan Plan() => new([.. Nodes.Select(n => n.Name)], Groups, Limits);
}

/// <summary>A node cannot join its cluster. The message says what differs and what to do.</summary>
public sealed class FormationException(string message) : Exception(message);
