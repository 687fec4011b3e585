using System.Buffers.Binary;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// "This node lives", in a frame of its own kind, for all groups at once.
/// <code>magic u32, version u8, cluster 16, from store 16, to store 16, boot nonce u64, sequence u64, CRC-32C of these
/// u32; little-endian</code>
/// </summary>
/// <param name="BootNonce">Differs for every life of the sender.</param>
/// <param name="Sequence">Grows by one per frame within a life.</param>
internal readonly record struct LivenessFrame(FrameHeader Header, ulong BootNonce, ulong Sequence)
{
    private const uint Magic = 0x564C_524F; // "ORLV"
    private const byte Version = 1;
    private const int CoveredBytes = 4 + 1 + 16 + 16 + 16 + 8 + 8;
    private const int FrameBytes = CoveredBytes + 4;

    public static bool IsLivenessFrame(ReadOnlySpan<byte> frame) =>
        frame.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(frame) == Magic;

    public byte[] Encode()
    {
        byte[] frame = new byte[FrameBytes];
        Span<byte> rest = frame;
        BinaryPrimitives.WriteUInt32LittleEndian(rest, Magic);
        rest[4] = Version;
        Header.Cluster.Value.TryWriteBytes(rest[5..]);
        Header.From.Value.TryWriteBytes(rest[21..]);
        Header.To.Value.TryWriteBytes(rest[37..]);
        BinaryPrimitives.WriteUInt64LittleEndian(rest[53..], BootNonce);
        BinaryPrimitives.WriteUInt64LittleEndian(rest[61..], Sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(rest[CoveredBytes..], Crc32C.Compute(rest[..CoveredBytes]));
        return frame;
    }

    public static FrameStatus TryDecode(ReadOnlySpan<byte> frame, out LivenessFrame decoded)
    {
        decoded = default;
        if (frame.Length < 5) return FrameStatus.Truncated;
        if (!IsLivenessFrame(frame)) return FrameStatus.UnknownMagic;
        if (frame[4] != Version) return FrameStatus.UnknownVersion;
        if (frame.Length != FrameBytes) return FrameStatus.Truncated;
        if (BinaryPrimitives.ReadUInt32LittleEndian(frame[CoveredBytes..]) != Crc32C.Compute(frame[..CoveredBytes]))
            return FrameStatus.BadChecksum;
        var header = new FrameHeader(new ClusterId(new Guid(frame.Slice(5, 16))),
            new StoreId(new Guid(frame.Slice(21, 16))), new StoreId(new Guid(frame.Slice(37, 16))));
        decoded = new LivenessFrame(header, BinaryPrimitives.ReadUInt64LittleEndian(frame[53..]),
            BinaryPrimitives.ReadUInt64LittleEndian(frame[61..]));
        return FrameStatus.Ok;
    }
}
