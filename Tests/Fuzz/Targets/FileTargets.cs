using System.Buffers.Binary;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Fuzz;

/// <summary>The files with a header: a data directory's identity, and a snapshot's own.</summary>
/// <remarks>The first byte of an input says which; the rest is the file.</remarks>
internal sealed class FileHeaderTarget : FuzzTarget
{
    private static readonly SnapshotFile s_snapshot =
        new(new GroupId(2), new ReplicaId(5), new EntryId(new Term(3), new LogIndex(40)), 500, 0x1234_5678);

    public override string Name => "file-header";

    public override bool IsChecksummed => true;

    public override byte[] Generate(FuzzRandom random)
    {
        if (random.OneIn(2)) return [1, .. SnapshotFormat.Header(s_snapshot)];
        byte[] header = new byte[FileHeader.Bytes];
        random.Guid().TryWriteBytes(header.AsSpan(FileHeader.OwnOffset));
        FileHeader.Seal(header, "ORAFTSTO"u8, 1);
        return [0, .. header];
    }

    public override byte[] Flip(FuzzRandom random, byte[] input) => [input[0], .. base.Flip(random, input[1..])];

    public override byte[] Repair(byte[] input)
    {
        byte[] repaired = [.. input];
        if (repaired.Length < 1 + FileHeader.Bytes) return repaired;
        Span<byte> header = repaired.AsSpan(1, FileHeader.Bytes);
        FileHeader.Seal(header, header[..8].ToArray(), BinaryPrimitives.ReadInt32LittleEndian(header[8..]));
        return repaired;
    }

    public override Reading Read(byte[] input)
    {
        if (input.Length == 0) return Reading.Refused;
        try
        {
            if (input[0] % 2 == 1)
            {
                SnapshotFormat.CheckHeader("snapshots/x", input.AsSpan(1), s_snapshot);
                return new Reading(true, SnapshotFormat.Header(s_snapshot));
            }
            var disk = new SimulatedDisk();
            disk.WriteAll("store", input.AsSpan(1));
            StoreId store = DataDirectory.ReadIdentityAsync(disk).AsTask().GetAwaiter().GetResult()!.Value;
            return new Reading(true, store);
        }
        catch (Exception refused) when (refused is CorruptionException or UnsupportedFileVersionException
            or OutdatedFileVersionException)
        {
            return Reading.Refused;
        }
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.Content is byte[] header) RequireSame(input.AsSpan(1, FileHeader.Bytes), header);
        if (reading.Content is StoreId store)
            RequireSame(input.AsSpan(1 + FileHeader.OwnOffset, 16), store.Value.ToByteArray());
    }

    public override long AllocationBound(int inputLength) => 8_000 + (4L * inputLength);
}

/// <summary>The records of the log, in a batch whose checksum is right: recovery must end, and give what can
/// be.</summary>
/// <remarks>An input is first segment (8), sequence (8), flags (1), records.</remarks>
internal sealed class LogRecordsTarget : FuzzTarget
{
    private const int HeadBytes = 17;
    private const ulong SegmentId = 1;

    private static readonly StoreId s_store = new(new Guid(1, 2, 3, new byte[8]));

    public override string Name => "log-records";

    public override bool GeneratesValid => false; // Whether entries leave a gap is the reader's to find.

