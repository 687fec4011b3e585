using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.Commands;

public sealed class EncodingTests
{
    private static readonly StoreLimits Limits = new() { MaxKeyBytes = 16, MaxValueBytes = 32, MaxBatchBytes = 200 };

    [Fact]
    public void Commands_come_back_as_they_were_written()
    {
        byte[] put = Operation.Put(ColumnFamily.Write, "k"u8, "v"u8);
        byte[] open = Operation.OpenSession(1000);
        var writer = new CommandBatchWriter();
        writer.Add(new SessionId(ulong.MaxValue), 300, 200, put);
        writer.AddUnsessioned(open);
        byte[] batch = writer.ToArray();
        Assert.Equal((2, batch.Length), (writer.Count, writer.Length));

        var reader = new CommandBatchReader(batch);
        Assert.Equal(2, reader.Count);
        Assert.True(reader.MoveNext());
        Assert.Equal((ulong.MaxValue, 300UL, 200UL),
            (reader.Session.Value, reader.Sequence, reader.FirstUnacknowledged));
        Assert.Equal(put, reader.Operation);
        Assert.True(reader.MoveNext());
        Assert.Equal((SessionId.None, 0UL, 0UL), (reader.Session, reader.Sequence, reader.FirstUnacknowledged));
        Assert.Equal(open, reader.Operation);
        Assert.False(reader.MoveNext());
        Assert.False(reader.IsMalformed);
    }

    [Fact]
    public void Joined_batches_hold_the_commands_of_all_in_order_and_the_writer_starts_anew()
    {
        var one = new CommandBatchWriter();
        one.Add(new SessionId(1), 1, 1, Operation.Delete(ColumnFamily.Default, "a"u8));
        var joined = new CommandBatchWriter();
        joined.AddAll(one.ToArray());
        one.Reset();
        one.Add(new SessionId(2), 5, 5, Operation.Delete(ColumnFamily.Default, "b"u8));
        one.Add(new SessionId(2), 6, 5, Operation.Delete(ColumnFamily.Default, "c"u8));
        joined.AddAll(one.ToArray());
        Assert.True(CommandBatchReader.IsWellFormed(joined.ToArray(), Limits, out int count, out _));
        Assert.Equal(3, count);
        var sequences = new List<ulong>();
        var reader = new CommandBatchReader(joined.ToArray());
        while (reader.MoveNext()) sequences.Add(reader.Sequence);
        Assert.Equal([1UL, 5UL, 6UL], sequences);
        Assert.Throws<ArgumentException>(() => joined.AddAll([7]));
        Assert.Equal(3, joined.Count);
    }

    [Fact]
    public void Every_operation_within_its_limits_is_well_formed()
    {
        byte[] key = new byte[16];
        byte[] value = new byte[32];
        AssertWellFormed(Operation.Put(ColumnFamily.Default, key, value));
        AssertWellFormed(Operation.Append(ColumnFamily.Lock, key, value));
        AssertWellFormed(Operation.Delete(ColumnFamily.Write, key));
        foreach (byte[]? expected in new[] { null, value, [] })
        {
            AssertWellFormed(Operation.CompareAndSet(ColumnFamily.Default, key, expected, value));
            AssertWellFormed(Operation.CompareAndSet(ColumnFamily.Default, key, expected, null));
        }
        AssertWellFormed(Operation.Batch([new WriteOperation(key, value), new WriteOperation(key, null)]));
        Assert.Throws<ArgumentException>(() => Operation.Batch([]));

        static void AssertWellFormed(byte[] operation)
        {
            bool accepted =
                CommandBatchReader.IsWellFormed(Single(operation), Limits, out int count, out string? problem);
            Assert.True(accepted && count == 1, problem);
        }
    }

