namespace Orleans.Raft.Core.Tests;

public sealed class CodecTests
{
    private static readonly FrameHeader Header = new(
        new ClusterId(new Guid("00112233-4455-6677-8899-aabbccddeeff")),
        new StoreId(new Guid("11111111-2222-3333-4444-555555555555")),
        new StoreId(new Guid("66666666-7777-8888-9999-aaaaaaaaaaaa")));

    [Fact]
    public void Every_message_reads_back_as_it_was_written()
    {
        for (ulong seed = 0; seed < 300; seed++)
        {
            var random = new SplitMix64(seed);
            var writer = new FrameWriter();
            writer.Begin(Header);
            var written = new List<(MessageAddress Address, RaftMessage Message)>();
            for (int kind = 0; kind < RandomMessages.Kinds; kind++)
            {
                (MessageAddress Address, RaftMessage Message) next =
                    (RandomMessages.Address(ref random), RandomMessages.Next(ref random, kind));
                writer.Append(next.Address, next.Message);
                written.Add(next);
            }

            Assert.Equal(written.Count, writer.MessageCount);
            Assert.Equal(writer.Length, writer.Written.Length);
            byte[] frame = writer.Written.ToArray();
            Assert.Equal(FrameStatus.Ok, FrameReader.TryOpen(frame, out FrameHeader header, out FrameReader reader));
            Assert.Equal(Header, header);
            foreach ((MessageAddress address, RaftMessage message) in written)
            {
                Assert.True(
                    reader.TryReadNext(out MessageAddress readAddress, out RaftMessage? read, out FrameStatus status));
                Assert.Equal(FrameStatus.Ok, status);
                Assert.Equal(address, readAddress);
                RandomMessages.AssertSame(message, read!, seed);
            }

            Assert.False(reader.TryReadNext(out _, out _, out _));
        }
    }

