using Npgsql;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>Makes, upgrades and checks the tables of a slot; what an operator's commands call.</summary>
public sealed class SlotSchema
{
    private readonly PostgresOptions _options;
    private readonly SlotSql _sql;
    private readonly IReadOnlyList<string> _steps;

    public SlotSchema(PostgresOptions options)
        : this(options, [])
    {
    }

    /// <param name="moreSteps">What follows the steps of this program.</param>
    internal SlotSchema(PostgresOptions options, IReadOnlyList<string> moreSteps)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _sql = new SlotSql(SlotName.Parse(options.Slot));
        _steps = [.. _sql.Steps, .. moreSteps];
        Description = PostgresSlotDatabase.Describe(options);
    }

    /// <summary>Names database and slot, for messages.</summary>
    public string Description { get; }

    /// <summary>
    /// Makes the slot's tables, or brings older ones up to date, in one transaction; changes nothing if they are
    /// current. Any number may do so at once. Whoever has the slot open while its tables are upgraded is fenced.
    /// </summary>
    /// <param name="newStoreId">Makes the identity of a new slot: random, never the same twice.</param>
    /// <returns>What was done, in words.</returns>
    /// <exception cref="DatabaseException">The database does not answer, refuses, or has newer tables; nothing was
    /// changed.</exception>
    public Task<string> PrepareAsync(Func<Guid> newStoreId) => ConnectedAsync(async connection =>
    {
        ArgumentNullException.ThrowIfNull(newStoreId);
        ServerState server = await ServerState.ReadAsync(connection, default);
        server.RequireSafe(Description);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync();
        await ExecuteAsync(connection, SlotSql.LockTables, PostgresChannel.NameOf(_options.Slot));
        int found = await ReadFormatAsync(connection) ?? 0;
        if (found == _steps.Count) return $"{Description}: the tables are up to date (version {found}).";
        if (found > _steps.Count) RequireCurrent(found);
        // Before all else, as a flush does: neither waits for the other in a circle.
        if (found > 0) await ExecuteAsync(connection, _sql.TakeIncarnation);
        foreach (string step in _steps.Skip(found)) await ExecuteAsync(connection, step);
        if (found == 0)
        {
            await ExecuteAsync(connection, _sql.InsertStore, _steps.Count, newStoreId(), server.SystemIdentifier,
                server.Timeline);
        }
        else
        {
            await ExecuteAsync(connection, _sql.WriteFormat, _steps.Count);
        }
        await transaction.CommitAsync();
        return found == 0 ? $"{Description}: the tables were made (version {_steps.Count})."
            : $"{Description}: the tables were upgraded from version {found} to {_steps.Count}.";
    });

    /// <summary>Throws unless the slot's tables are there and of this program's version.</summary>
    /// <exception cref="DatabaseException">They are not, or the database does not answer.</exception>
    public Task CheckAsync() => ConnectedAsync(async connection =>
    {
        if (await ReadFormatAsync(connection) is not { } format)
            throw PostgresErrors.Schema(Description, $"There is no slot {_options.Slot}");
        RequireCurrent(format);
        return true;
    });

    /// <summary>
    /// Takes the server as it is now for that of the slot: an operator's word that it lacks nothing that was
    /// acknowledged. Returns what it was and is, for the operator to read.
    /// </summary>
    public Task<string> AcceptAsync() => ConnectedAsync(async connection =>
    {
        ServerState server = await ServerState.ReadAsync(connection, default);
        server.RequireSafe(Description);
        if (await ReadFormatAsync(connection) is not { } format)
            throw PostgresErrors.Schema(Description, $"There is no slot {_options.Slot}");
        RequireCurrent(format);
        await ExecuteAsync(connection, _sql.Accept, server.SystemIdentifier, server.Timeline);
        return $"{Description}: accepted system identifier {(ulong)server.SystemIdentifier}, "
            + $"timeline {server.Timeline}";
    });

    /// <summary>Removes the slot and all it holds, for good.</summary>
    public Task DropAsync() => ConnectedAsync(async connection =>
    {
        await ExecuteAsync(connection, _sql.Drop);
        return true;
    });

    /// <summary>It may wait for another that does the same, and have much to rewrite.</summary>
    private async Task ExecuteAsync(NpgsqlConnection connection, string sql, params object[] values)
    {
        await using NpgsqlCommand command = MakeCommand(connection, sql, values);
        command.CommandTimeout = (int)_options.OpenTimeout.TotalSeconds;
        await command.ExecuteNonQueryAsync();
    }

    private static NpgsqlCommand MakeCommand(NpgsqlConnection connection, string sql, params object[] values)
    {
        NpgsqlCommand command = connection.CreateCommand();
#pragma warning disable CA2100 // It is this program's own, and the schema's name was checked.
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach (object value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        return command;
    }

    private async Task<int?> ReadFormatAsync(NpgsqlConnection connection)
    {
        await using NpgsqlCommand exists = MakeCommand(connection, SlotSql.SchemaExists, SlotName.Parse(_options.Slot));
        if ((long)(await exists.ExecuteScalarAsync())! == 0) return null;
        await using NpgsqlCommand format = MakeCommand(connection, _sql.ReadFormat);
        return await format.ExecuteScalarAsync() as int?
            ?? throw PostgresErrors.Schema(Description, "The table store is empty");
    }

    private void RequireCurrent(int found) => PostgresErrors.RequireVersion(Description, found, _steps.Count);

    private async Task<T> ConnectedAsync<T>(Func<NpgsqlConnection, Task<T>> work)
    {
        await using NpgsqlConnection connection = PostgresChannel.MakeConnection(_options);
        try
        {
            await connection.OpenAsync();
            return await work(connection);
        }
        catch (Exception exception)
        {
            Exception known = PostgresErrors.From(exception, Description);
            if (known == exception) throw;
            throw known;
        }
    }
}
