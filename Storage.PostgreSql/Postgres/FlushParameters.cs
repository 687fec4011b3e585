using System.Runtime.InteropServices;
using Npgsql;
using NpgsqlTypes;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>A flush as the parameters of the function <c>flush</c>: one array per column.</summary>
internal static class FlushParameters
{
    private const NpgsqlDbType Longs = NpgsqlDbType.Array | NpgsqlDbType.Bigint;
    private const NpgsqlDbType Ints = NpgsqlDbType.Array | NpgsqlDbType.Integer;

    private static readonly NpgsqlDbType[] Types =
    [
        NpgsqlDbType.Bigint, NpgsqlDbType.Bigint, Longs, Longs, Longs, Longs, Longs, Longs, Longs, Longs, Longs, Longs,
        Longs, Longs, Longs, Ints, Longs, Ints, Ints, Ints, Longs, Longs, Longs,
        NpgsqlDbType.Array | NpgsqlDbType.Smallint, NpgsqlDbType.Array | NpgsqlDbType.Bytea, Ints, NpgsqlDbType.Bytea,
        NpgsqlDbType.Integer,
    ];

    public static void Declare(NpgsqlParameterCollection parameters)
    {
        foreach (NpgsqlDbType type in Types) parameters.Add(new NpgsqlParameter { NpgsqlDbType = type });
    }

    public static void Fill(NpgsqlParameterCollection parameters, SlotFlush flush)
    {
        IReadOnlyList<DeletedEntries> deleted = flush.Deleted;
        IReadOnlyList<ReplicaRow> rows = flush.Replicas;
        IReadOnlyList<EntryRow> entries = flush.Entries;
        object[] values =
        [
            (long)flush.Incarnation, (long)flush.Number,
            Column(deleted, row => (long)row.Group.Value),
            Column(deleted, row => (long)row.First.Value),
            Column(deleted, row => (long)row.Last.Value),
            Column(rows, row => (long)row.Group.Value),
            Column(rows, row => (long)row.Incarnation),
            Column(rows, row => (long)row.Replica.Value),
            Column(rows, row => (long)row.Removed.Value),
            Column(rows, row => (long)row.HardState.Term.Value),
            Column(rows, row => (long)row.HardState.VotedFor.Value),
            Column(rows, row => (long)row.HardState.Commit.Value),
            Column(rows, row => (long?)row.Snapshot?.File.Last.Index.Value),
            Column(rows, row => (long?)row.Snapshot?.File.Last.Term.Value),
            Column(rows, row => row.Snapshot?.File.LengthBytes),
            Column(rows, row => unchecked((int?)row.Snapshot?.File.Checksum)),
            Column(rows, row => (long?)row.Snapshot?.Key.Incarnation),
            Column(rows, row => row.Snapshot?.Key.Number),
            Column(rows, row => row.Snapshot?.ChunkBytes),
            Column(rows, row => unchecked((int)row.Checksum)),
            Column(entries, row => (long)row.Group.Value),
            Column(entries, row => (long)row.Entry.Index.Value),
            Column(entries, row => (long)row.Entry.Term.Value),
            Column(entries, row => (short)row.Entry.Kind),
            Column(entries, row => ArrayOf(row.Entry.Payload)),
            Column(entries, row => unchecked((int)row.Checksum)),
            flush.Formation is { } formation ? ArrayOf(formation.Data) : DBNull.Value,
            flush.Formation is { } sealedFormation ? unchecked((int)sealedFormation.Checksum) : DBNull.Value,
        ];
        for (int i = 0; i < values.Length; i++) parameters[i].Value = values[i];
    }

    private static TColumn[] Column<TRow, TColumn>(IReadOnlyList<TRow> rows, Func<TRow, TColumn> value)
    {
        var column = new TColumn[rows.Count];
        for (int i = 0; i < column.Length; i++) column[i] = value(rows[i]);
        return column;
    }

    /// <summary>The array itself, where the bytes are all of one.</summary>
    private static byte[] ArrayOf(ReadOnlyMemory<byte> bytes) =>
        MemoryMarshal.TryGetArray(bytes, out ArraySegment<byte> segment) && segment.Array is { } array
            && segment.Offset == 0 && segment.Count == array.Length ? array : bytes.ToArray();
}
