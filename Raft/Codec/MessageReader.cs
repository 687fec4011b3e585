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
        if (type is < MessageType.PreVote or > MessageType.FallenSilent) return FrameStatus.UnknownType;
        if (!IsKnown(type, version)) return FrameStatus.UnknownVersion;
        ulong group = reader.ReadVarint();
        var from = new ReplicaId(reader.ReadVarint());
        var to = new ReplicaId(reader.ReadVarint());
        RaftMessage? read = ReadFields(ref reader, type, version, reader.ReadTerm());
        if (read is null || !reader.IsSound || reader.Remaining > 0 || group > uint.MaxValue)
            return FrameStatus.Malformed;
        address = new MessageAddress(new GroupId((uint)group), from, to);
        message = read;
        return FrameStatus.Ok;
    }

    // Nobody ever sent an InstallSnapshot of version 1 from node to node.
    private static bool IsKnown(MessageType type, byte version) => type switch
    {
        MessageType.AppendEntries => version is FrameFormat.MessageVersion or FrameFormat.ConfigurationVersion,
        MessageType.InstallSnapshot => version == FrameFormat.ConfigurationVersion,
        _ => version == FrameFormat.MessageVersion,
    };

    private static RaftMessage? ReadFields(ref ByteReader reader, MessageType type, byte version, Term term) =>
        type switch
        {
            MessageType.PreVote => new PreVote(term, reader.ReadEntryId()),
            MessageType.PreVoteReply => new PreVoteReply(term, reader.ReadBool()),
            MessageType.RequestVote => new RequestVote(term, reader.ReadEntryId(), reader.ReadBool()),
            MessageType.RequestVoteReply => new RequestVoteReply(term, reader.ReadBool()),
            MessageType.AppendEntries => ReadAppend(ref reader, version, term),
            MessageType.AppendEntriesReply => new AppendEntriesReply(term, reader.ReadIndex()),
            MessageType.AppendEntriesRejection =>
                new AppendEntriesRejection(term, reader.ReadIndex(), reader.ReadTerm(), reader.ReadIndex()),
            MessageType.Heartbeat => new Heartbeat(term, reader.ReadIndex(), reader.ReadVarint()),
            MessageType.HeartbeatReply => new HeartbeatReply(term, reader.ReadVarint(), reader.ReadIndex()),
            MessageType.TimeoutNow => new TimeoutNow(term),
            MessageType.ReadIndexRequest => new ReadIndexRequest(term, reader.ReadVarint(), reader.ReadVarint()),
            MessageType.ReadIndexReply =>
                new ReadIndexReply(term, reader.ReadVarint(), reader.ReadVarint(), reader.ReadIndex()),
            MessageType.InstallSnapshot => ReadInstall(ref reader, term),
            MessageType.SnapshotChunk => ReadChunk(ref reader, term),
            MessageType.SnapshotChunkReply => new SnapshotChunkReply(term, reader.ReadEntryId(), reader.ReadSigned()),
            MessageType.ReplicaRemoved => new ReplicaRemoved(term, reader.ReadVarint()),
            MessageType.FallSilent => new FallSilent(term, reader.ReadEntryId(), reader.ReadVarint()),
            MessageType.FallenSilent => new FallenSilent(term, reader.ReadVarint()),
            _ => null,
        };

    private static AppendEntries? ReadAppend(ref ByteReader reader, byte version, Term term)
    {
        bool hasConfiguration = false;
        EntryId previous = reader.ReadEntryId();
        LogIndex commit = reader.ReadIndex();
        ulong count = reader.ReadVarint();

        // A count that the rest cannot hold must not reserve memory.
        if (!reader.IsSound || count > (ulong)(reader.Remaining / FrameFormat.EntryBytesMin)) return null;
        LogEntry[] entries = count == 0 ? [] : new LogEntry[count];
        EntryId last = previous;
        for (int i = 0; i < entries.Length; i++)
        {
            var entryTerm = new Term(unchecked(last.Term.Value + reader.ReadVarint()));
            var kind = (EntryKind)reader.ReadByte();
            ReadOnlySpan<byte> payload = reader.ReadBytes();
            bool isKind = kind is EntryKind.NoOp or EntryKind.Command or EntryKind.Configuration;
            if (!reader.IsSound || entryTerm < last.Term || !isKind) return null;
            entries[i] =
                new LogEntry(entryTerm, last.Index.Next(), kind, payload.IsEmpty ? default : payload.ToArray());
            hasConfiguration |= kind == EntryKind.Configuration;
            last = entries[i].Id;
        }

        bool isRight = hasConfiguration == (version == FrameFormat.ConfigurationVersion);
        return isRight ? new AppendEntries(term, previous, entries, commit) : null;
    }

    private static InstallSnapshot? ReadInstall(ref ByteReader reader, Term term)
    {
        EntryId snapshot = reader.ReadEntryId();
        bool decoded = Configuration.TryDecode(reader.ReadBytes(), out Configuration configuration);
        return decoded ? new InstallSnapshot(term, snapshot, configuration) : null;
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
