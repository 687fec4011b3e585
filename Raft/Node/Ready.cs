namespace Orleans.Raft.Core;

/// <summary>A message to send.</summary>
public readonly record struct OutboundMessage(ReplicaId To, RaftMessage Message);

/// <summary>A read that may be served as soon as <paramref name="Index"/> is applied.</summary>
public readonly record struct ReadReady(ulong RequestId, LogIndex Index);

/// <summary>One numbered write to a replica's storage; atomic: after a crash all of it is there or none.</summary>
/// <param name="Number">Grows by one per write; completions come in this order.</param>
/// <param name="HardState">Replaces the stored one; null leaves it.</param>
/// <param name="Snapshot">Replaces everything up to it, and the whole log: the driver has received its file. Null:
/// none.</param>
/// <param name="Entries">Contiguous. The first one truncates whatever the stored log has from its index on. May be
/// empty.</param>
public sealed record PersistRequest(
    ulong Number, HardState? HardState, EntryId? Snapshot, ReadOnlyMemory<LogEntry> Entries);

/// <summary>
/// All that a <c>RaftNode</c> wants done since the last one was taken. Everything in it may be done at once and in any
/// order, except that writes reach the storage in the order of their numbers: what must wait for the disk is kept in
/// the node until <c>RaftNode.PersistCompleted</c>. The instance is reused: read it before the node's next input.
/// </summary>
public sealed class Ready
{
    public List<OutboundMessage> Messages { get; } = [];

    /// <summary>The write to submit, or null.</summary>
    public PersistRequest? Write { get; internal set; }

    public List<ReadReady> ReadsReady { get; } = [];

    /// <summary>Reads that cannot be served because leadership was lost or the leader refused; their callers may
    /// retry.</summary>
    public List<ulong> ReadsFailed { get; } = [];

    /// <summary>Followers that need a snapshot. The driver sends it and reports the end by
    /// <c>RaftNode.ReportSnapshotEnded</c>, whether it arrived or not.</summary>
    public List<ReplicaId> SnapshotsToSend { get; } = [];

    /// <summary>A read round this leader itself has to confirm, after checking that its storage is still its own; 0 if
    /// none.</summary>
    public ulong RoundToConfirm { get; internal set; }

    /// <summary>The configuration in force, if it is another than before, or was committed since; else
    /// null.</summary>
    public ConfigurationInForce? Configuration { get; internal set; }

    internal void Clear()
    {
        Messages.Clear();
        Write = null;
        ReadsReady.Clear();
        ReadsFailed.Clear();
        SnapshotsToSend.Clear();
        RoundToConfirm = 0;
        Configuration = null;
    }
}

/// <param name="Index">Where it was appended, or what the replica's snapshot covers.</param>
/// <param name="IsCommitted">Whether this replica knows that it is; else a new leader may still undo it.</param>
public sealed record ConfigurationInForce(Configuration Configuration, LogIndex Index, bool IsCommitted);

/// <summary>What became of a proposal.</summary>
public enum ProposeOutcome
{
    Appended,

    /// <summary>This replica does not lead; nothing was appended.</summary>
    NotLeader,

    /// <summary>A bound is reached, or leadership is being transferred; nothing was appended.</summary>
    Busy,
}
