using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>
/// All durable state of one node: its identity, its formation record, and one storage per replica, all writing to one
/// shared log. Members may be called from any thread; completions run on the caller's scheduler.
/// </summary>
public interface INodeStorage : IAsyncDisposable
{
    /// <summary>The random identity of this data directory, made when it was created.</summary>
    StoreId StoreId { get; }

    /// <summary>What <see cref="WriteFormationAsync"/> wrote; null before the cluster formed. Opaque here.</summary>
    ReadOnlyMemory<byte>? Formation { get; }

    /// <summary>Records the formation once, durably; throws if one is recorded already.</summary>
    ValueTask WriteFormationAsync(ReadOnlyMemory<byte> formation);

    /// <summary>Records a later form of the formation in place of the one before, durably; throws if none is
    /// recorded.</summary>
    ValueTask RewriteFormationAsync(ReadOnlyMemory<byte> formation);

    /// <summary>The groups of which something is kept here, in order; a removed replica's, too.</summary>
    IReadOnlyList<StoredReplica> Replicas { get; }

    /// <summary>What is kept here of one group; nothing has neither a replica nor a removed one.</summary>
    StoredReplica FindReplica(GroupId group);

    /// <summary>
    /// Opens the only valid handle to a replica's storage. An older handle to the same group is fenced first: its
    /// writes that reached the log are completed and part of what is recovered; later ones are refused.
    /// </summary>
    /// <exception cref="ReplicaRefusedException">That replica was removed from here, or another one's state is here.
    /// Nothing was changed, and no handle was fenced.</exception>
    ValueTask<IReplicaStorage> OpenReplicaAsync(GroupId group, ReplicaId replica);

    /// <summary>
    /// Removes this node's replica of a group for good, and with it any of a lower id: fences its handle and drops its
    /// entries, hard state and snapshot. When it returns, that is durable, and no such id is ever opened here again.
    /// Open readers keep the snapshot's file until they are disposed. May be repeated.
    /// </summary>
    ValueTask RetireReplicaAsync(GroupId group, ReplicaId replica);

    /// <summary>Whether another opening of this storage may have taken over unnoticed, so that a read round must ask by
    /// <see cref="ConfirmAsync"/>. False where a lock rules that out.</summary>
    bool NeedsConfirming { get; }

    /// <summary>Completes when it is certain that at some moment after the call this was still the only valid opening
    /// of the node's storage. Calls that wait share one question.</summary>
    /// <exception cref="FencedException">It is not; nothing that waits for this may be answered.</exception>
    ValueTask ConfirmAsync();

    /// <summary>
    /// Dies as a crashed process does: writes queued here are discarded and never reach the disk, every handle is
    /// fenced, no completion comes any more. The directory lock is released.
    /// </summary>
    ValueTask CrashAsync();

    StorageStatus Status { get; }

    /// <summary>Why the storage stopped for good; null while it works. Cheap: read with every tick.</summary>
    Exception? Failure { get; }

    /// <summary>How long the flush under way has taken, or what <see cref="ConfirmAsync"/> asks, if that is longer;
    /// zero if neither is. Cheap: read with every tick.</summary>
    TimeSpan StalledFor { get; }

    /// <summary>Who does not answer while <see cref="StalledFor"/> grows, and why, for people and without secrets; null
    /// if nobody is asked, or the node's own disk.</summary>
    string? WaitsFor => null;
}

/// <summary>What a node's storage keeps of one group.</summary>
/// <param name="Replica">The replica whose state is here; none if there is none.</param>
/// <param name="Removed">The highest id of a replica that was here and was removed; none if none was.</param>
/// <param name="Snapshot">The snapshot recorded last; null if none.</param>
public readonly record struct StoredReplica(GroupId Group, ReplicaId Replica, ReplicaId Removed, SnapshotFile? Snapshot)
{
    /// <summary>Whether a replica may be opened: it was not removed, and no other one's state is here.</summary>
    public bool MayOpen(ReplicaId replica) => replica > Removed && (Replica.IsNone || Replica == replica);
}

/// <summary>A node's storage at one moment.</summary>
/// <param name="LogBytes">Size of all log segments on disk.</param>
/// <param name="LiveBytes">Bytes of the log that a restart would need.</param>
/// <param name="SnapshotFiles">Snapshot files that replicas refer to.</param>
/// <param name="StalledFor">See <see cref="INodeStorage.StalledFor"/>.</param>
/// <param name="Failure">Why the storage stopped for good; null while it works.</param>
public sealed record StorageStatus(
    long LogBytes, long LiveBytes, int SnapshotFiles, TimeSpan StalledFor, Exception? Failure);
