using System.Buffers.Binary;

namespace Orleans.Raft.Core;

/// <summary>
/// A growable buffer that holds one frame; reused, so that a steady state allocates nothing. One that was large for a
/// single frame becomes smaller again when many after it were small.
/// </summary>
public sealed class FrameWriter
{
    /// <summary>A buffer of this size may stay.</summary>
    internal const int KeptBytes = 64 << 10;

    /// <summary>After so many frames in which it was less than a quarter full, a larger buffer goes.</summary>
    internal const int FramesUntilShrunk = 64;

    private byte[] _buffer = new byte[1_024];
    private int _framesInWindow;
    private int _longestInWindow;

    /// <summary>Messages in the frame.</summary>
    public int MessageCount { get; private set; }

    /// <summary>Bytes of the frame so far; 0 before the first <see cref="Begin"/>.</summary>
    public int Length { get; private set; }

    internal int CapacityBytes => _buffer.Length;

    /// <summary>The frame. Valid until the next <see cref="Begin"/> or <see cref="Append"/>.</summary>
    public ReadOnlyMemory<byte> Written => _buffer.AsMemory(0, Length);

    /// <summary>Starts a frame, discarding what was there.</summary>
    public void Begin(FrameHeader header)
    {
        ShrinkIfIdle();
        Length = 0;
        MessageCount = 0;
        WriteUInt32(FrameFormat.Magic);
        WriteByte(FrameFormat.Version);
        WriteGuid(header.Cluster.Value);
        WriteGuid(header.From.Value);
        WriteGuid(header.To.Value);
        WriteUInt32(Crc32C.Compute(_buffer.AsSpan(0, Length)));
    }

