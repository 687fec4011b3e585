using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

internal enum QueueRequestKind
{
    /// <summary>A replica's write.</summary>
    Persist,

    /// <summary>A new incarnation of a replica.</summary>
    Open,

    /// <summary>A replica's removal.</summary>
    Retire,

    /// <summary>A replica's own snapshot.</summary>
    RecordSnapshot,

    Formation,

    /// <summary>Nothing to write: completes when all before it is durable.</summary>
    Drain,
}

/// <summary>What is queued for the next flush.</summary>
/// <param name="Snapshot">What goes with the write, or is to be recorded.</param>
/// <param name="Retired">What is to be removed.</param>
/// <param name="Completion">Hears of it, if no observer does.</param>
internal readonly record struct QueueRequest(
    QueueRequestKind Kind, DatabaseReplica? Replica = null, PersistRequest? Persist = null,
    IPersistenceObserver? Observer = null, StoredSnapshot? Snapshot = null, ReadOnlyMemory<byte> Formation = default,
    (GroupId Group, ReplicaId Replica) Retired = default, TaskCompletionSource? Completion = null)
{
    /// <summary>Roughly its share of a flush.</summary>
    public long SizeBytes()
    {
        long bytes = 100 + Formation.Length;
        if (Persist is null) return bytes;
        foreach (ref readonly LogEntry entry in Persist.Entries.Span) bytes += 32 + entry.Payload.Length;
        return bytes;
    }
}
