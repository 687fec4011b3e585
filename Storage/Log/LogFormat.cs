using System.Buffers.Binary;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>
/// The bytes of a log segment, version 2, little-endian: a <see cref="FileHeader"/> with segment id (8) and store id
/// (16), then batches, each at a multiple of 8: magic (4), checksum (4) of all that follows, segment id (8), sequence
/// (8), first segment still needed (8), body length (4), flags (4), body. The checksum starts from the store id, so
/// that no other store's batch and no value that looks like a batch is ever taken for one.
/// </summary>
internal static class LogFormat
{
    /// <summary>Version 1 knew no ids of replicas, and is not read.</summary>
    public const int Version = 2;

    public const int SegmentHeaderBytes = FileHeader.Bytes;
    public const int BatchHeaderBytes = 40;

    /// <summary>A batch without body that says "the log goes on in the next segment"; every segment keeps room for
    /// it.</summary>
    public const int SealBytes = BatchHeaderBytes;

    /// <summary>By such pages operating systems keep files in memory, and write them.</summary>
    public const int PageBytes = 4096;

    public const int MetaBytes = 1 + 4 + 8 + 8 + 8 + 8 + 8 + 8 + 1 + 8 + 8 + 8 + 4;
    public const int EntriesHeaderBytes = 1 + 4 + 8 + 4;
    public const int EntryHeaderBytes = 8 + 1 + 4;
    public const int FormationHeaderBytes = 1 + 4;

    private const uint SealFlag = 1;

    public static ReadOnlySpan<byte> SegmentMagic => "ORAFTLOG"u8;

    public static ReadOnlySpan<byte> BatchMagic => "rBt\u0001"u8;

    public static int EntryBytes(in LogEntry entry) => EntryHeaderBytes + entry.Payload.Length;

    public static long EntriesBytes(ReadOnlySpan<LogEntry> entries)
    {
        long bytes = entries.IsEmpty ? 0 : EntriesHeaderBytes;
        foreach (ref readonly LogEntry entry in entries) bytes += EntryBytes(entry);
        return bytes;
    }

    public static uint Seed(StoreId store)
    {
        Span<byte> bytes = stackalloc byte[16];
        store.Value.TryWriteBytes(bytes);
        return Crc32C.Compute(bytes);
    }

    public static byte[] SegmentHeader(ulong id, StoreId store)
    {
        byte[] header = new byte[SegmentHeaderBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(FileHeader.OwnOffset), id);
        store.Value.TryWriteBytes(header.AsSpan(FileHeader.OwnOffset + 8));
        FileHeader.Seal(header, SegmentMagic, Version);
        return header;
    }

    /// <summary>Throws unless this is the header of that segment of that store.</summary>
    public static void CheckSegmentHeader(string path, ReadOnlySpan<byte> header, ulong id, StoreId store)
    {
        FileHeader.Check(path, header, SegmentMagic, Version, Version);
        ulong foundId = BinaryPrimitives.ReadUInt64LittleEndian(header[FileHeader.OwnOffset..]);
        var foundStore = new StoreId(new Guid(header.Slice(FileHeader.OwnOffset + 8, 16)));
        if (foundStore != store)
        {
            throw Corruption.Found(path, FileHeader.OwnOffset,
                $"it belongs to store {foundStore}, this directory is store {store}; was it copied from another node?");
        }
        if (foundId != id)
            throw Corruption.Found(path, FileHeader.OwnOffset, $"it is segment {foundId} under another's name");
    }

