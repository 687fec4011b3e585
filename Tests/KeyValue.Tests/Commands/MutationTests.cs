using Orleans.Raft.KeyValue.Tests.State;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.Commands;

/// <summary>Bytes changed, cut, lengthened and mixed at random: nothing throws but what says so.</summary>
public sealed class MutationTests
{
    private static readonly StoreLimits Limits = new()
    {
        MaxKeyBytes = 64, MaxValueBytes = 64, MaxBatchBytes = 2000, SessionTimeoutMilliseconds = 1 << 20,
    };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_entry_makes_apply_throw_and_two_replicas_agree_whatever_it_holds(int seed)
    {
        var random = new Random(seed);
        var one = new TestGroup(Limits, "", "x");
        var two = new TestGroup(Limits, "", "x");
        var statuses = new HashSet<AnswerStatus>();
        int refused = 0;
        int splits = 0;
        for (int step = 0; step < 20_000; step++)
        {
            byte[] batch = RandomBatch(random);
            byte[] bytes = random.Next(3) == 0 ? batch : Mutate(random, batch);
            bool wellFormed = CommandBatchReader.IsWellFormed(bytes, Limits, out int count, out _);
            byte[] answers = one.Apply(bytes);
            // The other replica works from its own copy of the bytes.
            Assert.True(answers.AsSpan().SequenceEqual(two.Apply((byte[])bytes.Clone())), $"Seed {seed}, step {step}.");
            Assert.Equal(one.Child?.Digest(), two.Child?.Digest());
            if (one.Child is not null) splits++;
            List<Answer> all = Answer.All(answers);
            statuses.UnionWith(all.Select(answer => answer.Status));
            if (!wellFormed) refused++;
            else Assert.True(all.Count == count, $"Seed {seed}, step {step}: {all.Count} answers to {count} commands.");
        }
        Assert.Equal(one.State.Snapshot().Digest(), two.State.Snapshot().Digest());
        Assert.True(one.State.KeyCount > 10 && refused > 1000 && splits > 0 && statuses.Count >= 8,
            $"Seed {seed}: {one.State.KeyCount} keys, {refused} refused, {string.Join(' ', statuses)}: no test.");
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void No_batch_of_reads_makes_a_read_throw(int seed)
    {
        var random = new Random(seed);
        var group = new TestGroup(Limits, "", "x");
        var client = new TestClient(group);
        for (int i = 0; i < 50; i++) client.Write(Operation.Put(RandomFamily(random), RandomKey(random), [1]));
        var answers = new AnswerBatchWriter();
        var reads = new ReadBatchWriter();
        int refused = 0;
        for (int step = 0; step < 20_000; step++)
        {
            reads.Reset();
            for (int i = random.Next(4); i >= 0; i--)
            {
                if (random.Next(2) == 0) reads.AddGet(RandomFamily(random), RandomKey(random));
                else reads.AddScan(RandomFamily(random), RandomKey(random), "w"u8, random.Next(9), random.Next(2) == 0,
                    random.Next(300));
            }
            byte[] bytes = Mutate(random, reads.ToArray());
            bool wellFormed = ReadBatchReader.IsWellFormed(bytes, Limits, out int count, out _);
            answers.Reset();
            group.State.Read(bytes, answers);
            if (!wellFormed) refused++;
            else Assert.True(answers.Count == count, $"Seed {seed}, step {step}.");
        }
        Assert.InRange(refused, 1000, 19_000);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(7)]
    public void Mutated_answers_descriptors_and_limits_are_refused_or_read_but_nothing_else(int seed)
    {
        var random = new Random(seed);
        var group = new TestGroup(Limits, "b", "x");
        var client = new TestClient(group);
        client.Put("c", "value");
        var writer = new AnswerBatchWriter();
        writer.Add(AnswerStatus.Ok);
        writer.AddMismatch([1, 2, 3]);
        writer.AddWrongRange(group.State.Descriptor.Encode());
        var reads = new ReadBatchWriter();
        reads.AddScan(ColumnFamily.Default, "b"u8, "x"u8, 0, reverse: false);
        reads.AddGet(ColumnFamily.Default, "c"u8);
        group.State.Read(reads.ToArray(), writer);
        byte[] answers = writer.ToArray();
        int refused = 0;
        for (int step = 0; step < 20_000; step++)
        {
            refused += Refuses(() => Answer.All(Mutate(random, answers)));
            refused += Refuses(() => GroupDescriptor.Decode(Mutate(random, group.State.Descriptor.Encode())));
            refused += Refuses(() => StoreLimits.Decode(Mutate(random, Limits.Encode())));
        }
        Assert.InRange(refused, 5000, 59_000);
    }

    /// <summary>1 if refused as documented; any other exception ends the test.</summary>
    private static int Refuses(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (InvalidDataException)
        {
            return 1;
        }
    }

    private static byte[] RandomBatch(Random random)
    {
        var writer = new CommandBatchWriter();
        for (int i = random.Next(4); i >= 0; i--)
        {
            byte[] operation = RandomOperation(random);
            if (Operation.KindOf(operation) >= OperationKind.OpenSession) writer.AddUnsessioned(operation);
            else writer.Add(State.TestGroup.SessionOf(random.Next(1, 20)), (ulong)random.Next(1, 3000),
                (ulong)random.Next(300), operation);
        }
        return writer.ToArray();
    }

    private static byte[] RandomOperation(Random random) => random.Next(9) switch
    {
        0 => Operation.Put(RandomFamily(random), RandomKey(random), Bytes.Random(random, 64)),
        1 => Operation.Append(RandomFamily(random), RandomKey(random), Bytes.Random(random, 20)),
        2 => Operation.Delete(RandomFamily(random), RandomKey(random)),
        3 or 4 => Operation.CompareAndSet(RandomFamily(random), RandomKey(random),
            random.Next(2) == 0 ? null : Bytes.Random(random, 3), random.Next(2) == 0 ? null : Bytes.Random(random, 3)),
        5 => Operation.Batch([new WriteOperation(RandomKey(random), Bytes.Random(random, 9)),
            new WriteOperation(RandomKey(random), null)]),
        6 => Operation.OpenSession(1 << 19),
        7 => Operation.Split(State.TestGroup.DescriptorOf("", ""), RandomKey(random),
            new Core.GroupId((uint)random.Next(6, 9)), [new Core.ReplicaId(4), new Core.ReplicaId(5)]),
        _ => Operation.AdvanceTime(random.Next(1 << 16)),
    };

    private static ColumnFamily RandomFamily(Random random) => (ColumnFamily)random.Next(3);

    private static byte[] RandomKey(Random random) => [(byte)random.Next('a', 'z'), (byte)random.Next('a', 'f')];

    private static byte[] Mutate(Random random, byte[] bytes)
    {
        byte[] mutated = (byte[])bytes.Clone();
        switch (random.Next(5))
        {
            case 0: return mutated[..random.Next(mutated.Length + 1)];
            case 1: return [.. mutated, .. Bytes.Random(random, 5)];
            case 2: return [.. mutated[..random.Next(mutated.Length + 1)], .. mutated[random.Next(mutated.Length)..]];
        }
        for (int i = random.Next(3); i >= 0; i--)
        {
            ref byte changed = ref mutated[random.Next(mutated.Length)];
            changed = random.Next(3) switch { 0 => (byte)(changed ^ (1 << random.Next(8))), 1 => 0xFF, _ =>
                (byte)random.Next(256) };
        }
        return mutated;
    }
}
