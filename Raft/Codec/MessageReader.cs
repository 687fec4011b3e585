namespace Orleans.Raft.Core;

/// <summary>Decodes the body of one message, whose checksum was right.</summary>
internal static class MessageReader
{
    public static FrameStatus TryRead(ReadOnlySpan<byte> body, out MessageAddress address, out RaftMessage? message)
    {
        address = default;
        message = null;
        var reader = new ByteReader(body);
        var type = (MessageType)reader.ReadByte();
        byte version = reader.ReadByte();
        if (!reader.IsSound) return FrameStatus.Malformed;
        if (type is < MessageType.PreVote or > MessageType.SnapshotChunkReply) return FrameStatus.UnknownType;
        if (version != FrameFormat.MessageVersion) return FrameStatus.UnknownVersion;
        ulong group = reader.ReadVarint();
        var from = new ReplicaId(reader.ReadVarint());
        var to = new ReplicaId(reader.ReadVarint());
        RaftMessage? read = ReadFields(ref reader, type, reader.ReadTerm());
        if (read is null || !reader.IsSound || reader.Remaining > 0 || group > uint.MaxValue)
            return FrameStatus.Malformed;
        address = new MessageAddress(new GroupId((uint)group), from, to);
        message = read;
        return FrameStatus.Ok;
    }

    private static RaftMessage? ReadFields(ref ByteReader reader, MessageType type, Term term) => type switch
    {
        MessageType.PreVote => new PreVote(term, reader.ReadEntryId()),
        MessageType.PreVoteReply => new PreVoteReply(term, reader.ReadBool()),
        MessageType.RequestVote => new RequestVote(term, reader.ReadEntryId(), reader.ReadBool()),
        MessageType.RequestVoteReply => new RequestVoteReply(term, reader.ReadBool()),
        MessageType.AppendEntries => ReadAppend(ref reader, term),
        MessageType.AppendEntriesReply => new AppendEntriesReply(term, reader.ReadIndex()),
        MessageType.AppendEntriesRejection =>
            new AppendEntriesRejection(term, reader.ReadIndex(), reader.ReadTerm(), reader.ReadIndex()),
        MessageType.Heartbeat => new Heartbeat(term, reader.ReadIndex(), reader.ReadVarint()),
        MessageType.HeartbeatReply => new HeartbeatReply(term, reader.ReadVarint(), reader.ReadIndex()),
        MessageType.TimeoutNow => new TimeoutNow(term),
        MessageType.ReadIndexRequest => new ReadIndexRequest(term, reader.ReadVarint(), reader.ReadVarint()),
        MessageType.ReadIndexReply =>
            new ReadIndexReply(term, reader.ReadVarint(), reader.ReadVarint(), reader.ReadIndex()),
        MessageType.InstallSnapshot => new InstallSnapshot(term, reader.ReadEntryId()),
        MessageType.SnapshotChunk => ReadChunk(ref reader, term),
        MessageType.SnapshotChunkReply => new SnapshotChunkReply(term, reader.ReadEntryId(), reader.ReadSigned()),
        _ => null,
    };

    private static AppendEntries? ReadAppend(ref ByteReader reader, Term term)
    {
        EntryId previous = reader.ReadEntryId();
        LogIndex commit = reader.ReadIndex();
        ulong count = reader.ReadVarint();

        // A count that the rest cannot hold must not reserve memory.
        if (!reader.IsSound || count > (ulong)(reader.Remaining / FrameFormat.EntryBytesMin)) return null;
        if (count == 0) return new AppendEntries(term, previous, default, commit);
        var entries = new LogEntry[count];
        EntryId last = previous;
        for (int i = 0; i < entries.Length; i++)
        {
            var entryTerm = new Term(unchecked(last.Term.Value + reader.ReadVarint()));
            var kind = (EntryKind)reader.ReadByte();
            ReadOnlySpan<byte> payload = reader.ReadBytes();
            if (!reader.IsSound || entryTerm < last.Term || kind is not (EntryKind.NoOp or EntryKind.Command))
                return null;
            entries[i] =
                new LogEntry(entryTerm, last.Index.Next(), kind, payload.IsEmpty ? default : payload.ToArray());
            last = entries[i].Id;
        }

        return new AppendEntries(term, previous, entries, commit);
    }

    private static SnapshotChunk? ReadChunk(ref ByteReader reader, Term term)
    {
        EntryId snapshot = reader.ReadEntryId();
        long offset = reader.ReadSigned();
        long total = reader.ReadSigned();
        uint checksum = reader.ReadUInt32();
        ReadOnlySpan<byte> data = reader.ReadBytes();
        if (!reader.IsSound || offset < 0 || total < 0 || offset > total - data.Length) return null;
        return new SnapshotChunk(term, snapshot, offset, total, checksum, data.IsEmpty ? default : data.ToArray());
    }
}
