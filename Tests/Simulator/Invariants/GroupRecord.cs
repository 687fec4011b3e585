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

    /// <summary>What replicas' states were when they had applied an index, for some indexes.</summary>
    public Dictionary<LogIndex, (uint Checksum, NodeName Of)> Digests { get; } = [];

    /// <summary>The newest that any replica has applied; null before the first. Both its versions grow along the
    /// log.</summary>
    public GroupDescriptor? Descriptor { get; set; }

    /// <summary>The group that took it over: none of its keys is its own any more. Null: none did.</summary>
    public GroupId? MergedInto { get; set; }

    public SortedDictionary<Term, NodeName> Leaders { get; } = [];

    /// <summary>One that was added where nobody heard of it may have its id on two nodes: each is a replica of its
    /// own.</summary>
    public SortedDictionary<(ReplicaId Id, NodeName Node), ReplicaRecord> Replicas { get; } = [];

    /// <summary>Its replicas that were voters at any time.</summary>
    public HashSet<ReplicaId> Voters { get; } = [];

    public ReplicaRecord Of(ReplicaId id, NodeName node)
    {
        if (!Replicas.TryGetValue((id, node), out ReplicaRecord? record))
            Replicas[(id, node)] = record = new ReplicaRecord(id, node);
        return record;
    }

    public ReplicaRecord? Find(Member member) => Replicas.GetValueOrDefault((member.Id, member.Node));
}
