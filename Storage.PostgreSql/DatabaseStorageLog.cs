using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>What this component writes to the program's log.</summary>
internal static partial class DatabaseStorageLog
{
    [LoggerMessage(1, LogLevel.Information,
        "Opened {Slot}: store {Store}, incarnation {Incarnation}, {Groups} groups, last flush {Flush}")]
    public static partial void SlotOpened(
        this ILogger logger, string slot, StoreId store, ulong incarnation, int groups, ulong flush);

    [LoggerMessage(2, LogLevel.Warning, "{Slot} does not take what it is asked; it is asked again: {Trouble}")]
    public static partial void Troubled(this ILogger logger, string slot, string trouble);

    [LoggerMessage(3, LogLevel.Information, "{Slot} takes what it is asked again")]
    public static partial void TroubleEnded(this ILogger logger, string slot);

    [LoggerMessage(4, LogLevel.Critical, "Storage {Slot} failed for good and acknowledges nothing any more")]
    public static partial void SlotFailed(this ILogger logger, Exception failure, string slot);

    [LoggerMessage(5, LogLevel.Warning, "{Slot} was opened elsewhere: this opening ends. {Reason}")]
    public static partial void SlotTaken(this ILogger logger, string slot, string reason);
}