    [Fact]
    public void A_split_comes_back_as_it_was_written_and_one_that_cannot_be_is_malformed()
    {
        byte[] operation = SplitOf(8, 4, 300);
        ParsedOperation split = ParsedOperation.Parse(operation, Limits, out AnswerStatus status);
        Assert.Equal((AnswerStatus.Ok, 3UL, 4UL, 8U, 2L),
            (status, split.RangeVersion, split.ConfigVersion, split.Group.Value, split.Number));
        Assert.Equal("key"u8, split.Key.ToArray());
        Assert.Equal([4, 0xAC, 0x02], split.Replicas.ToArray());
        var batch = new CommandBatchWriter();
        batch.AddUnsessioned(operation);
        Assert.True(CommandBatchReader.IsWellFormed(batch.ToArray(), Limits, out _, out _));
        foreach (byte[] wrong in new[]
        {
            SplitOf(0, 4), SplitOf(8), SplitOf(8, 0), SplitOf(8, 4, 4), SplitOf(8, [.. Enumerable.Range(1, 65).Select(i => (ulong)i)]),
            operation[..^1], [.. operation, 1],
        })
        {
            ParsedOperation.Parse(wrong, Limits, out status);
            Assert.Equal(AnswerStatus.Malformed, status);
        }
    }

    private static byte[] SplitOf(uint child, params ulong[] replicas) => Operation.Split(
        State.TestGroup.DescriptorOf("", ""), "key"u8, new GroupId(child), [.. replicas.Select(id => new ReplicaId(id))]);

    [Fact]
    public void The_steps_of_a_merge_come_back_as_they_were_written_and_those_that_cannot_be_are_malformed()
    {
        var merge = new MergeId(300);
        var source = new GroupDescriptor(new GroupId(8), "a"u8.ToArray(), "b"u8.ToArray(), 9, 0, []);
        var chunk = new MergeChunk(merge, source, 7, 10, 5, "xyz"u8.ToArray());
        ParsedOperation read = Parse(Operation.Freeze(merge, new GroupId(4), 6));
        Assert.Equal((OperationKind.Freeze, merge, 4U, 6UL), (read.Kind, read.Merge, read.Group.Value, read.RangeVersion));
        read = Parse(Operation.Absorb(chunk));
        Assert.Equal((OperationKind.Absorb, merge, 8U, 9UL), (read.Kind, read.Merge, read.Group.Value, read.RangeVersion));
        Assert.Equal((7L, 10L, 5U), (read.Number, read.TotalBytes, read.Checksum));
        Assert.Equal("a b xyz", $"{Bytes.Text(read.Start)} {Bytes.Text(read.End)} {Bytes.Text(read.Value)}");
        Assert.Equal((OperationKind.TakeOver, merge), (Parse(Operation.TakeOver(merge)).Kind, read.Merge));
        Assert.Equal((OperationKind.Abandon, merge), (Parse(Operation.Abandon(merge)).Kind, read.Merge));
        Assert.Equal((OperationKind.Thaw, merge), (Parse(Operation.Thaw(merge)).Kind, read.Merge));
        // Longer than what clients may send.
        Parse(Operation.Absorb(chunk with { OffsetBytes = 0, TotalBytes = 5000, Data = new byte[5000] }));
        foreach (byte[] wrong in new[]
        {
            Operation.Freeze(default, new GroupId(4), 6), Operation.Freeze(merge, new GroupId(0), 6),
            Operation.TakeOver(default), Operation.Abandon(default), Operation.Thaw(default),
            [.. Operation.Thaw(merge), 0], Operation.Freeze(merge, new GroupId(4), 6)[..^1],
            Operation.Absorb(chunk with { Data = default }), Operation.Absorb(chunk with { OffsetBytes = 8 }),
            Operation.Absorb(chunk with { Source = source with { Group = new GroupId(0) } }),
            Operation.Absorb(chunk with { Source = source with { End = "a"u8.ToArray() } }),
            Operation.Absorb(chunk with { TotalBytes = MergeContent.MaxBytes + 1 }),
            Operation.Absorb(chunk with { TotalBytes = 1 << 20, Data = new byte[MergeContent.MaxChunkBytes + 1] }),
        })
        {
            ParsedOperation.Parse(wrong, Limits, out AnswerStatus status);
            Assert.Equal(AnswerStatus.Malformed, status);
        }
        ParsedOperation.Parse(Operation.Absorb(chunk with { Source = source with { End = new byte[17] } }), Limits,
            out AnswerStatus tooLarge);
        Assert.Equal(AnswerStatus.KeyTooLarge, tooLarge);

        static ParsedOperation Parse(byte[] operation)
        {
            ParsedOperation read = ParsedOperation.Parse(operation, Limits, out AnswerStatus status);
            Assert.Equal(AnswerStatus.Ok, status);
            return read;
        }
    }

