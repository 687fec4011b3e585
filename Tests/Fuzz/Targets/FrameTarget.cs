using System.Buffers.Binary;
using Orleans.Raft.Core;

namespace Orleans.Raft.Fuzz;

/// <summary>Frames of messages between replicas: <see cref="FrameReader"/> and all that is behind it.</summary>
internal sealed class FrameTarget : FuzzTarget
{
    private readonly FrameWriter _writer = new();

    public override string Name => "frame";

    public override int Weight => 30;

    public override bool IsChecksummed => true;

    public override byte[] Generate(FuzzRandom random)
    {
        _writer.Begin(new FrameHeader(
            new ClusterId(random.Guid()), new StoreId(random.Guid()), new StoreId(random.Guid())));
        for (int left = random.Below(5); left > 0; left--)
            _writer.Append(FuzzMessages.Address(random), FuzzMessages.Next(random));
        return _writer.Written.ToArray();
    }

    public override byte[] Repair(byte[] input) => RepairFrame([.. input], at: 0);

    /// <summary>Recomputes the header's and all messages' checksums; a length beyond the end is cut to it, or left
    /// where the message's content shows that it is one to keep.</summary>
    public static byte[] RepairFrame(byte[] input, int at)
    {
        Span<byte> frame = input.AsSpan(Math.Min(at, input.Length));
        int covered = FrameFormat.HeaderBytes - 4;
        if (frame.Length < FrameFormat.HeaderBytes) return input;
        BinaryPrimitives.WriteUInt32LittleEndian(frame[covered..], Crc32C.Compute(frame[..covered]));
        Span<byte> rest = frame[FrameFormat.HeaderBytes..];
        while (rest.Length >= FrameFormat.MessageHeaderBytes)
        {
            int most = rest.Length - FrameFormat.MessageHeaderBytes;
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(rest);
            // A length that is off the end by far stays, with a right checksum of its own: the reader must see it.
            if (length > most && length < 1 << 20) BinaryPrimitives.WriteUInt32LittleEndian(rest, length = (uint)most);
            BinaryPrimitives.WriteUInt16LittleEndian(rest[4..], FrameFormat.LengthCheck(rest[..4]));
            if (length > most) break;
            Span<byte> body = rest.Slice(FrameFormat.MessageHeaderBytes, (int)length);
            BinaryPrimitives.WriteUInt32LittleEndian(rest[6..], Crc32C.Compute(body));
            rest = rest[(FrameFormat.MessageHeaderBytes + (int)length)..];
        }
        return input;
    }

    public override Reading Read(byte[] input)
    {
        if (FrameReader.TryOpen(input, out FrameHeader header, out FrameReader reader) != FrameStatus.Ok)
            return Reading.Refused;
        var messages = new List<(MessageAddress Address, RaftMessage Message)>();
        bool whole = true;
        while (reader.TryReadNext(out MessageAddress address, out RaftMessage? message, out FrameStatus status))
        {
            if (status == FrameStatus.Ok && message is not null) messages.Add((address, message));
            else whole = false;
        }
        return new Reading(whole, (header, messages));
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.Content is not (FrameHeader header, List<(MessageAddress Address, RaftMessage Message)> messages))
            return;
        foreach ((_, RaftMessage message) in messages) MessageRules.IsWellFormed(message);
        byte[] written = Write(header, messages);
        if (reading.IsAccepted) RequireSame(input, written, oneForm: false);
        Reading again = Read(written);
        if (!again.IsAccepted) throw new FindingException("what was read cannot be read again once written");
        (_, List<(MessageAddress, RaftMessage)> twice) =
            ((FrameHeader, List<(MessageAddress, RaftMessage)>))again.Content!;
        RequireSame(written, Write(header, twice));
    }

    /// <summary>Damage may take messages away, but neither change nor add one.</summary>
    public override void CheckDamaged(byte[] original, byte[] damaged, Reading reading)
    {
        if (reading.IsAccepted) throw new FindingException("a flipped bit was not noticed");
        if (reading.Content is null) return;
        Queue<string> sent = new(Bodies(Read(original)));
        foreach (string arrived in Bodies(reading))
        {
            while (sent.Count > 0 && sent.Peek() != arrived) sent.Dequeue();
            if (sent.Count == 0) throw new FindingException($"a message that was never sent arrived: {arrived}");
            sent.Dequeue();
        }
    }

    // An entry of three bytes becomes a record of forty and an array of its own.
    public override long AllocationBound(int inputLength) => 2_000 + (40L * inputLength);

    private IEnumerable<string> Bodies(Reading reading)
    {
        (_, List<(MessageAddress Address, RaftMessage Message)> messages) =
            ((FrameHeader, List<(MessageAddress, RaftMessage)>))reading.Content!;
        return messages.Select(message => Convert.ToHexStringLower(Write(default, [message])));
    }

    private byte[] Write(FrameHeader header, List<(MessageAddress Address, RaftMessage Message)> messages)
    {
        _writer.Begin(header);
        foreach ((MessageAddress address, RaftMessage message) in messages) _writer.Append(address, message);
        return _writer.Written.ToArray();
    }
}