    /// <summary>Completes a batch whose body is in place.</summary>
    public static void SealBatch(Span<byte> batch, int bodyLength, in BatchHeader header, uint seed)
    {
        BatchMagic.CopyTo(batch);
        BinaryPrimitives.WriteUInt64LittleEndian(batch[8..], header.SegmentId);
        BinaryPrimitives.WriteUInt64LittleEndian(batch[16..], header.Sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(batch[24..], header.FirstSegment);
        BinaryPrimitives.WriteInt32LittleEndian(batch[32..], bodyLength);
        BinaryPrimitives.WriteUInt32LittleEndian(batch[36..], header.IsSeal ? SealFlag : 0);
        uint checksum = Crc32C.Append(seed, batch[8..(BatchHeaderBytes + bodyLength)]);
        BinaryPrimitives.WriteUInt32LittleEndian(batch[4..], checksum);
    }

    /// <summary>Whether an undamaged batch of that segment begins there.</summary>
    public static bool TryReadBatch(
        ReadOnlySpan<byte> segment, int offset, ulong segmentId, uint seed, out BatchHeader header, out int bodyLength,
        FaultPoints faults = default)
    {
        header = default;
        bodyLength = 0;
        if (segment.Length - offset < BatchHeaderBytes) return false;
        ReadOnlySpan<byte> batch = segment[offset..];
        if (!batch[..4].SequenceEqual(BatchMagic)) return false;
        if (BinaryPrimitives.ReadUInt64LittleEndian(batch[8..]) != segmentId) return false;
        bodyLength = BinaryPrimitives.ReadInt32LittleEndian(batch[32..]);
        if (bodyLength < 0 || bodyLength > batch.Length - BatchHeaderBytes) return false;
        uint checksum = Crc32C.Append(seed, batch[8..(BatchHeaderBytes + bodyLength)]);
        if (checksum != BinaryPrimitives.ReadUInt32LittleEndian(batch[4..])
            && !faults.Has(FaultPoint.LogChecksumIgnored)) return false;
        header = new BatchHeader(segmentId, BinaryPrimitives.ReadUInt64LittleEndian(batch[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(batch[24..]),
            (BinaryPrimitives.ReadUInt32LittleEndian(batch[36..]) & SealFlag) != 0);
        return true;
    }

    /// <summary>Whether a batch of that segment was begun there, whole or not.</summary>
    public static bool LooksLikeBatch(ReadOnlySpan<byte> bytes, ulong segmentId) =>
        bytes.Length >= BatchHeaderBytes && bytes.StartsWith(BatchMagic)
        && BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]) == segmentId;

    /// <summary>Where batches begin: every multiple of 8.</summary>
    public static int Align(int length) => (length + 7) & ~7;
}

/// <param name="Sequence">Grows by one per batch over the whole life of the log.</param>
/// <param name="FirstSegment">Segments below it are needed by nobody once this batch is durable.</param>
/// <param name="IsSeal">The next batch is the first one of the next segment.</param>
internal readonly record struct BatchHeader(ulong SegmentId, ulong Sequence, ulong FirstSegment, bool IsSeal);

/// <summary>The kinds of record in a batch. A new kind needs a new file version.</summary>
internal enum RecordKind : byte
{
    /// <summary>All about a group but its entries. The last one counts.</summary>
    Meta = 1,

    /// <summary>Entries as a replica wrote them: the first one truncates what is stored from its index on.</summary>
    Entries = 2,

    /// <summary>Entries that were written before and are still live, carried to the head of the log; they truncate
    /// nothing.</summary>
    Carried = 3,

    Formation = 4,
}

/// <summary>What a snapshot in a <see cref="RecordKind.Meta"/> record does to the entries.</summary>
internal enum SnapshotEffect : byte
{
    /// <summary>There is no snapshot.</summary>
    None = 0,

    /// <summary>Entries up to it are no longer needed.</summary>
    Covers = 1,

    /// <summary>It was received from the leader: no stored entry counts.</summary>
    Replaces = 2,

    /// <summary>There is none, and no stored entry counts: the replica was removed.</summary>
    Removes = 3,
}

/// <summary>A group's <see cref="RecordKind.Meta"/> record.</summary>
/// <param name="Replica">Whose state it is; none if the last one was removed.</param>
/// <param name="Removed">The highest id that was removed. Invariant: never falls; below
/// <paramref name="Replica"/>.</param>
internal readonly record struct GroupMeta(
    ulong Incarnation, ReplicaId Replica, ReplicaId Removed, HardState HardState, SnapshotFile? Snapshot);
