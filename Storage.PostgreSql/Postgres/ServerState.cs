using System.Globalization;
using Npgsql;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>What a server says of itself when a connection is made.</summary>
/// <param name="SystemIdentifier">Made by <c>initdb</c>; a restored dump lives under another one.</param>
/// <param name="Timeline">Grows when a standby is promoted, or an older state is recovered.</param>
internal sealed record ServerState(
    string Fsync, string FullPageWrites, string SynchronousCommit, string StandbyNames, bool IsInRecovery,
    string ReadOnly, long SystemIdentifier, int Timeline)
{
    public bool HasStandbys => StandbyNames.Trim().Length > 0;

    public static async Task<ServerState> ReadAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using NpgsqlCommand command = connection.CreateCommand();
        command.CommandText = SlotSql.Settings;
        await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return new ServerState(reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetString(3),
            reader.GetBoolean(4), reader.GetString(5), reader.GetInt64(6), reader.GetInt32(7));
    }

    /// <summary>Throws unless what this server acknowledges is durable.</summary>
    public void RequireSafe(string slot)
    {
        if (IsInRecovery)
        {
            throw new DatabaseException(DatabaseFailure.ReadOnly,
                $"{slot} is a standby, or still recovering. Connect to the primary server.");
        }
        RequireOn(slot, "fsync", Fsync);
        RequireOn(slot, "full_page_writes", FullPageWrites);
        if (SynchronousCommit == "off") RequireOn(slot, "synchronous_commit", SynchronousCommit);
        if (HasStandbys && SynchronousCommit is "local" or "remote_write")
        {
            throw new DatabaseException(DatabaseFailure.Unsafe,
                $"{slot} has synchronous standbys, but synchronous_commit is {SynchronousCommit}: after a failover, "
                + "writes that were acknowledged would be missing. Set it to on or remote_apply.");
        }
        if (ReadOnly == "on")
        {
            throw new DatabaseException(DatabaseFailure.ReadOnly, $"{slot} takes no writes: "
                + "default_transaction_read_only is on. Set it to off.");
        }
    }

    /// <summary>Throws unless this is the server that the slot was last written to.</summary>
    public void RequireSame(string slot, string name, long systemIdentifier, int timeline)
    {
        if ((SystemIdentifier, Timeline) == (systemIdentifier, timeline)) return;
        string changed = SystemIdentifier != systemIdentifier
            ? $"another server (system identifier {Text((ulong)SystemIdentifier)} instead of "
                + $"{Text((ulong)systemIdentifier)})"
            : $"a promoted or restored one (timeline {Text(Timeline)} instead of {Text(timeline)})";
        throw new DatabaseException(DatabaseFailure.Identity, $"{slot} is now on {changed}. It may lack writes "
            + "that were acknowledged, and must not vote as if it had them. Only if it is a synchronous standby that has taken "
            + $"over, or lost nothing for another reason: dotnet run --project Silo -- accept-database {name}; "
            + "otherwise replace this slot.");
    }

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);

    private static void RequireOn(string slot, string setting, string value)
    {
        if (value == "on") return;
        throw new DatabaseException(DatabaseFailure.Unsafe, $"{slot} has {setting} = {value}: what it acknowledges may "
            + $"be lost when its machine fails. Set {setting} to on in postgresql.conf, for this database "
            + "and for this role.");
    }
}
