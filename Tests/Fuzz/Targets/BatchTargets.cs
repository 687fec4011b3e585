using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using ByteReader = Orleans.Raft.KeyValue.ByteReader;

namespace Orleans.Raft.Fuzz;

/// <summary>Operations and batches, as clients send them.</summary>
internal static class FuzzBatches
{
    /// <summary>Small, so that inputs reach them.</summary>
    public static readonly StoreLimits Limits = new()
    {
        MaxKeyBytes = 16,
        MaxValueBytes = 64,
        MaxBatchBytes = 512,
        SessionWindow = 8,
        SessionAnswerBytes = 192,
        MaxSessions = 16,
        ScanPageBytes = 128,
        SessionTimeoutMilliseconds = 1000,
    };

    /// <summary>What reads as malformed is not well formed, and what is not is refused in words.</summary>
    public static void RequireOneVerdict(bool isSound, bool isMalformed, string? problem)
    {
        if (isSound && isMalformed || !isSound && string.IsNullOrEmpty(problem))
            throw new FindingException($"well formed: {isSound}, malformed: {isMalformed}, problem: {problem}");
    }

    public static ColumnFamily Family(FuzzRandom random) => (ColumnFamily)random.Below(3);

    public static byte[] Key(FuzzRandom random) =>
        random.OneIn(10) ? random.Bytes(20) : [(byte)('a' + random.Below(8)), .. random.Bytes(3)];

    public static byte[] Value(FuzzRandom random) => random.Bytes(random.OneIn(10) ? 70 : 12);

    public static byte[] Any(FuzzRandom random) => random.Below(12) switch
    {
        0 or 1 => Operation.Put(Family(random), Key(random), Value(random)),
        2 => Operation.Append(Family(random), Key(random), Value(random)),
        3 => Operation.Delete(Family(random), Key(random)),
        4 or 5 => Operation.CompareAndSet(Family(random), Key(random), random.OneIn(3) ? null : Value(random),
            random.OneIn(3) ? null : Value(random)),
        6 => Operation.Batch([.. Enumerable.Range(0, 1 + random.Below(4)).Select(_ => new WriteOperation(Key(random),
            random.OneIn(3) ? default(ReadOnlyMemory<byte>?) : Value(random), Family(random)))]),
        7 => Operation.OpenSession((long)(random.Number() >> 1)),
        8 => Operation.Split(ApplyTarget.Descriptor with { RangeVersion = 1 + (ulong)random.Below(3) / 2 }, Key(random),
            new GroupId((uint)random.Below(4)), [new ReplicaId((ulong)random.Below(4))]),
        9 or 10 => MergeStep(random),
        _ => Operation.AdvanceTime((long)(random.Number() >> 1)),
    };

    /// <summary>A step of a merge, that of the neighbour of <see cref="ApplyTarget"/>'s group as a rule.</summary>
    public static byte[] MergeStep(FuzzRandom random)
    {
        var merge = new MergeId((ulong)random.Below(4));
        switch (random.Below(6))
        {
            case 0: return Operation.Freeze(merge, new GroupId((uint)random.Below(4)), (ulong)random.Below(3));
            case 1: return Operation.TakeOver(merge);
            case 2: return Operation.Abandon(merge);
            case 3: return Operation.Thaw(merge);
            default:
                byte[] content = Neighbour(random);
                int at = random.OneIn(2) ? 0 : random.Below(content.Length);
                int count = random.OneIn(2) ? content.Length - at : random.Below(content.Length - at + 1);
                return Operation.Absorb(new MergeChunk(merge, NeighbourRange, at, content.Length,
                    random.OneIn(4) ? 1 : Crc32C.Compute(content), content.AsMemory(at, count)));
        }
    }

    private static readonly GroupDescriptor NeighbourRange = new(new GroupId(2), [(byte)'g'], [], 2, 0, []);

