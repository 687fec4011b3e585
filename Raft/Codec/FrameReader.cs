using System.Buffers.Binary;

namespace Orleans.Raft.Core;

/// <summary>
/// Reads a frame. Payloads are copied out, one array per entry that has one, so the frame's buffer may be reused. No
/// input makes it throw, and nothing is allocated that the input's length does not account for.
/// </summary>
public ref struct FrameReader
{
    private ReadOnlySpan<byte> _rest;

    private FrameReader(ReadOnlySpan<byte> messages) => _rest = messages;

    /// <summary>Checks the frame's header.</summary>
    /// <param name="header">Valid if the status is Ok. The caller refuses a frame of another cluster or store.</param>
    /// <param name="reader">Reads the messages; empty unless the status is Ok.</param>
    public static FrameStatus TryOpen(ReadOnlySpan<byte> frame, out FrameHeader header, out FrameReader reader)
    {
        header = default;
        reader = default;
        if (frame.Length < 5) return FrameStatus.Truncated;
        if (BinaryPrimitives.ReadUInt32LittleEndian(frame) != FrameFormat.Magic) return FrameStatus.UnknownMagic;
        if (frame[4] != FrameFormat.Version) return FrameStatus.UnknownVersion;
        if (frame.Length < FrameFormat.HeaderBytes) return FrameStatus.Truncated;
        ReadOnlySpan<byte> covered = frame[..(FrameFormat.HeaderBytes - 4)];
        if (BinaryPrimitives.ReadUInt32LittleEndian(frame[covered.Length..]) != Crc32C.Compute(covered))
            return FrameStatus.BadChecksum;
        header = new FrameHeader(
            new ClusterId(new Guid(frame.Slice(5, 16))),
            new StoreId(new Guid(frame.Slice(21, 16))),
            new StoreId(new Guid(frame.Slice(37, 16))));
        reader = new FrameReader(frame[FrameFormat.HeaderBytes..]);
        return FrameStatus.Ok;
    }

    /// <summary>
    /// Reads the next message. A bad one gives a status other than Ok and no message; reading goes on after it if its
    /// length can be trusted, else the frame ends there.
    /// </summary>
    /// <returns>False at the end of the frame.</returns>
    public bool TryReadNext(out MessageAddress address, out RaftMessage? message, out FrameStatus status)
    {
        address = default;
        message = null;
        status = FrameStatus.Ok;
        if (_rest.IsEmpty) return false;
        ReadOnlySpan<byte> bytes = _rest;
        _rest = default;
        if (bytes.Length < FrameFormat.MessageHeaderBytes)
        {
            status = FrameStatus.Truncated;
            return true;
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        if (BinaryPrimitives.ReadUInt16LittleEndian(bytes[4..]) != FrameFormat.LengthCheck(bytes[..4]))
        {
            status = FrameStatus.BadChecksum;
            return true;
        }

        uint checksum = BinaryPrimitives.ReadUInt32LittleEndian(bytes[6..]);
        bytes = bytes[FrameFormat.MessageHeaderBytes..];
        if (length > (uint)bytes.Length)
        {
            status = FrameStatus.Truncated;
            return true;
        }

        ReadOnlySpan<byte> body = bytes[..(int)length];
        _rest = bytes[(int)length..];
        status = Crc32C.Compute(body) == checksum
            ? MessageReader.TryRead(body, out address, out message)
            : FrameStatus.BadChecksum;
        return true;
    }
}
