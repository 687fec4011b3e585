using Npgsql;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>Reads all that a slot holds, within one transaction.</summary>
internal sealed class SlotReading(PostgresChannel channel, SlotSql sql, PostgresOptions options, string description,
    CancellationToken cancellation)
{
    public async Task<SlotContent> ReadAsync(ulong incarnation)
    {
        ulong lastFlush = 0;
        await ForEachAsync(sql.ReadOpening, row =>
        {
            lastFlush = (ulong)row.GetInt64(1);
            if ((ulong)row.GetInt64(0) != incarnation)
                throw new DatabaseException(DatabaseFailure.Unavailable,
                    $"{description} was opened elsewhere meanwhile.");
        });
        StoreId store = default;
        await ForEachAsync(sql.Identity, row =>
        {
            // They may have been upgraded since this connection was made.
            PostgresErrors.RequireVersion(description, row.GetInt32(0), SlotSql.Format);
            store = new StoreId(row.GetGuid(1));
        });
        FormationRow? formation = null;
        await ForEachAsync(sql.ReadFormation, row =>
            formation = new FormationRow(row.GetFieldValue<byte[]>(0), unchecked((uint)row.GetInt32(1))));
        var replicas = new List<ReplicaRow>();
        await ForEachAsync(sql.ReadReplicas, row => replicas.Add(ReplicaOf(row)));
        var entries = new List<EntryRow>();
        await ForEachAsync(sql.ReadEntries, row => entries.Add(EntryOf(row)));
        var chunks = new Dictionary<SnapshotKey, (long, long)>();
        await ForEachAsync(sql.ReadChunkCounts, row =>
            chunks[new SnapshotKey((ulong)row.GetInt64(0), row.GetInt32(1))] = (row.GetInt64(2), row.GetInt64(3)));
        return new SlotContent(store, incarnation, lastFlush, formation, replicas, entries, chunks);
    }

    private static ReplicaRow ReplicaOf(NpgsqlDataReader row)
    {
        var group = new GroupId((uint)row.GetInt64(0));
        var replica = new ReplicaId((ulong)row.GetInt64(2));
        StoredSnapshot? snapshot = null;
        if (!row.IsDBNull(7))
        {
            var last = new EntryId(new Term((ulong)row.GetInt64(8)), new LogIndex((ulong)row.GetInt64(7)));
            snapshot = new StoredSnapshot(
                new SnapshotFile(group, replica, last, row.GetInt64(9), unchecked((uint)row.GetInt32(10))),
                new SnapshotKey((ulong)row.GetInt64(11), row.GetInt32(12)), row.GetInt32(13));
        }
        var hardState = new HardState(new Term((ulong)row.GetInt64(4)), new ReplicaId((ulong)row.GetInt64(5)),
            new LogIndex((ulong)row.GetInt64(6)));
        return new ReplicaRow(group, (ulong)row.GetInt64(1), replica, new ReplicaId((ulong)row.GetInt64(3)), hardState,
            snapshot, unchecked((uint)row.GetInt32(14)));
    }

    private static EntryRow EntryOf(NpgsqlDataReader row) => new(new GroupId((uint)row.GetInt64(0)),
        new LogEntry(new Term((ulong)row.GetInt64(2)), new LogIndex((ulong)row.GetInt64(1)),
            (EntryKind)row.GetInt16(3), row.GetFieldValue<byte[]>(4)), unchecked((uint)row.GetInt32(5)));

    private async Task ForEachAsync(string text, Action<NpgsqlDataReader> take)
    {
        await using NpgsqlCommand command = channel.Command(text);
        command.CommandTimeout = (int)options.OpenTimeout.TotalSeconds;
        await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation)) take(reader);
    }
}
