using System.Data;
using Npgsql;
using NpgsqlTypes;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>A slot in PostgreSQL, over three connections: one for flushes, one for confirmations, one for snapshots, so
/// that neither delays another.</summary>
public sealed class PostgresSlotDatabase : ISlotDatabase
{
    private readonly PostgresOptions _options;
    private readonly SlotSql _sql;
    private readonly PostgresChannel _flushes;
    private readonly PostgresChannel _confirmations;
    private readonly PostgresChannel _snapshots;

    /// <summary>Connects to nothing yet.</summary>
    public PostgresSlotDatabase(PostgresOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _sql = new SlotSql(SlotName.Parse(options.Slot));
        Description = Describe(options);
        _flushes = new PostgresChannel(options, Description);
        _confirmations = new PostgresChannel(options, Description);
        _snapshots = new PostgresChannel(options, Description);
    }

    public string Description { get; }

    public async ValueTask<SlotContent> OpenAsync() => await _flushes.UseAsync(async (channel, cancellation) =>
    {
        await using (NpgsqlCommand end = channel.Command(SlotSql.EndOthers, PostgresChannel.NameOf(_options.Slot)))
            await end.ExecuteNonQueryAsync(cancellation);
        long incarnation;
        await using (NpgsqlCommand take = channel.Command(_sql.TakeIncarnation))
            incarnation = (long)(await take.ExecuteScalarAsync(cancellation))!;
        await using NpgsqlTransaction transaction =
            await channel.BeginAsync(IsolationLevel.RepeatableRead, cancellation);
        var reading = new SlotReading(channel, _sql, _options, Description, cancellation);
        SlotContent content = await reading.ReadAsync((ulong)incarnation);
        await transaction.CommitAsync(cancellation);
        return content;
    });

    public async ValueTask DeleteUnrecordedAsync(ulong incarnation) =>
        await _snapshots.UseAsync(async (channel, cancellation) =>
        {
            await using NpgsqlCommand delete = channel.Command(_sql.DeleteUnrecorded, (long)incarnation);
            delete.CommandTimeout = (int)_options.OpenTimeout.TotalSeconds;
            return await delete.ExecuteNonQueryAsync(cancellation);
        });

    public async ValueTask FlushAsync(SlotFlush flush)
    {
        ArgumentNullException.ThrowIfNull(flush);
        int answer = await _flushes.UseAsync(async (channel, cancellation) =>
        {
            NpgsqlCommand command = await channel.PreparedAsync(_sql.Flush, FlushParameters.Declare, cancellation);
            FlushParameters.Fill(command.Parameters, flush);
            return (int)(await command.ExecuteScalarAsync(cancellation))!;
        });
        if (answer == SlotSql.Fenced) throw FencedBy(flush.Incarnation);
        if (answer != SlotSql.Unsafe) return;
        throw new DatabaseException(DatabaseFailure.Unsafe, $"{Description} has fsync, full_page_writes or "
            + "synchronous_commit off since it was opened: what it acknowledges may be lost. Set them to on.");
    }

    public async ValueTask ConfirmAsync(ulong incarnation)
    {
        bool isCurrent = await _confirmations.UseAsync(async (channel, cancellation) =>
        {
            NpgsqlCommand command = await channel.PreparedAsync(
                channel.HasStandbys ? _sql.ConfirmWithStandby : _sql.Confirm,
                parameters => parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Bigint }), cancellation);
            command.Parameters[0].Value = (long)incarnation;
            return await command.ExecuteScalarAsync(cancellation) is not null;
        });
        if (!isCurrent) throw FencedBy(incarnation);
    }

    public async ValueTask WriteChunkAsync(ulong incarnation, SnapshotChunkRow chunk)
    {
        ArgumentNullException.ThrowIfNull(chunk);
        int written = await _snapshots.UseAsync(async (channel, cancellation) =>
        {
            await using NpgsqlCommand command = channel.Command(_sql.WriteChunk, (long)incarnation,
                (long)chunk.Snapshot.Incarnation, chunk.Snapshot.Number, chunk.Number, chunk.Data,
                unchecked((int)chunk.Checksum));
            return await command.ExecuteNonQueryAsync(cancellation);
        });
        if (written == 0) throw FencedBy(incarnation);
    }

    public async ValueTask<SnapshotChunkRow?> ReadChunkAsync(SnapshotKey snapshot, int number) =>
        await _snapshots.UseAsync(async (channel, cancellation) =>
        {
            await using NpgsqlCommand command =
                channel.Command(_sql.ReadChunk, (long)snapshot.Incarnation, snapshot.Number, number);
            await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancellation);
            return await reader.ReadAsync(cancellation)
                ? new SnapshotChunkRow(snapshot, number, reader.GetFieldValue<byte[]>(0),
                    unchecked((uint)reader.GetInt32(1)))
                : null;
        });

    public async ValueTask DeleteSnapshotAsync(ulong incarnation, SnapshotKey snapshot)
    {
        bool isCurrent = await _snapshots.UseAsync(async (channel, cancellation) =>
        {
            await using NpgsqlCommand command = channel.Command(_sql.DeleteSnapshot, (long)incarnation,
                (long)snapshot.Incarnation, snapshot.Number);
            return (long)(await command.ExecuteScalarAsync(cancellation))! > 0;
        });
        if (!isCurrent) throw FencedBy(incarnation);
    }

    public async ValueTask DisposeAsync()
    {
        await _flushes.DisposeAsync();
        await _confirmations.DisposeAsync();
        await _snapshots.DisposeAsync();
    }

    internal static string Describe(PostgresOptions options)
    {
        var builder = new NpgsqlConnectionStringBuilder(options.ConnectionString);
        return $"slot {options.Slot} in database {builder.Database} on {builder.Host}:{builder.Port}";
    }

    private FencedException FencedBy(ulong incarnation) =>
        new($"{Description} was opened again elsewhere: incarnation {incarnation} is no longer the current one.");
}
