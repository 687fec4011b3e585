using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

internal enum LogRequestKind
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

/// <summary>What is queued for the log.</summary>
/// <param name="Snapshot">The file that goes with the write, or is to be recorded.</param>
/// <param name="Retired">What is to be removed.</param>
/// <param name="Completion">Hears of it, if no observer does.</param>
internal readonly record struct LogRequest(
    LogRequestKind Kind, ReplicaStorage? Replica = null, PersistRequest? Persist = null,
    IPersistenceObserver? Observer = null,
    SnapshotFile? Snapshot = null, ReadOnlyMemory<byte> Formation = default, (GroupId Group, ReplicaId Replica) Retired = default,
    TaskCompletionSource? Completion = null)
{
    /// <summary>Bytes of its records; at most, if entries turn out to be covered by a snapshot.</summary>
    public long SizeBytes() => Kind switch
    {
        LogRequestKind.Persist => (Persist!.HardState is null && Snapshot is null ? 0 : LogFormat.MetaBytes)
            + LogFormat.EntriesBytes(Persist.Entries.Span),
        LogRequestKind.Open or LogRequestKind.Retire or LogRequestKind.RecordSnapshot => LogFormat.MetaBytes,
        LogRequestKind.Formation => LogFormat.FormationHeaderBytes + Formation.Length,
        _ => 0,
    };
}