    /// <summary>What a neighbour has, sometimes damaged.</summary>
    private static byte[] Neighbour(FuzzRandom random)
    {
        var state = new GroupState(NeighbourRange, Limits);
        var writer = new CommandBatchWriter();
        writer.AddUnsessioned(Operation.OpenSession(1000));
        SessionId session = SessionId.Of(NeighbourRange.Group, 1);
        writer.Add(session, 1, 0, Operation.Put(ColumnFamily.Default, "h"u8, Value(random)));
        writer.Add(session, 2, 0, Operation.Put(ColumnFamily.Default, "a"u8, "1"u8));
        state.Apply(ApplyTarget.Entry(state, writer.ToArray()), null);
        byte[] content = MergeContent.Of(default, state.Snapshot()).Bytes.ToArray();
        if (random.OneIn(3)) content[random.Below(content.Length)] ^= (byte)(1 << random.Below(8));
        return content;
    }

    /// <summary>A session that <see cref="ApplyTarget"/>'s group opened.</summary>
    public static SessionId SessionOf(int number) => SessionId.Of(ApplyTarget.Descriptor.Group, (uint)number);

    /// <summary>A batch as <see cref="ApplyTarget"/>'s group understands it: it has sessions 1 and 2.</summary>
    public static byte[] Commands(FuzzRandom random)
    {
        var writer = new CommandBatchWriter();
        if (random.OneIn(8))
        {
            writer.AddUnsessioned(Any(random));
            return writer.ToArray();
        }
        for (int left = random.Below(6); left > 0; left--)
        {
            byte[] operation = Any(random);
            if (operation[0] >= (byte)OperationKind.OpenSession) writer.AddUnsessioned(operation);
            else writer.Add(random.OneIn(5) ? new SessionId(random.Number() | 1) : SessionOf(1 + random.Below(2)),
                random.OneIn(4) ? random.Number() : 1 + (ulong)random.Below(10),
                random.OneIn(4) ? random.Number() : (ulong)random.Below(6), operation);
        }
        return writer.ToArray();
    }

    public static byte[] Reads(FuzzRandom random)
    {
        var writer = new ReadBatchWriter();
        for (int left = random.Below(6); left > 0; left--)
        {
            if (random.OneIn(2)) writer.AddGet(Family(random), [.. Key(random), (byte)'k']);
            else writer.AddScan(Family(random), random.OneIn(3) ? [] : Key(random), random.OneIn(3) ? [] : Key(random),
                (int)(random.Number() & int.MaxValue), random.OneIn(2), (int)(random.Number() & int.MaxValue));
        }
        return writer.ToArray();
    }

    public static byte[] Answers(FuzzRandom random)
    {
        var writer = new AnswerBatchWriter();
        for (int left = random.Below(6); left > 0; left--) AddAny(random, writer);
        return writer.ToArray();
    }

    /// <summary>A batch of one answer.</summary>
    public static byte[] Answer(FuzzRandom random)
    {
        var writer = new AnswerBatchWriter();
        AddAny(random, writer);
        return writer.ToArray();
    }

    private static void AddAny(FuzzRandom random, AnswerBatchWriter writer)
    {
        switch (random.Below(6))
        {
            case 0: writer.AddValue(random.Bytes(30)); break;
            case 1: writer.AddMismatch(random.OneIn(2) ? null : random.Bytes(30)); break;
            case 2: writer.AddSessionOpened(new SessionId(Math.Max(1, random.Number()))); break;
            case 3: writer.AddWrongRange(FuzzFormation.Descriptor(random).Encode()); break;
            case 4: AddPage(random, writer); break;
            default:
                writer.Add(random.Of(AnswerStatus.Ok, AnswerStatus.NotFound, AnswerStatus.Busy,
                    AnswerStatus.SessionExpired, AnswerStatus.SequenceTooOld, AnswerStatus.Malformed, AnswerStatus.Frozen,
                    AnswerStatus.Refused));
                break;
        }
    }

    private static void AddPage(FuzzRandom random, AnswerBatchWriter writer)
    {
        writer.BeginPage();
        int rows = random.Below(4);
        for (int i = 0; i < rows; i++) writer.TryAddRow(Key(random), Value(random), int.MaxValue);
        writer.EndPage(more: rows > 0 && random.OneIn(2));
    }
}

/// <summary>One operation.</summary>
internal sealed class OperationTarget : FuzzTarget
{
    public override string Name => "operation";

