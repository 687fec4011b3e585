namespace Orleans.Raft.Core;

/// <summary>What reading a frame, or one message of it, came to.</summary>
public enum FrameStatus
{
    Ok,

    /// <summary>The bytes end too early.</summary>
    Truncated,

    /// <summary>Not a frame of ours.</summary>
    UnknownMagic,

    /// <summary>Written by a newer program.</summary>
    UnknownVersion,

    /// <summary>The bytes changed on the way.</summary>
    BadChecksum,

    /// <summary>A message type this program does not know.</summary>
    UnknownType,

    /// <summary>The checksum is right, the content makes no sense.</summary>
    Malformed,
}

/// <summary>
/// The bytes of a frame. All integers little-endian; "varint" is LEB128 of at most ten bytes.
/// <code>
/// frame   = magic u32, version u8, cluster 16, from store 16, to store 16, CRC-32C of these u32, message*
/// message = length of body u32, low half of the CRC-32C of length u16, CRC-32C of body u32, body
/// body    = type u8, version u8, group, from, to, term varint, then the type's fields
/// entries = count varint, then per entry: rise of the term varint, kind u8, payload length varint, payload;
///           their indexes follow from the previous entry's
/// </code>
/// Version 2 of AppendEntries has a configuration among its entries, that of InstallSnapshot one after its entry's id:
/// its length varint, its bytes. All else is version 1, so that older programs understand it.
/// The length has a checksum of its own, so that a damaged message does not take the rest of the frame with it.
/// </summary>
internal static class FrameFormat
{
    public const uint Magic = 0x5246_524F; // "ORFR"
    public const byte Version = 1;
    public const byte MessageVersion = 1;
    public const byte ConfigurationVersion = 2;
    public const int HeaderBytes = 4 + 1 + 16 + 16 + 16 + 4;
    public const int MessageHeaderBytes = 4 + 2 + 4;

    // A term, a kind and a length take a byte each.
    public const int EntryBytesMin = 3;

    public static ushort LengthCheck(ReadOnlySpan<byte> length) => (ushort)Crc32C.Compute(length);
}

/// <summary>The type byte of a message. Numbers are never used for anything else.</summary>
internal enum MessageType : byte
{
    PreVote = 1,
    PreVoteReply = 2,
    RequestVote = 3,
    RequestVoteReply = 4,
    AppendEntries = 5,
    AppendEntriesReply = 6,
    AppendEntriesRejection = 7,
    Heartbeat = 8,
    HeartbeatReply = 9,
    TimeoutNow = 10,
    ReadIndexRequest = 11,
    ReadIndexReply = 12,
    InstallSnapshot = 13,
    SnapshotChunk = 14,
    SnapshotChunkReply = 15,
    ReplicaRemoved = 16,
    FallSilent = 17,
    FallenSilent = 18,
}