    public override byte[] Generate(FuzzRandom random)
    {
        byte[] head = new byte[HeadBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(head, random.OneIn(16) ? random.Number() : SegmentId);
        BinaryPrimitives.WriteUInt64LittleEndian(head.AsSpan(8), 1 + random.Number());
        head[16] = (byte)(random.OneIn(16) ? 1 : 0);
        return [.. head, .. Records(random)];
    }

    public override byte[] Mutate(FuzzRandom random, byte[] input, byte[] other) => random.OneIn(6)
        ? base.Mutate(random, input, other)
        : [.. input[..HeadBytes], .. base.Mutate(random, input[HeadBytes..], other[HeadBytes..])];

    public override Reading Read(byte[] input)
    {
        if (input.Length < HeadBytes) return Reading.Refused;
        byte[] batch = new byte[LogFormat.Align(LogFormat.BatchHeaderBytes + input.Length - HeadBytes)];
        input.AsSpan(HeadBytes).CopyTo(batch.AsSpan(LogFormat.BatchHeaderBytes));
        LogFormat.SealBatch(batch, input.Length - HeadBytes, new BatchHeader(SegmentId,
            BinaryPrimitives.ReadUInt64LittleEndian(input.AsSpan(8)), BinaryPrimitives.ReadUInt64LittleEndian(input),
            input[16] == 1), LogFormat.Seed(s_store));
        var disk = new SimulatedDisk();
        disk.CreateDirectoryAsync(DataDirectory.LogDirectory).AsTask().GetAwaiter().GetResult();
        disk.WriteAll(LogSegment.PathOf(SegmentId), [.. LogFormat.SegmentHeader(SegmentId, s_store), .. batch]);
        try
        {
            RecoveredLog log = new LogRecovery(disk, s_store, NullLogger.Instance).RunAsync().AsTask().GetAwaiter()
                .GetResult();
            return new Reading(true, log);
        }
        catch (CorruptionException refused)
        {
            if (!refused.Message.Contains(refused.Path, StringComparison.Ordinal)
                || !refused.Message.Contains($"offset {refused.OffsetBytes}", StringComparison.Ordinal))
                throw new FindingException($"'{refused.Message}' names neither file nor offset");
            return Reading.Refused;
        }
    }

    /// <summary>Whatever the records say, a group's log is whole after its snapshot.</summary>
    public override void Check(byte[] input, Reading reading)
    {
        if (reading.Content is not RecoveredLog log) return;
        if (log.Segments.Count == 0) throw new FindingException("a log without segments was taken for whole");
        foreach (GroupLog group in log.Groups.Values)
        {
            RecoveredReplica replica = group.ToRecovered();
            ulong expected = replica.State.Snapshot.Index.Value;
            foreach (LogEntry entry in replica.State.Entries.ToArray())
            {
                if (entry.Index.Value != ++expected)
                    throw new FindingException($"{entry} of {group.Group} stands where index {expected} should");
            }
        }
    }

    // An entry of 13 bytes becomes records in several lists; the disk and its segment take some copies of the file.
    public override long AllocationBound(int inputLength) => 100_000 + (200L * inputLength);

    private static byte[] Records(FuzzRandom random)
    {
        var buffer = new LogBuffer(0);
        buffer.Begin();
        ulong[] last = [0, 0];
        for (int left = random.Below(8); left > 0; left--)
        {
            int which = random.Below(2);
            var group = new GroupId((uint)which + 1);
            switch (random.Below(5))
            {
                case 0 when random.OneIn(3):
                    buffer.WriteFormation(random.Bytes(30));
                    break;
                case 0 or 1:
                    var replica = new ReplicaId(1 + (ulong)random.Below(3));
                    SnapshotFile? snapshot = random.OneIn(3)
                        ? new SnapshotFile(group, replica,
                            new EntryId(new Term(1), new LogIndex(last[which] + (ulong)random.Below(3))), 9, 9)
                        : null;
                    var state = new HardState(new Term(random.Number()), new ReplicaId(random.Number()),
                        new LogIndex(random.Number()));
                    var removed = new ReplicaId((ulong)random.Below(3));
                    buffer.WriteMeta(group, new GroupMeta(random.Number(), replica, removed, state, snapshot),
                        snapshot is null
                        ? random.Of(SnapshotEffect.None, SnapshotEffect.Removes)
                        : random.Of(SnapshotEffect.Covers, SnapshotEffect.Replaces));
                    break;
                default:
                    ulong first = Math.Max(1, random.OneIn(5)
                        ? random.Number() >> 1
                        : last[which] + 1 - (ulong)random.Below((int)Math.Min(3, last[which] + 1)));
                    var entries = new LogEntry[1 + random.Below(4)];
                    for (int i = 0; i < entries.Length; i++)
                    {
                        entries[i] = new LogEntry(new Term(1), new LogIndex(first + (ulong)i), EntryKind.Command,
                            random.Bytes(6));
                    }
                    buffer.WriteEntries(random.Of(RecordKind.Entries, RecordKind.Entries, RecordKind.Carried), group,
                        entries);
                    last[which] = entries[^1].Index.Value;
                    break;
            }
        }
        int length = buffer.LengthBytes - LogFormat.BatchHeaderBytes;
        return buffer.Seal(default, fileBytes: 0).Span.Slice(LogFormat.BatchHeaderBytes, length).ToArray();
    }
}
