using System.Globalization;
using System.Net.Sockets;
using Npgsql;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>Turns what Npgsql reports into an exception that says what to do.</summary>
internal static class PostgresErrors
{
    /// <summary>The exception as this component's; the same one if it is none of a database.</summary>
    public static Exception From(Exception exception, string slot) => exception switch
    {
        PostgresException postgres => FromServer(postgres, slot),
        NpgsqlException or IOException or SocketException or TimeoutException or OperationCanceledException
            or ObjectDisposedException when exception is not (DatabaseException or CorruptionException) =>
            new DatabaseException(DatabaseFailure.Unavailable,
                $"{slot} does not answer: {Reason(exception)}. Check that the server runs and can be reached.",
                exception),
        _ => exception,
    };

    private static Exception FromServer(PostgresException exception, string slot)
    {
        string said = $"{slot} refused: {exception.SqlState} {exception.MessageText}";
        return exception.SqlState switch
        {
            PostgresErrorCodes.ReadOnlySqlTransaction => new DatabaseException(DatabaseFailure.ReadOnly,
                $"{said}. Let it take writes again (default_transaction_read_only), or fail over.", exception),
            PostgresErrorCodes.DiskFull => new DatabaseException(DatabaseFailure.Full,
                $"{said}. Free space on the server's disk, or enlarge it.", exception),
            PostgresErrorCodes.InvalidSchemaName or PostgresErrorCodes.UndefinedTable
                or PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.UndefinedColumn =>
                Schema(slot, said, exception),
            PostgresErrorCodes.DataCorrupted or PostgresErrorCodes.IndexCorrupted => SlotCorruption.Found(slot,
                exception.TableName ?? "unknown", "unknown", said),
            // Rows that are there already, for example: the tables are not what was written.
            _ when exception.SqlState.StartsWith("23", StringComparison.Ordinal) => SlotCorruption.Found(slot,
                exception.TableName ?? "unknown", exception.Detail ?? "unknown", said),
            // Parameters that make no sense: a defect of this program, which no repetition mends.
            _ when exception.SqlState.StartsWith("22", StringComparison.Ordinal) => exception,
            _ => new DatabaseException(DatabaseFailure.Unavailable, $"{said}. See the server's log.", exception),
        };
    }

    public static DatabaseException Schema(string slot, string found, Exception? inner = null) => new(
        DatabaseFailure.Schema, $"{found}. The tables of {slot} are not there, or not those of this version. Make or "
        + "upgrade them: dotnet run --project Silo -- init-database", inner);

    /// <summary>Throws unless the tables are of the version that this program uses.</summary>
    public static void RequireVersion(string slot, int found, int used)
    {
        if (found == used) return;
        string versions = string.Create(CultureInfo.InvariantCulture,
            $"The tables of {slot} have version {found}, and this program uses version {used}");
        throw new DatabaseException(DatabaseFailure.Schema, found > used
            ? $"{versions}: a newer program has upgraded them; start that one."
            : $"{versions}. Upgrade them: dotnet run --project Silo -- init-database");
    }

    private static string Reason(Exception exception) => exception is NpgsqlException { InnerException: { } inner }
        ? $"{exception.Message.TrimEnd('.')} ({inner.Message.TrimEnd('.')})"
        : exception.Message.TrimEnd('.');
}