    public override int Weight => 20;

    public override bool GeneratesValid => false; // Some exceed the limits.

    public override byte[] Generate(FuzzRandom random) => FuzzBatches.Any(random);

    public override Reading Read(byte[] input)
    {
        ParsedOperation.Parse(input, FuzzBatches.Limits, out AnswerStatus status);
        Operation.TryReadKey(input, out _, out _);
        return new Reading(status == AnswerStatus.Ok);
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.IsAccepted) RequireSame(input, Written(input));
    }

    public override long AllocationBound(int inputLength) => 500;

    public static byte[] Written(ReadOnlySpan<byte> bytes)
    {
        ParsedOperation read = ParsedOperation.Parse(bytes, FuzzBatches.Limits, out _);
        return read.Kind switch
        {
            OperationKind.Put => Operation.Put(read.Family, read.Key, read.Value),
            OperationKind.Append => Operation.Append(read.Family, read.Key, read.Value),
            OperationKind.Delete => Operation.Delete(read.Family, read.Key),
            OperationKind.CompareAndSet => Operation.CompareAndSet(read.Family, read.Key,
                read.HasExpected ? read.Expected.ToArray() : null, read.HasValue ? read.Value.ToArray() : null),
            OperationKind.Batch => Operation.Batch(Writes(read)),
            OperationKind.OpenSession => Operation.OpenSession(read.Number),
            OperationKind.Split => Operation.Split(ApplyTarget.Descriptor with
                { RangeVersion = read.RangeVersion, ConfigVersion = read.ConfigVersion }, read.Key, read.Group, Replicas(read)),
            OperationKind.Freeze => Operation.Freeze(read.Merge, read.Group, read.RangeVersion),
            OperationKind.Absorb => Operation.Absorb(new MergeChunk(read.Merge, new GroupDescriptor(read.Group,
                read.Start.ToArray(), read.End.ToArray(), read.RangeVersion, 0, []), read.Number, read.TotalBytes,
                read.Checksum, read.Value.ToArray())),
            OperationKind.TakeOver => Operation.TakeOver(read.Merge),
            OperationKind.Abandon => Operation.Abandon(read.Merge),
            OperationKind.Thaw => Operation.Thaw(read.Merge),
            _ => Operation.AdvanceTime(read.Number),
        };
    }

    private static List<ReplicaId> Replicas(in ParsedOperation read)
    {
        var replicas = new List<ReplicaId>();
        var reader = new ByteReader(read.Replicas);
        while (reader.TryVarint(out ulong replica)) replicas.Add(new ReplicaId(replica));
        return replicas;
    }

    private static List<WriteOperation> Writes(in ParsedOperation read)
    {
        var writes = new List<WriteOperation>();
        var reader = new ByteReader(read.Writes);
        for (long i = 0; i < read.Number; i++)
        {
            ParsedOperation write = default;
            ParsedOperation.TryReadWrite(ref reader, FuzzBatches.Limits, ref write);
            writes.Add(new WriteOperation(write.Key.ToArray(),
                write.HasValue ? write.Value.ToArray() : default(ReadOnlyMemory<byte>?), write.Family));
        }
        return writes;
    }
}

/// <summary>The payload of a log entry.</summary>
internal sealed class CommandBatchTarget : FuzzTarget
{
    public override string Name => "command-batch";

    public override int Weight => 20;

    public override byte[] Generate(FuzzRandom random) => FuzzBatches.Commands(random);

    public override Reading Read(byte[] input)
    {
        var reader = new CommandBatchReader(input);
        while (reader.MoveNext())
        {
        }
        // Also what has no sound framing must be refused in words.
        bool isSound = CommandBatchReader.IsWellFormed(input, FuzzBatches.Limits, out _, out string? problem);
        FuzzBatches.RequireOneVerdict(isSound, reader.IsMalformed, problem);
        return new Reading(!reader.IsMalformed, isSound);
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (!reading.IsAccepted) return;
        var writer = new CommandBatchWriter();
        var reader = new CommandBatchReader(input);
        while (reader.MoveNext())
        {
            if (reader.Session.IsNone) writer.AddUnsessioned(reader.Operation);
            else writer.Add(reader.Session, reader.Sequence, reader.FirstUnacknowledged, reader.Operation);
            if (reading.Content is true) RequireSame(reader.Operation, OperationTarget.Written(reader.Operation));
        }
        RequireSame(input, writer.ToArray());
    }

