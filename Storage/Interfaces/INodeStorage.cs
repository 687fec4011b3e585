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

    /// <summary>The groups that have state here, in order.</summary>
    IReadOnlyList<GroupId> Groups { get; }

    /// <summary>
    /// Opens the only valid handle to a replica's storage. An older handle to the same group is fenced first: its
    /// writes that reached the log are completed and part of what is recovered; later ones are refused.
    /// </summary>
    ValueTask<IReplicaStorage> OpenReplicaAsync(GroupId group);

    /// <summary>
    /// Dies as a crashed process does: writes queued here are discarded and never reach the disk, every handle is
    /// fenced, no completion comes any more. The directory lock is released.
    /// </summary>
    ValueTask CrashAsync();

    StorageStatus Status { get; }

    /// <summary>Why the storage stopped for good; null while it works. Cheap: read with every tick.</summary>
    Exception? Failure { get; }

    /// <summary>How long the flush under way has taken; zero if none is. Cheap: read with every tick.</summary>
    TimeSpan StalledFor { get; }
}

/// <summary>A node's storage at one moment.</summary>
/// <param name="LogBytes">Size of all log segments on disk.</param>
/// <param name="LiveBytes">Bytes of the log that a restart would need.</param>
/// <param name="SnapshotFiles">Snapshot files that replicas refer to.</param>
/// <param name="StalledFor">How long the flush under way has taken; zero if none is.</param>
/// <param name="Failure">Why the storage stopped for good; null while it works.</param>
public sealed record StorageStatus(
    long LogBytes, long LiveBytes, int SnapshotFiles, TimeSpan StalledFor, Exception? Failure);
