using Npgsql;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>
/// One connection, used by one command at a time, made when it is needed and given up after any failure. Whenever it is
/// made, the server's settings and identity are checked.
/// </summary>
internal sealed class PostgresChannel(PostgresOptions options, string description) : IAsyncDisposable
{
    private readonly SemaphoreSlim _turn = new(1);
    private readonly CancellationTokenSource _closing = new();
    private readonly Dictionary<string, NpgsqlCommand> _prepared = [];
    private readonly SlotSql _sql = new(SlotName.Parse(options.Slot));
    private NpgsqlConnection? _connection;
    private string? _warning;

    /// <summary>Whether the server waits for standbys before it acknowledges.</summary>
    public bool HasStandbys { get; private set; }

    /// <summary>The name under which the server knows all connections to a slot.</summary>
    public static string NameOf(string slot) => $"orleans-raft/{SlotName.Parse(slot)}";

    public static NpgsqlConnection MakeConnection(PostgresOptions options) => new(
        new NpgsqlConnectionStringBuilder(options.ConnectionString)
        {
            ApplicationName = NameOf(options.Slot),
            Pooling = false,
            Enlist = false,
            Timeout = (int)options.ConnectTimeout.TotalSeconds,
            CommandTimeout = (int)options.CommandTimeout.TotalSeconds,
            CancellationTimeout = -1, // A server that does not answer does not answer that either.
        }.ConnectionString);

    public async ValueTask<T> UseAsync<T>(Func<PostgresChannel, CancellationToken, Task<T>> work)
    {
        ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
        CancellationToken closing = _closing.Token;
        bool entered = false;
        try
        {
            await _turn.WaitAsync(closing);
            entered = true;
            if (_connection is null) await ConnectAsync(closing);
            _warning = null;
            T result = await work(this, closing);
            if (_warning is { } warning)
            {
                // For example, that it did not wait for a standby.
                throw new DatabaseException(DatabaseFailure.Unavailable, $"{description} warned: {warning}");
            }
            return result;
        }
        catch (Exception exception)
        {
            if (entered) await DropAsync();
            Exception known = PostgresErrors.From(exception, description);
            if (known == exception) throw;
            throw known;
        }
        finally
        {
            if (entered) _turn.Release();
        }
    }

    /// <summary>A command that the server parses and plans once for each connection.</summary>
    public async Task<NpgsqlCommand> PreparedAsync(string sql, Action<NpgsqlParameterCollection> declare,
        CancellationToken cancellationToken)
    {
        if (_prepared.TryGetValue(sql, out NpgsqlCommand? command)) return command;
        command = Command(sql);
        declare(command.Parameters);
        await command.PrepareAsync(cancellationToken);
        return _prepared[sql] = command;
    }

    public NpgsqlCommand Command(string sql, params object[] values)
    {
        NpgsqlCommand command = _connection!.CreateCommand();
#pragma warning disable CA2100 // It is this program's own, and the schema's name was checked.
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach (object value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        return command;
    }

    public Task<NpgsqlTransaction> BeginAsync(System.Data.IsolationLevel level, CancellationToken cancellationToken) =>
        _connection!.BeginTransactionAsync(level, cancellationToken).AsTask();

    public async ValueTask DisposeAsync()
    {
        if (_closing.IsCancellationRequested) return;
        await _closing.CancelAsync();
        await _turn.WaitAsync(); // What was under way has thrown.
        await DropAsync();
    }

    private async Task ConnectAsync(CancellationToken cancellationToken)
    {
        _connection = MakeConnection(options);
        _connection.Notice += (_, notice) =>
        {
            if (notice.Notice.InvariantSeverity == "WARNING") _warning = notice.Notice.MessageText;
        };
        await _connection.OpenAsync(cancellationToken);
        ServerState server = await ServerState.ReadAsync(_connection, cancellationToken);
        server.RequireSafe(description);
        HasStandbys = server.HasStandbys;
        await using (NpgsqlCommand identity = Command(_sql.Identity))
        await using (NpgsqlDataReader reader = await identity.ExecuteReaderAsync(cancellationToken))
        {
            if (!await reader.ReadAsync(cancellationToken))
                throw PostgresErrors.Schema(description, "The table store is empty");
            PostgresErrors.RequireVersion(description, reader.GetInt32(0), SlotSql.Format);
            server.RequireSame(description, options.Slot, reader.GetInt64(2), reader.GetInt32(3));
        }
        await using NpgsqlCommand pin = Command(SlotSql.Pin);
        await pin.ExecuteNonQueryAsync(cancellationToken);
    }

    private async ValueTask DropAsync()
    {
        foreach (NpgsqlCommand command in _prepared.Values) await command.DisposeAsync();
        _prepared.Clear();
        if (_connection is { } connection) await connection.DisposeAsync();
        _connection = null;
    }
}