    public override long AllocationBound(int inputLength) => 2_000;
}

/// <summary>Gets and scans.</summary>
internal sealed class ReadBatchTarget : FuzzTarget
{
    public override string Name => "read-batch";

    public override int Weight => 20;

    public override byte[] Generate(FuzzRandom random) => FuzzBatches.Reads(random);

    public override Reading Read(byte[] input)
    {
        var reader = new ReadBatchReader(input);
        while (reader.MoveNext())
        {
        }
        bool isSound = ReadBatchReader.IsWellFormed(input, FuzzBatches.Limits, out _, out string? problem);
        FuzzBatches.RequireOneVerdict(isSound, reader.IsMalformed, problem);
        return new Reading(!reader.IsMalformed);
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (!reading.IsAccepted) return;
        var writer = new ReadBatchWriter();
        var reader = new ReadBatchReader(input);
        while (reader.MoveNext())
        {
            if (reader.IsScan)
                writer.AddScan(reader.Family, reader.Start, reader.End, reader.Limit, reader.IsReverse,
                    reader.MaxBytes);
            else writer.AddGet(reader.Family, reader.Key);
        }
        RequireSame(input, writer.ToArray());
    }

    public override long AllocationBound(int inputLength) => 2_000;
}

/// <summary>What a group answers.</summary>
internal sealed class AnswerBatchTarget : FuzzTarget
{
    public override string Name => "answer-batch";

    public override int Weight => 20;

    public override byte[] Generate(FuzzRandom random) => FuzzBatches.Answers(random);

    public override Reading Read(byte[] input)
    {
        try
        {
            OperationAnswer[] answers = OperationAnswer.ReadAll(input);
            var reader = new AnswerBatchReader(input);
            while (reader.MoveNext())
            {
                if (reader.Status == AnswerStatus.WrongRange) _ = reader.Descriptor;
            }
            return new Reading(true, answers);
        }
        catch (InvalidDataException)
        {
            return Reading.Refused;
        }
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.Content is not OperationAnswer[] answers) return;
        foreach (OperationAnswer answer in answers)
            if (answer.HasMore && answer.Rows.Length == 0)
                throw new FindingException("a page without rows claims that more follow");
        var whole = new AnswerBatchReader(input);
        int half = answers.Length / 2;
        var joined = new AnswerBatchWriter();
        joined.AddAll(whole.TakeSlice(half));
        joined.AddAll(whole.TakeSlice(answers.Length - half));
        RequireSame(input, joined.ToArray());
        RequireSame(input, Written(input));
    }

    // An answer of one byte becomes a record of eighty, a row of two one of eighty too.
    public override long AllocationBound(int inputLength) => 3_000 + (120L * inputLength);

    private static byte[] Written(byte[] input)
    {
        var writer = new AnswerBatchWriter();
        var reader = new AnswerBatchReader(input);
        while (reader.MoveNext())
        {
            switch (reader.Status)
            {
                case AnswerStatus.Value: writer.AddValue(reader.Value); break;
                case AnswerStatus.Mismatch: writer.AddMismatch(reader.HasValue ? reader.Value.ToArray() : null); break;
                case AnswerStatus.SessionOpened: writer.AddSessionOpened(reader.Session); break;
                case AnswerStatus.WrongRange: writer.AddWrongRange(reader.Descriptor.Encode()); break;
                case AnswerStatus.Page:
                    writer.BeginPage();
                    PageReader rows = reader.Rows;
                    while (rows.MoveNext()) writer.TryAddRow(rows.Key.ToArray(), rows.Value.ToArray(), int.MaxValue);
                    writer.EndPage(reader.More);
                    break;
                default: writer.Add(reader.Status); break;
            }
        }
        return writer.ToArray();
    }
}
