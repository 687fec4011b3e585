using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>What a node gives to whoever opens its storage; see <see cref="NodeStorage.OpenOwnedAsync"/> for the storage
/// in a data directory.</summary>
public sealed record StorageContext
{
    /// <summary>Where all asynchronous work of the storage runs.</summary>
    public required TaskScheduler Scheduler { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Makes the identity of a new store: random, never the same twice.</summary>
    public required Func<Guid> NewStoreId { get; init; }

    /// <summary>See <see cref="NodeStorageOptions.SegmentBytes"/>; of no concern to storage without segments.</summary>
    public required int LogSegmentBytes { get; init; }

    public required ILogger Logger { get; init; }

    /// <summary>Deliberate bugs, for tests that must find them. None.</summary>
    internal FaultPoints Faults { get; init; }
}
