using System.Buffers.Binary;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>One batch in the making. The memory is reused: no allocation per batch, record or entry.</summary>
/// <remarks>
/// A batch is written as whole pages: before it what its first page holds already, after it zeros. To change a part of a
/// page that is not in memory, which those of a recycled file seldom are, the system would read it first, and the
/// batch would wait for the disk once more.
/// </remarks>
internal sealed class LogBuffer(uint seed)
{
    private const int KeptBytes = 20 << 20;

    // Begins where a page of the file does.
    private byte[] _bytes = NewArray(64 << 10);
    private int _length;

    /// <summary>Bytes of the batch's first page that are written already.</summary>
    public int LeadBytes { get; private set; }

    /// <summary>Whether no record is in it.</summary>
    public bool IsEmpty => LengthBytes == LogFormat.BatchHeaderBytes;

    /// <summary>Bytes so far, the batch's header among them.</summary>
    public int LengthBytes => _length - LeadBytes;

    /// <summary>The next batch comes after what a file holds already.</summary>
    /// <param name="written">All of it, or its end from any start of a page on.</param>
    public void Follow(ReadOnlySpan<byte> written)
    {
        LeadBytes = written.Length % LogFormat.PageBytes;
        written[^LeadBytes..].CopyTo(_bytes);
        _length = LeadBytes;
    }

    public void Begin()
    {
        if (_bytes.Length > KeptBytes)
        {
            byte[] smaller = NewArray(64 << 10);
            _bytes.AsSpan(0, LeadBytes).CopyTo(smaller);
            _bytes = smaller;
        }
        _length = LeadBytes + LogFormat.BatchHeaderBytes;
    }

    /// <summary>Completes the batch, which then has its final length.</summary>
    /// <param name="fileBytes">How far the file reaches from the batch's first page on; a page beyond needs no zeros.</param>
    /// <returns>The pages to be written, <see cref="LeadBytes"/> before the batch's place; valid until the next
    /// <see cref="Follow"/> or <see cref="Begin"/>.</returns>
    public ReadOnlyMemory<byte> Seal(in BatchHeader header, long fileBytes)
    {
        int bodyLength = LengthBytes - LogFormat.BatchHeaderBytes;
        int end = LogFormat.Align(_length);
        int pages = (end + LogFormat.PageBytes - 1) / LogFormat.PageBytes * LogFormat.PageBytes;
        if (pages > fileBytes) pages = end;
        Reserve(pages - _length).Clear();
        _length = end;
        LogFormat.SealBatch(_bytes.AsSpan(LeadBytes), bodyLength, header, seed);
        return _bytes.AsMemory(0, pages);
    }

    /// <summary>The batch that was sealed is in the file: the next one comes after it.</summary>
    public void Written() => Follow(_bytes.AsSpan(0, _length));

    public void WriteMeta(GroupId group, in GroupMeta meta, SnapshotEffect effect)
    {
        Span<byte> record = Reserve(LogFormat.MetaBytes);
        record[0] = (byte)RecordKind.Meta;
        BinaryPrimitives.WriteUInt32LittleEndian(record[1..], group.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(record[5..], meta.Incarnation);
        BinaryPrimitives.WriteUInt64LittleEndian(record[13..], meta.Replica.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(record[21..], meta.Removed.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(record[29..], meta.HardState.Term.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(record[37..], meta.HardState.VotedFor.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(record[45..], meta.HardState.Commit.Value);
        record[53] = (byte)effect;
        BinaryPrimitives.WriteUInt64LittleEndian(record[54..], meta.Snapshot?.Last.Index.Value ?? 0);
        BinaryPrimitives.WriteUInt64LittleEndian(record[62..], meta.Snapshot?.Last.Term.Value ?? 0);
        BinaryPrimitives.WriteInt64LittleEndian(record[70..], meta.Snapshot?.LengthBytes ?? 0);
        BinaryPrimitives.WriteUInt32LittleEndian(record[78..], meta.Snapshot?.Checksum ?? 0);
    }

    public void WriteEntries(RecordKind kind, GroupId group, ReadOnlySpan<LogEntry> entries)
    {
        Span<byte> header = Reserve(LogFormat.EntriesHeaderBytes);
        header[0] = (byte)kind;
        BinaryPrimitives.WriteUInt32LittleEndian(header[1..], group.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(header[5..], entries[0].Index.Value);
        BinaryPrimitives.WriteInt32LittleEndian(header[13..], entries.Length);
        foreach (ref readonly LogEntry entry in entries)
        {
            Span<byte> record = Reserve(LogFormat.EntryBytes(entry));
            BinaryPrimitives.WriteUInt64LittleEndian(record, entry.Term.Value);
            record[8] = (byte)entry.Kind;
            BinaryPrimitives.WriteInt32LittleEndian(record[9..], entry.Payload.Length);
            entry.Payload.Span.CopyTo(record[LogFormat.EntryHeaderBytes..]);
        }
    }

    public void WriteFormation(ReadOnlySpan<byte> formation)
    {
        Span<byte> record = Reserve(LogFormat.FormationHeaderBytes + formation.Length);
        record[0] = (byte)RecordKind.Formation;
        BinaryPrimitives.WriteInt32LittleEndian(record[1..], formation.Length);
        formation.CopyTo(record[LogFormat.FormationHeaderBytes..]);
    }

    // Pinned, so that writing needs no pin of its own; on the pinned heap an array is never moved.
    private static byte[] NewArray(int length) => GC.AllocateUninitializedArray<byte>(length, pinned: true);

    private Span<byte> Reserve(int count)
    {
        int needed = checked(_length + count);
        if (needed > _bytes.Length)
        {
            long wanted = Math.Max((long)needed + LogFormat.PageBytes, _bytes.Length * 2L);
            byte[] larger = NewArray((int)Math.Min(Array.MaxLength, wanted));
            _bytes.AsSpan(0, _length).CopyTo(larger);
            _bytes = larger;
        }
        Span<byte> reserved = _bytes.AsSpan(_length, count);
        _length = needed;
        return reserved;
    }
}
