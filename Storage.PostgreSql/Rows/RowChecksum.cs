using System.Buffers.Binary;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>
/// CRC-32C of a row: of the store's id, the row's key and all its fields, so that no row passes for another's or
/// another store's.
/// </summary>
internal readonly struct RowChecksum
{
    private readonly uint _seed;

    public RowChecksum(StoreId store)
    {
        Span<byte> bytes = stackalloc byte[16];
        store.Value.TryWriteBytes(bytes);
        _seed = Crc32C.Compute(bytes);
    }

    public EntryRow Seal(GroupId group, in LogEntry entry) => new(group, entry, Of(group, entry));

    public ReplicaRow Seal(ReplicaRow row) => row with { Checksum = Of(row) };

    public FormationRow SealFormation(ReadOnlyMemory<byte> data) => new(data, Crc32C.Append(_seed, data.Span));

    public SnapshotChunkRow Seal(SnapshotKey snapshot, int number, ReadOnlyMemory<byte> data) =>
        new(snapshot, number, data, Of(snapshot, number, data.Span));

    public bool IsRight(in EntryRow row) => row.Checksum == Of(row.Group, row.Entry);

    public bool IsRight(ReplicaRow row) => row.Checksum == Of(row);

    public bool IsRight(FormationRow row) => row.Checksum == Crc32C.Append(_seed, row.Data.Span);

    public bool IsRight(SnapshotChunkRow row) => row.Checksum == Of(row.Snapshot, row.Number, row.Data.Span);

    private uint Of(GroupId group, in LogEntry entry)
    {
        Span<byte> key = stackalloc byte[4 + 8 + 8 + 1];
        BinaryPrimitives.WriteUInt32LittleEndian(key, group.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(key[4..], entry.Index.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(key[12..], entry.Term.Value);
        key[20] = (byte)entry.Kind;
        return Crc32C.Append(Crc32C.Append(_seed, key), entry.Payload.Span);
    }

    private uint Of(SnapshotKey snapshot, int number, ReadOnlySpan<byte> data)
    {
        Span<byte> key = stackalloc byte[8 + 4 + 4];
        BinaryPrimitives.WriteUInt64LittleEndian(key, snapshot.Incarnation);
        BinaryPrimitives.WriteInt32LittleEndian(key[8..], snapshot.Number);
        BinaryPrimitives.WriteInt32LittleEndian(key[12..], number);
        return Crc32C.Append(Crc32C.Append(_seed, key), data);
    }

    private uint Of(ReplicaRow row)
    {
        Span<byte> fields = stackalloc byte[15 * 8];
        fields.Clear();
        SnapshotFile? file = row.Snapshot?.File;
        ReadOnlySpan<ulong> values =
        [
            row.Group.Value, row.Incarnation, row.Replica.Value, row.Removed.Value, row.HardState.Term.Value,
            row.HardState.VotedFor.Value, row.HardState.Commit.Value, file is null ? 0u : 1u,
            file?.Last.Index.Value ?? 0, file?.Last.Term.Value ?? 0, (ulong)(file?.LengthBytes ?? 0),
            file?.Checksum ?? 0, row.Snapshot?.Key.Incarnation ?? 0, (ulong)(row.Snapshot?.Key.Number ?? 0),
            (ulong)(row.Snapshot?.ChunkBytes ?? 0),
        ];
        for (int i = 0; i < values.Length; i++) BinaryPrimitives.WriteUInt64LittleEndian(fields[(8 * i)..], values[i]);
        return Crc32C.Append(_seed, fields);
    }
}