    [Fact]
    public void What_breaks_a_limit_is_named_before_it_is_proposed()
    {
        AssertProblem("key is larger than 16", Single(Operation.Put(0, new byte[17], [])));
        AssertProblem("value is larger than 32", Single(Operation.Put(0, "k"u8, new byte[33])));
        AssertProblem("value is larger than 32", Single(Operation.CompareAndSet(0, "k"u8, new byte[33], null)));
        AssertProblem("larger than 200", Single(Operation.Batch(
            [.. Enumerable.Repeat(new WriteOperation("k"u8.ToArray(), new byte[30]), 7)])));
        AssertProblem("empty key", Single(Operation.Delete(0, [])));
        AssertProblem("unknown column family", Single(Operation.Delete((ColumnFamily)3, "k"u8)));
        AssertProblem("unknown operation", Single([9]));
        AssertProblem("takes no session", Single(Operation.AdvanceTime(1)));
        AssertProblem("takes no session", Single(SplitOf(8, 4, 5)));
        AssertProblem("start at 1", Single(Operation.Delete(0, "k"u8), sequence: 0));
        AssertProblem("no batch", [2, 0, 0, 0, 0]);
        AssertProblem("no batch", Single(Operation.Delete(0, "k"u8))[..^1]);
        var writer = new CommandBatchWriter();
        writer.AddUnsessioned(Operation.Delete(0, "k"u8));
        AssertProblem("needs a session", writer.ToArray());

        static void AssertProblem(string words, byte[] batch)
        {
            Assert.False(CommandBatchReader.IsWellFormed(batch, Limits, out _, out string? problem));
            Assert.Contains(words, problem, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Reads_come_back_as_they_were_written()
    {
        var writer = new ReadBatchWriter();
        writer.AddScan(ColumnFamily.Lock, "a"u8, "b"u8, 10, reverse: true, 500);
        var joined = new ReadBatchWriter();
        joined.AddGet(ColumnFamily.Write, "k"u8);
        joined.AddAll(writer.ToArray());
        Assert.True(ReadBatchReader.IsWellFormed(joined.ToArray(), Limits, out int count, out _));
        Assert.Equal((2, 2), (count, joined.Count));
        var reader = new ReadBatchReader(joined.ToArray());
        Assert.True(reader.MoveNext() && !reader.IsScan && reader.Family == ColumnFamily.Write);
        Assert.Equal("k"u8, reader.Key);
        Assert.True(reader.MoveNext() && reader.IsScan && reader.IsReverse && reader.Family == ColumnFamily.Lock);
        Assert.Equal((10, 500), (reader.Limit, reader.MaxBytes));
        Assert.Equal("a"u8, reader.Start);
        Assert.Equal("b"u8, reader.End);
        Assert.False(reader.MoveNext() || reader.IsMalformed);
        joined.AddGet(0, new byte[17]);
        Assert.False(ReadBatchReader.IsWellFormed(joined.ToArray(), Limits, out _, out string? problem));
        Assert.Contains("larger than 16", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_answers_of_a_joined_batch_can_be_split_again()
    {
        var writer = new AnswerBatchWriter();
        writer.Add(AnswerStatus.Ok);
        writer.AddMismatch("found"u8.ToArray());
        writer.AddMismatch(null);
        writer.AddSessionOpened(new SessionId(5));
        byte[] first = writer.ToArray();
        writer.Reset();
        writer.AddValue("value"u8);
        writer.AddWrongRange(State.TestGroup.DescriptorOf("a", "b").Encode());
        byte[] second = writer.ToArray();
        writer.Reset();
        writer.AddAll(first);
        writer.AddAll(second);
        var reader = new AnswerBatchReader(writer.ToArray());
        Assert.Equal(first, reader.TakeSlice(4));
        Assert.Empty(State.Answer.All(reader.TakeSlice(0)));
        Assert.Equal(2, reader.Remaining);
        Assert.Equal(second, reader.TakeSlice(2));
        Assert.False(reader.MoveNext());
        Assert.Throws<InvalidDataException>(() => new AnswerBatchReader(first).TakeSlice(5));
    }

    [Fact]
    public void An_answer_gives_only_what_it_carries()
    {
        var writer = new AnswerBatchWriter();
        writer.Add(AnswerStatus.Ok);
        byte[] batch = writer.ToArray();
        Assert.Throws<ArgumentException>(() => writer.Add(AnswerStatus.WrongRange));
        Assert.Throws<ArgumentException>(() => writer.Add(AnswerStatus.Value));
        foreach (Action<AnswerBatchReader> wrong in new Action<AnswerBatchReader>[]
        {
            reader => _ = reader.Value, reader => _ = reader.Session, reader => _ = reader.Descriptor,
            reader => _ = reader.More, reader => _ = reader.Rows,
        })
        {
            Assert.Throws<InvalidOperationException>(() =>
            {
                var reader = new AnswerBatchReader(batch);
                reader.MoveNext();
                wrong(reader);
            });
        }
    }

    [Fact]
    public void Descriptor_and_limits_come_back_as_they_were_written()
    {
        GroupDescriptor descriptor = State.TestGroup.DescriptorOf("a", "");
        Assert.Equal(descriptor, GroupDescriptor.Decode(descriptor.Encode()));
        Assert.NotEqual(descriptor, State.TestGroup.DescriptorOf("a", "b"));
        Assert.Equal(Limits, StoreLimits.Decode(Limits.Encode()));
        Assert.Throws<InvalidDataException>(() => StoreLimits.Decode((Limits with { MaxKeyBytes = 0 }).Encode()));
        Assert.Throws<ArgumentException>(() => new GroupState(descriptor, Limits with { MaxBatchBytes = 10 }));
        Assert.Empty(new StoreLimits().Validate());
    }

    [Fact]
    public void Numbers_of_all_sizes_come_back_and_longer_forms_than_needed_are_refused()
    {
        var buffer = new ByteBuffer();
        ulong[] numbers = [0, 1, 127, 128, 16_383, 16_384, uint.MaxValue, long.MaxValue, ulong.MaxValue];
        foreach (ulong number in numbers) buffer.Varint(number);
        Assert.Equal(buffer.Length, numbers.Sum(ByteBuffer.VarintLength));
        var reader = new ByteReader(buffer.Written);
        foreach (ulong number in numbers) Assert.True(reader.TryVarint(out ulong read) && read == number);
        Assert.True(reader.IsAtEnd);
        foreach (byte[] wrong in new byte[][]
        {
            [], [0x80], [0x80, 0x00], [0x81, 0x80, 0x00], [.. Enumerable.Repeat((byte)0xFF, 9), 0x02],
            [.. Enumerable.Repeat((byte)0xFF, 10), 0x01],
        })
            Assert.False(new ByteReader(wrong).TryVarint(out _));
    }

    private static byte[] Single(byte[] operation, ulong sequence = 1)
    {
        var writer = new CommandBatchWriter();
        writer.Add(new SessionId(1), sequence, 1, operation);
        return writer.ToArray();
    }
}