    /// <summary>Adds a message to the frame.</summary>
    /// <exception cref="ArgumentException">The message cannot be encoded: its kind is unknown, or its entries are not
    /// contiguous. The frame stays as it was.</exception>
    /// <exception cref="InvalidOperationException">No frame was begun.</exception>
    public void Append(in MessageAddress address, RaftMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (Length == 0) throw new InvalidOperationException("Begin a frame first.");
        int start = Length;
        Reserve(FrameFormat.MessageHeaderBytes);
        try
        {
            WriteBody(in address, message);
        }
        catch (ArgumentException)
        {
            Length = start;
            throw;
        }

        Span<byte> header = _buffer.AsSpan(start, FrameFormat.MessageHeaderBytes);
        ReadOnlySpan<byte> body = _buffer.AsSpan(start + header.Length, Length - start - header.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)body.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], FrameFormat.LengthCheck(header[..4]));
        BinaryPrimitives.WriteUInt32LittleEndian(header[6..], Crc32C.Compute(body));
        MessageCount++;
    }

    private void ShrinkIfIdle()
    {
        _longestInWindow = Math.Max(_longestInWindow, Length);
        if (++_framesInWindow < FramesUntilShrunk) return;
        if (_buffer.Length > KeptBytes && _longestInWindow < _buffer.Length / 4)
            _buffer = new byte[Math.Max(KeptBytes, _longestInWindow * 2)];
        _framesInWindow = 0;
        _longestInWindow = 0;
    }

    private void WriteBody(in MessageAddress address, RaftMessage message)
    {
        WriteByte((byte)TypeOf(message));
        int version = Length;
        WriteByte(FrameFormat.MessageVersion);
        WriteVarint(address.Group.Value);
        WriteVarint(address.From.Value);
        WriteVarint(address.To.Value);
        WriteVarint(message.Term.Value);
        switch (message)
        {
            case PreVote m: WriteEntryId(m.Last); break;
            case PreVoteReply m: WriteBool(m.Granted); break;
            case RequestVote m:
                WriteEntryId(m.Last);
                WriteBool(m.IsLeadershipTransfer);
                break;
            case RequestVoteReply m: WriteBool(m.Granted); break;
            case AppendEntries m:
                if (WriteAppend(m)) _buffer[version] = FrameFormat.ConfigurationVersion;
                break;
            case AppendEntriesReply m: WriteVarint(m.MatchIndex.Value); break;
            case AppendEntriesRejection m:
                WriteVarint(m.Rejected.Value);
                WriteVarint(m.ConflictTerm.Value);
                WriteVarint(m.ConflictFirst.Value);
                break;
            case Heartbeat m:
                WriteVarint(m.Commit.Value);
                WriteVarint(m.Round);
                break;
            case HeartbeatReply m:
                WriteVarint(m.Round);
                WriteVarint(m.LastIndex.Value);
                break;
            case TimeoutNow: break;
            case FallSilent m:
                WriteEntryId(m.Last);
                WriteVarint(m.Round);
                break;
            case FallenSilent m: WriteVarint(m.Round); break;
            case ReadIndexRequest m:
                WriteVarint(m.BootNonce);
                WriteVarint(m.Number);
                break;
            case ReadIndexReply m:
                WriteVarint(m.BootNonce);
                WriteVarint(m.Number);
                WriteVarint(m.Index.Value);
                break;
            case InstallSnapshot m:
                _buffer[version] = FrameFormat.ConfigurationVersion;
                WriteEntryId(m.Snapshot);
                WriteBytes(m.Configuration.Encode());
                break;
            case SnapshotChunk m: WriteChunk(m); break;
            case ReplicaRemoved m: WriteVarint(m.ConfigurationVersion); break;
            case SnapshotChunkReply m:
                WriteEntryId(m.Snapshot);
                WriteSigned(m.NextOffsetBytes);
                break;
        }
    }

    private static MessageType TypeOf(RaftMessage message) => message switch
    {
        AppendEntries => MessageType.AppendEntries,
        AppendEntriesReply => MessageType.AppendEntriesReply,
        Heartbeat => MessageType.Heartbeat,
        HeartbeatReply => MessageType.HeartbeatReply,
        ReadIndexRequest => MessageType.ReadIndexRequest,
        ReadIndexReply => MessageType.ReadIndexReply,
        AppendEntriesRejection => MessageType.AppendEntriesRejection,
        PreVote => MessageType.PreVote,
        PreVoteReply => MessageType.PreVoteReply,
        RequestVote => MessageType.RequestVote,
        RequestVoteReply => MessageType.RequestVoteReply,
        TimeoutNow => MessageType.TimeoutNow,
        InstallSnapshot => MessageType.InstallSnapshot,
        SnapshotChunk => MessageType.SnapshotChunk,
        SnapshotChunkReply => MessageType.SnapshotChunkReply,
        ReplicaRemoved => MessageType.ReplicaRemoved,
        FallSilent => MessageType.FallSilent,
        FallenSilent => MessageType.FallenSilent,
        _ => throw new ArgumentException($"{message.GetType().Name} has no encoding.", nameof(message)),
    };

    // Returns whether there is a configuration among the entries.
    private bool WriteAppend(AppendEntries append)
    {
        bool hasConfiguration = false;
        WriteEntryId(append.Previous);
        WriteVarint(append.LeaderCommit.Value);
        WriteVarint((ulong)append.Entries.Length);
        EntryId last = append.Previous;
        foreach (ref readonly LogEntry entry in append.Entries.Span)
        {
            if (entry.Index != last.Index.Next() || entry.Term < last.Term)
                throw new ArgumentException($"{entry} cannot follow {last}.", nameof(append));
            WriteVarint(entry.Term.Value - last.Term.Value);
            WriteByte((byte)entry.Kind);
            WriteBytes(entry.Payload.Span);
            hasConfiguration |= entry.Kind == EntryKind.Configuration;
            last = entry.Id;
        }

        return hasConfiguration;
    }

    private void WriteChunk(SnapshotChunk chunk)
    {
        WriteEntryId(chunk.Snapshot);
        WriteSigned(chunk.OffsetBytes);
        WriteSigned(chunk.TotalBytes);
        WriteUInt32(chunk.FileChecksum);
        WriteBytes(chunk.Data.Span);
    }

    private void WriteEntryId(EntryId entry)
    {
        WriteVarint(entry.Term.Value);
        WriteVarint(entry.Index.Value);
    }

    private void WriteBytes(ReadOnlySpan<byte> bytes)
    {
        WriteVarint((ulong)bytes.Length);
        bytes.CopyTo(Reserve(bytes.Length));
    }

    private void WriteVarint(ulong value)
    {
        Span<byte> span = Reserve(10);
        int count = 0;
        while (value >= 0x80)
        {
            span[count++] = (byte)(value | 0x80);
            value >>= 7;
        }

        span[count++] = (byte)value;
        Length -= 10 - count;
    }

    private void WriteSigned(long value) => WriteVarint((ulong)((value << 1) ^ (value >> 63)));

    private void WriteBool(bool value) => WriteByte(value ? (byte)1 : (byte)0);

    private void WriteByte(byte value) => Reserve(1)[0] = value;

    private void WriteUInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Reserve(4), value);

    private void WriteGuid(Guid value) =>
        Invariant.Require(value.TryWriteBytes(Reserve(16)), "an identity has 16 bytes");

    private Span<byte> Reserve(int bytes)
    {
        int end = checked(Length + bytes);
        if (end > _buffer.Length)
            Array.Resize(ref _buffer, (int)Math.Max(end, Math.Min(_buffer.Length * 2L, Array.MaxLength)));
        Span<byte> span = _buffer.AsSpan(Length, bytes);
        Length = end;
        return span;
    }
}
