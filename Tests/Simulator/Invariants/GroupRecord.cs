using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Simulator;

/// <summary>An entry as it was when first seen committed.</summary>
/// <param name="CommittedIn">The term of the replica that was first seen to have committed it.</param>
internal readonly record struct CommittedEntry(Term Term, uint Checksum, Term CommittedIn)
{
    /// <summary>Committed, but no longer to be seen when it was noticed.</summary>
    public static readonly CommittedEntry Unseen;
}

/// <summary>All that was ever seen of one group.</summary>
internal sealed class GroupRecord(GroupId group)
{
    public GroupId Group => group;

    /// <summary>The committed entries, by index less one.</summary>
    public List<CommittedEntry> Committed { get; } = [];

    /// <summary>What every entry that any replica ever had looked like, and the term of the entry before it.</summary>
    public Dictionary<EntryId, (Term Before, uint Checksum)> Entries { get; } = [];

    /// <summary>The indexes seen committed that were not yet looked for on disks.</summary>
    public Queue<ulong> Unchecked { get; } = [];

    /// <summary>What replicas' states were when they had applied an index, for some indexes.</summary>
    public Dictionary<LogIndex, (uint Checksum, NodeName Of)> Digests { get; } = [];

    /// <summary>The newest range seen.</summary>
    public GroupDescriptor? Descriptor { get; set; }

    public int Voters { get; set; }

    public SortedDictionary<Term, NodeName> Leaders { get; } = [];

    public SortedDictionary<NodeName, ReplicaRecord> Replicas { get; } = [];

    public ReplicaRecord Of(NodeName node)
    {
        if (!Replicas.TryGetValue(node, out ReplicaRecord? record)) Replicas[node] = record = new ReplicaRecord();
        return record;
    }
}
