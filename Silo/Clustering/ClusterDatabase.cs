using Npgsql;

namespace Orleans.Raft.Silo;

/// <summary>
/// The database that silos find each other through: creates, upgrades and checks what Orleans' ADO.NET providers need
/// there. Each step is one transaction, and who comes second waits for the first, so that any number may do so at once.
/// </summary>
internal sealed class ClusterDatabase(string connectionString, IReadOnlyList<string>? steps = null)
{
    /// <summary>What Npgsql calls itself to Orleans.</summary>
    public const string Invariant = "Npgsql";

    /// <summary>What is said to an operator who has to prepare the database.</summary>
    public const string Command = "dotnet run --project Silo -- init-database --database ...";

    /// <summary>Any number, the same for all who change the schema.</summary>
    private const long LockKey = 0x4f52_5363_6865_6d61;

    private const string Part = "orleans";

    private readonly IReadOnlyList<string> _steps = steps ?? [ReadStep("orleans-1.sql")];

    /// <summary>Says where the database is, without a password.</summary>
    public string Place { get; } = Describe(new NpgsqlConnectionStringBuilder(connectionString));

    /// <summary>Creates the schema, or brings it up to date, and checks it.</summary>
    /// <returns>What was done, in words.</returns>
    /// <exception cref="ClusterDatabaseException">The database cannot be reached or used; nothing was changed.</exception>
    public Task<string> PrepareAsync(CancellationToken cancellationToken) => GuardAsync(async () =>
    {
        await using NpgsqlConnection connection = await OpenAsync(cancellationToken);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancellationToken);
        await ExecuteAsync(connection, $"select pg_advisory_xact_lock({LockKey})", cancellationToken);
        await ExecuteAsync(connection, "create table if not exists orleans_raft_schema "
            + "(part text primary key, version integer not null)", cancellationToken);
        int found = await ReadVersionAsync(connection, cancellationToken);
        RefuseNewer(found);
        if (found == 0) await RefuseForeignAsync(connection, cancellationToken);
        foreach (string step in _steps.Skip(found)) await ExecuteAsync(connection, step, cancellationToken);
        await ExecuteAsync(connection, $"insert into orleans_raft_schema values ('{Part}', {_steps.Count}) "
            + "on conflict (part) do update set version = excluded.version", cancellationToken);
        await CheckQueriesAsync(connection, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return found == _steps.Count ? $"{Place}: the schema is up to date (version {found})."
            : found == 0 ? $"{Place}: the schema was created (version {_steps.Count})."
            : $"{Place}: the schema was upgraded from version {found} to {_steps.Count}.";
    });

    /// <summary>Makes sure that silos can use the database as it is.</summary>
    /// <exception cref="ClusterDatabaseException">They cannot; the message says what to do.</exception>
    public Task CheckAsync(CancellationToken cancellationToken) => GuardAsync(async () =>
    {
        await using NpgsqlConnection connection = await OpenAsync(cancellationToken);
        bool exists = await ReadAsync<bool>(connection, "select to_regclass('orleans_raft_schema') is not null",
            cancellationToken);
        int found = exists ? await ReadVersionAsync(connection, cancellationToken) : 0;
        RefuseNewer(found);
        if (found < _steps.Count)
            throw new ClusterDatabaseException($"{Place} has {(found == 0 ? "no schema" : $"schema version {found}")}, "
                + $"and this program needs version {_steps.Count}: run {Command}");
        await CheckQueriesAsync(connection, cancellationToken);
        return true;
    });

    private static string ReadStep(string name)
    {
        using Stream stream = typeof(ClusterDatabase).Assembly.GetManifestResourceStream($"Schema.{name}")
            ?? throw new InvalidOperationException($"{name} is not part of this program.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static string Describe(NpgsqlConnectionStringBuilder place) =>
        $"database {(string.IsNullOrEmpty(place.Database) ? "(the user's)" : place.Database)} at {place.Host}:{place.Port}";

    private async Task<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(connectionString);
        try
        {
            await connection.OpenAsync(cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private async Task<T> GuardAsync<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (NpgsqlException failure)
        {
            string reason = failure is PostgresException refused ? $"{refused.MessageText} ({refused.SqlState})"
                : failure.InnerException?.Message ?? failure.Message;
            throw new ClusterDatabaseException($"{Place} cannot be used: {reason}. Check that it runs and what "
                + "--database (OrleansRaft:Database) says.", failure);
        }
    }

    private void RefuseNewer(int found)
    {
        if (found > _steps.Count)
            throw new ClusterDatabaseException($"{Place} has schema version {found}, and this program knows none later "
                + $"than {_steps.Count}: a newer program has upgraded it; start that one.");
    }

    /// <summary>Tables of Orleans' own scripts hold another application's cluster.</summary>
    private async Task RefuseForeignAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (await ReadAsync<bool>(connection, "select to_regclass('orleansquery') is not null", cancellationToken))
            throw new ClusterDatabaseException($"{Place} has a table OrleansQuery that this program did not make; give "
                + "the cluster a database of its own, or a schema by 'Search Path=...' in --database.");
    }

    /// <summary>What the providers would read is what the steps wrote.</summary>
    private async Task CheckQueriesAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        string[] missing = [.. RequiredQueries.Except(await ReadQueriesAsync(connection, cancellationToken))];
        if (missing.Length > 0)
            throw new ClusterDatabaseException($"{Place} lacks {string.Join(", ", missing)} in table OrleansQuery, which "
                + "its schema version says it has: somebody changed it. Restore it, or drop the tables orleansquery and "
                + $"orleans_raft_* while no silo runs and run {Command}");
    }

    /// <summary>What Orleans' providers for clustering and grain storage ask for.</summary>
    private static readonly string[] RequiredQueries =
    [
        "CleanupDefunctSiloEntriesKey", "ClearStorageKey", "DeleteMembershipTableEntriesKey", "DeleteStorageKey",
        "GatewaysQueryKey", "InsertMembershipKey", "InsertMembershipVersionKey", "MembershipReadAllKey",
        "MembershipReadRowKey", "ReadFromStorageKey", "UpdateIAmAlivetimeKey", "UpdateMembershipKey",
        "WriteToStorageKey",
    ];

    private static async Task<List<string>> ReadQueriesAsync(NpgsqlConnection connection,
        CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select querykey from orleansquery", connection);
        await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancellationToken);
        var keys = new List<string>();
        while (await reader.ReadAsync(cancellationToken)) keys.Add(reader.GetString(0));
        return keys;
    }

    private static Task<int> ReadVersionAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        ReadAsync<int>(connection,
            $"select coalesce((select version from orleans_raft_schema where part = '{Part}'), 0)", cancellationToken);

    private static async Task<T> ReadAsync<T>(NpgsqlConnection connection, string query,
        CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(query, connection);
        return (T)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    // The texts are this program's own, of which none takes anything from outside.
#pragma warning disable CA2100
    private static async Task ExecuteAsync(NpgsqlConnection connection, string text, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(text, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
#pragma warning restore CA2100
}

/// <summary>The database of the cluster cannot be used; the message says what to do.</summary>
internal sealed class ClusterDatabaseException(string message, Exception? inner = null)
    : InvalidOperationException(message, inner);
