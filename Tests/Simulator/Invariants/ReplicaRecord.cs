using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Simulator;

/// <summary>What was durable of a replica when its node's storage was opened.</summary>
/// <param name="Node">The opening.</param>
/// <param name="Compacted">The last index that was in its snapshot only.</param>
/// <param name="Terms">Of the entries after it.</param>
internal sealed record ReplicaBirth(
    StoreNode Node, Term Term, ReplicaId VotedFor, LogIndex Compacted, IReadOnlyList<Term> Terms)
{
    public static ReplicaBirth Of(StoreNode node, RaftNode core)
    {
        LogIndex compacted = core.Log.Compacted.Index;
        var terms = new List<Term>();
        for (LogIndex index = compacted.Next(); index <= core.Log.LastIndex; index = index.Next())
            terms.Add(core.Log.TryTermAt(index, out Term term) ? term : Term.Zero);
        return new ReplicaBirth(node, core.Term, core.VotedFor, compacted, terms);
    }

    public bool Has(EntryId entry) => entry.Index <= Compacted
        || (entry.Index.Value - Compacted.Value <= (ulong)Terms.Count
            && Terms[(int)(entry.Index.Value - Compacted.Value) - 1] == entry.Term);
}

/// <summary>What was seen of a replica in its present life, and what it promised in any.</summary>
internal sealed class ReplicaRecord(ReplicaId id, NodeName node)
{
    public ReplicaId Id => id;

    public NodeName Node => node;

    /// <summary>It was removed, and its node knows, or its disk is gone: it is never to be seen again.</summary>
    public bool IsRetired { get; set; }

    /// <summary>Its node knew at the last look that it was removed.</summary>
    public bool IsRetiring { get; set; }

    /// <summary>The configurations in force after the last step and the one before that: of these one decided in
    /// it.</summary>
    public (Configuration Before, Configuration Now) Configurations { get; set; } =
        (Configuration.None, Configuration.None);

    /// <summary>The present life; null before the first.</summary>
    public Replica? Life { get; set; }

    /// <summary>What the present life began with, if an earlier opening of its node's storage lived on beside it; else
    /// null.</summary>
    public ReplicaBirth? Birth { get; set; }

    /// <summary>How many sessions its state held when it was last looked at, and the time before.</summary>
    public (int Before, int Now) Sessions { get; set; }

    /// <summary>Where its state was in merges when it was last looked at.</summary>
    public MergeState Merges { get; set; } = MergeState.None;

    /// <summary>Its state when it was last looked at, if that had all that a merge is to bring; else null.</summary>
    public GroupStateSnapshot? BeforeTakeOver { get; set; }

    /// <summary>See <see cref="Replica.Turns"/>; when it was last looked at.</summary>
    public long Turns { get; set; }

    /// <summary>How many operations its disk had failed when this life began.</summary>
    public long FailedBefore { get; set; }

    public Term Term { get; set; }

    public LogIndex Commit { get; set; }

    public LogIndex Applied { get; set; }

    public Role Role { get; set; }

    /// <summary>As a leader.</summary>
    public bool IsSilent { get; set; }

    public EntryId Last { get; set; }

    /// <summary>What its core last took for durable.</summary>
    public LogIndex Durable { get; set; }

    /// <summary>The last index whose entry is in its snapshot only.</summary>
    public LogIndex Compacted { get; set; }

    /// <summary>The terms of its log's entries as last seen, by index; only those after the first one seen in this life
    /// mean anything.</summary>
    public List<Term> Log { get; } = [];

    /// <summary>For whom it voted, by term, as its messages said.</summary>
    public Dictionary<Term, ReplicaId> Votes { get; } = [];

    /// <summary>The newest term that any of its promises was made in.</summary>
    public Term PromisedTerm { get; set; }

    /// <summary>The last entry it acknowledged to the leader of <see cref="AcknowledgedIn"/>.</summary>
    public EntryId Acknowledged { get; set; }

    public Term AcknowledgedIn { get; set; }
}
