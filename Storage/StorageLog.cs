using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>What this component writes to the program's log.</summary>
internal static partial class StorageLog
{
    [LoggerMessage(1, LogLevel.Information,
        "Opened {Directory}: store {Store}, {Groups} groups, {Segments} log segments, next batch {Sequence}")]
    public static partial void Opened(
        this ILogger logger, string directory, StoreId store, int groups, int segments, ulong sequence);

    [LoggerMessage(2, LogLevel.Warning,
        "The log ended in an unfinished batch: cut {Path} at {OffsetBytes}. Writes that were never "
        + "acknowledged are gone")]
    public static partial void TornTailCut(this ILogger logger, string path, long offsetBytes);

    [LoggerMessage(3, LogLevel.Critical, "Storage {Directory} failed for good and acknowledges nothing any more")]
    public static partial void Failed(this ILogger logger, Exception failure, string directory);

    [LoggerMessage(4, LogLevel.Critical, "Refused a write of {Group}: its replica is stopped")]
    public static partial void ReplicaRefused(this ILogger logger, Exception failure, GroupId group);

    [LoggerMessage(5, LogLevel.Critical, "An observer of {Group} failed when told that the storage failed")]
    public static partial void ObserverFailed(this ILogger logger, Exception failure, GroupId group);

    [LoggerMessage(9, LogLevel.Critical, "An observer of {Group} failed when told of a write: its replica is stopped")]
    public static partial void ObserverBroke(this ILogger logger, Exception failure, GroupId group);

    [LoggerMessage(8, LogLevel.Information, "Removed {Group} {Replica} from {Directory} for good")]
    public static partial void Retired(this ILogger logger, GroupId group, ReplicaId replica, string directory);

    [LoggerMessage(6, LogLevel.Debug, "Log segment {Path} is no longer needed")]
    public static partial void SegmentReleased(this ILogger logger, string path);
}