    [Fact]
    public void Every_kind_of_message_is_covered() =>
        Assert.Equal(
            typeof(RaftMessage).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(RaftMessage))).ToHashSet(),
            AllKinds().Select(message => message.GetType()).ToHashSet());

    [Fact]
    public void Format_is_what_version_1_wrote()
    {
        // Nodes of a cluster are upgraded one by one: these bytes may never change.
        var writer = new FrameWriter();
        writer.Begin(Header);
        writer.Append(new MessageAddress(new GroupId(300), R(1), R(2)), Append(7, Id(6, 127), 128, 6, 7));
        writer.Append(new MessageAddress(new GroupId(1), R(2), R(1)), new SnapshotChunkReply(T(7), Id(6, 9), -1));
        Assert.Equal(
            "4F52465201" + "33221100554477668899AABBCCDDEEFF" + "11111111222233334444555555555555"
            + "66666666777788889999AAAAAAAAAAAA",
            Convert.ToHexString(writer.Written.Span[..53]));
        Assert.Equal(
            "0501AC0201020706" + "7F8001" + "02" + "0002053132384036" + "0102053132394037",
            Convert.ToHexString(
            writer.Written.Span.Slice(FrameFormat.HeaderBytes + FrameFormat.MessageHeaderBytes, 28)));
        Assert.Equal("0F0101020107060901", Convert.ToHexString(writer.Written.Span[^9..]));
    }

    [Fact]
    public void Read_payloads_do_not_share_the_frames_buffer()
    {
        var writer = new FrameWriter();
        writer.Begin(Header);
        writer.Append(default, Append(1, EntryId.Zero, 0, 1));
        byte[] frame = writer.Written.ToArray();
        FrameReader.TryOpen(frame, out _, out FrameReader reader);
        reader.TryReadNext(out _, out RaftMessage? message, out _);
        Array.Clear(frame);
        RandomMessages.AssertSame(Append(1, EntryId.Zero, 0, 1), message!, 0);
    }

    [Fact]
    public void Every_truncation_gives_a_status_and_nothing_false()
    {
        byte[] frame = Frame(1, 6, out List<RaftMessage> written);
        for (int length = 0; length < frame.Length; length++)
        {
            List<FrameStatus> bad = ReadAll(frame.AsSpan(0, length), written, out int good);
            Assert.True(good < written.Count);
            Assert.True(bad.Count <= 1, $"cut at {length}: {string.Join(',', bad)}");
        }
    }

    [Fact]
    public void Every_single_flipped_bit_is_noticed()
    {
        byte[] frame = Frame(2, 6, out List<RaftMessage> written);
        for (int bit = 0; bit < frame.Length * 8; bit++)
        {
            frame[bit / 8] ^= (byte)(1 << (bit % 8));
            List<FrameStatus> bad = ReadAll(frame, written, out int good);
            Assert.True(bad.Count == 1 && good < written.Count, $"bit {bit}: {good} good, bad {string.Join(',', bad)}");
            frame[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Damaged_body_costs_only_its_own_message()
    {
        byte[] frame = Frame(3, 6, out List<RaftMessage> written);
        frame[FrameFormat.HeaderBytes + FrameFormat.MessageHeaderBytes] ^= 0xFF;
        Assert.Equal([FrameStatus.BadChecksum], ReadAll(frame, written, out int good));
        Assert.Equal(written.Count - 1, good);
    }

    [Fact]
    public void Random_bytes_and_resealed_mutations_never_throw_nor_reserve_much()
    {
        long worst = 0;
        for (ulong seed = 0; seed < 20_000; seed++)
        {
            var random = new SplitMix64(seed);
            byte[] body = RandomMessages.Body(ref random);
            for (ulong changes = random.NextBelow(4) + 1; changes > 0; changes--)
                body[random.NextBelow((ulong)body.Length)] = (byte)random.Next();
            if (random.NextBelow(3) == 0) body = body[..(int)random.NextBelow((ulong)body.Length)];
            long before = GC.GetAllocatedBytesForCurrentThread();
            FrameStatus status = MessageReader.TryRead(body, out _, out RaftMessage? message);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True((status == FrameStatus.Ok) == (message is not null), $"seed {seed}");
            worst = Math.Max(worst, allocated - (40 * body.Length));
        }

        // A configuration is looked at as a whole, which takes a little more.
        Assert.True(worst < 2_000, $"{worst} bytes more than 40 per byte read");
    }

    [Fact]
    public void Claimed_count_and_length_beyond_the_input_reserve_nothing()
    {
        // AppendEntries with a count of 2^62, and with a payload length of 2^62.
        byte[] huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40];
        byte[] head = [5, 1, 1, 1, 2, 7, 0, 0, 0];
        byte[][] bodies = [[.. head, .. huge, 0, 2, 1, 7], [.. head, 1, 0, 2, .. huge, 7, 7, 7],
            [14, 1, 1, 1, 2, 7, 1, 1, 0, 2, 0, 0, 0, 0, .. huge]];
        foreach (byte[] body in bodies)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            FrameStatus status = MessageReader.TryRead(body, out _, out _);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.Equal(FrameStatus.Malformed, status);
            Assert.True(allocated < 200, $"{allocated} bytes");
        }
    }

    [Fact]
    public void Unknown_type_and_version_are_told_apart_and_passed_over()
    {
        Assert.Equal(FrameStatus.UnknownType, MessageReader.TryRead([99, 1, 1, 1, 2, 7], out _, out _));
        Assert.Equal(FrameStatus.UnknownVersion, MessageReader.TryRead([10, 2, 1, 1, 2, 7], out _, out _));
        Assert.Equal(FrameStatus.Malformed, MessageReader.TryRead([10, 1, 1, 1, 2, 7, 0], out _, out _));
        Assert.Equal(FrameStatus.Ok, MessageReader.TryRead([10, 1, 1, 1, 2, 7], out _, out _));
        byte[] frame = Frame(4, 1, out _);
        frame[4] = 2;
        Assert.Equal(FrameStatus.UnknownVersion, FrameReader.TryOpen(frame, out _, out _));
        frame[0] = 0;
        Assert.Equal(FrameStatus.UnknownMagic, FrameReader.TryOpen(frame, out _, out _));
    }

    [Fact]
    public void Message_that_cannot_be_encoded_leaves_the_frame_as_it_was()
    {
        var writer = new FrameWriter();
        Assert.Throws<InvalidOperationException>(() => writer.Append(default, new TimeoutNow(T(1))));
        writer.Begin(Header);
        Assert.Throws<ArgumentException>(() => writer.Append(default, new Strange(T(1))));
        Assert.Throws<ArgumentException>(() =>
            writer.Append(default, new AppendEntries(T(1), Id(1, 1), Entries(5, 1), I(0))));
        Assert.Equal((0, FrameFormat.HeaderBytes), (writer.MessageCount, writer.Length));
    }

    [Fact]
    public void Writing_and_reading_allocate_nothing_per_entry_but_the_payload()
    {
        const int Count = 1_000;
        const int PayloadBytes = 256;
        LogEntry[] entries = [.. Enumerable.Range(1, Count)
            .Select(i => new LogEntry(T(1), I((ulong)i), EntryKind.Command, new byte[PayloadBytes]))];
        var append = new AppendEntries(T(1), EntryId.Zero, entries, I(0));
        var writer = new FrameWriter();
        Write();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++) Write();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        Read();
        before = GC.GetAllocatedBytesForCurrentThread();
        int read = Read();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(Count, read);
        long payloads = Count * (PayloadBytes + 24L);
        long array = Count * (long)System.Runtime.CompilerServices.Unsafe.SizeOf<LogEntry>();
        Assert.InRange(allocated - payloads - array, 0, 300);

        void Write()
        {
            writer.Begin(Header);
            writer.Append(new MessageAddress(new GroupId(1), R(1), R(2)), append);
        }

        int Read()
        {
            FrameReader.TryOpen(writer.Written.Span, out _, out FrameReader reader);
            reader.TryReadNext(out _, out RaftMessage? message, out _);
            return ((AppendEntries)message!).Entries.Length;
        }
    }

    [Fact]
    public void Small_messages_are_small()
    {
        var writer = new FrameWriter();
        writer.Begin(Header);
        writer.Append(new MessageAddress(new GroupId(5), R(1), R(2)), new Heartbeat(T(9), I(1_000_000), 77));
        Assert.InRange(writer.Length - FrameFormat.HeaderBytes, 1, 22);
        writer.Begin(Header);
        writer.Append(new MessageAddress(new GroupId(5), R(1), R(2)),
            new AppendEntries(T(9), Id(9, 1_000), Entries(1_000, [.. Enumerable.Repeat(9ul, 100)]), I(0)));
        int payloads = Entries(1_000, [.. Enumerable.Repeat(9ul, 100)]).Sum(entry => entry.Payload.Length);
        Assert.InRange(writer.Length - payloads, 1, FrameFormat.HeaderBytes + 30 + 300);
    }

    [Fact]
    public void A_writer_gives_back_what_one_huge_frame_took_and_keeps_what_large_frames_need()
    {
        var writer = new FrameWriter();
        var address = new MessageAddress(new GroupId(1), R(1), R(2));
        Write(8 << 20);
        Assert.InRange(writer.CapacityBytes, 8 << 20, 17 << 20);
        // Large frames come again before it has had enough small ones: nothing changes.
        byte[] kept = Buffer();
        for (int i = 0; i < 5 * FrameWriter.FramesUntilShrunk; i++)
            Write(i % FrameWriter.FramesUntilShrunk == 0 ? 5 << 20 : 10);
        Assert.Same(kept, Buffer());
        for (int i = 0; i < 2 * FrameWriter.FramesUntilShrunk; i++) Write(100_000);
        Assert.InRange(writer.CapacityBytes, 100_000, 300_000);
        for (int i = 0; i < 2 * FrameWriter.FramesUntilShrunk; i++) Write(10);
        Assert.Equal(FrameWriter.KeptBytes, writer.CapacityBytes);
        kept = Buffer();
        for (int i = 0; i < 3 * FrameWriter.FramesUntilShrunk; i++) Write(10);
        Assert.Same(kept, Buffer());

        void Write(int bytes)
        {
            writer.Begin(Header);
            writer.Append(address, new SnapshotChunk(T(1), Id(1, 1), 0, bytes, 0, new byte[bytes]));
            Assert.Equal(FrameStatus.Ok, FrameReader.TryOpen(writer.Written.Span, out _, out FrameReader reader));
            Assert.True(reader.TryReadNext(out _, out RaftMessage? message, out _));
        }

        byte[] Buffer() => System.Runtime.InteropServices.MemoryMarshal.TryGetArray(writer.Written,
            out ArraySegment<byte> segment) ? segment.Array! : [];
    }

    private static byte[] Frame(ulong seed, int messages, out List<RaftMessage> written)
    {
        var random = new SplitMix64(seed);
        var writer = new FrameWriter();
        writer.Begin(Header);
        written = [];
        for (int i = 0; i < messages; i++)
        {
            written.Add(RandomMessages.Next(ref random, i % 2 == 0 ? 4 : (int)random.NextBelow(RandomMessages.Kinds)));
            writer.Append(RandomMessages.Address(ref random), written[^1]);
        }

        return writer.Written.ToArray();
    }

    // Whatever is read as good must be what was written.
    private static List<FrameStatus> ReadAll(ReadOnlySpan<byte> frame, List<RaftMessage> written, out int good)
    {
        good = 0;
        FrameStatus opened = FrameReader.TryOpen(frame, out _, out FrameReader reader);
        if (opened != FrameStatus.Ok) return [opened];
        var bad = new List<FrameStatus>();
        for (int position = 0; reader.TryReadNext(out _, out RaftMessage? message, out FrameStatus status); position++)
        {
            if (status == FrameStatus.Ok) RandomMessages.AssertSame(written[position], message!, 0);
            else bad.Add(status);
            if (status == FrameStatus.Ok) good++;
            else Assert.Null(message);
        }

        return bad;
    }

    private static List<RaftMessage> AllKinds()
    {
        var random = new SplitMix64(1);
        var all = new List<RaftMessage>();
        for (int kind = 0; kind < RandomMessages.Kinds; kind++) all.Add(RandomMessages.Next(ref random, kind));
        return all;
    }

    private sealed record Strange(Term Term) : RaftMessage(Term);
}
