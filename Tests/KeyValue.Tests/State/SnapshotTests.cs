using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

public sealed class SnapshotTests
{
    private static readonly StoreLimits Limits = new() { SessionWindow = 50, MaxValueBytes = 5000 };

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(4096)]
    [InlineData(1 << 20)]
    public void A_state_comes_back_from_pieces_of_any_size(int pieceBytes)
    {
        TestGroup group = Filled(1, pieceBytes == 1 ? 500 : 3000);
        GroupStateSnapshot snapshot = group.State.Snapshot();
        GroupState restored = Decode(Encode(snapshot, pieceBytes), pieceBytes);
        Assert.Equal(snapshot.Digest(), restored.Snapshot().Digest());
        Assert.Equal(group.State.LastApplied, restored.LastApplied);
        Assert.Equal(group.State.GroupTimeMilliseconds, restored.GroupTimeMilliseconds);
        Assert.Equal(group.State.Descriptor, restored.Descriptor);
        Assert.Equal((group.State.SessionCount, group.State.KeyCount), (restored.SessionCount, restored.KeyCount));
        Assert.True(restored.SessionCount > 1 && restored.KeyCount > 50);
    }

    [Fact]
    public void The_encoding_does_not_depend_on_the_size_of_the_pieces()
    {
        GroupStateSnapshot snapshot = Filled(2, 500).State.Snapshot();
        byte[] whole = Encode(snapshot, 1 << 20);
        foreach (int pieceBytes in new[] { 1, 3, 100, 8192 }) Assert.Equal(whole, Encode(snapshot, pieceBytes));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public void A_snapshot_is_not_changed_by_what_is_applied_while_it_is_written(int seed)
    {
        TestGroup group = Filled(seed, 1000);
        GroupStateSnapshot snapshot = group.State.Snapshot();
        byte[] expected = Encode(snapshot, 1 << 20);
        var encoder = new GroupStateEncoder(snapshot);
        var written = new List<byte>();
        byte[] piece = new byte[997];
        var random = new Random(seed);
        for (int filled = encoder.Fill(piece); filled > 0; filled = encoder.Fill(piece))
        {
            written.AddRange(piece.AsSpan(0, filled));
            Churn(group, random, 20);
            if (random.Next(10) == 0) group.State.Snapshot();
        }
        Assert.True(expected.AsSpan().SequenceEqual(written.ToArray()), $"Seed {seed}.");
        Assert.NotEqual(snapshot.Digest(), group.State.Snapshot().Digest());
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public void A_restored_replica_goes_on_as_one_that_never_stopped(int seed)
    {
        TestGroup group = Filled(seed, 1000);
        var restored = new TestGroup(Decode(Encode(group.State.Snapshot(), 4096), 4096));
        Churn(group, new Random(seed), 2000, restored);
        Assert.Equal(group.State.Snapshot().Digest(), restored.State.Snapshot().Digest());
    }

    [Fact]
    public void Sessions_and_their_answers_survive()
    {
        var group = new TestGroup();
        SessionId session = group.Open(1000);
        byte[] append = Operation.Append(ColumnFamily.Default, "k"u8, "x"u8);
        byte[] compare = Operation.CompareAndSet(ColumnFamily.Default, "k"u8, null, null);
        group.Unsessioned(Operation.AdvanceTime(500));
        group.Write(session, 2, 2, append);
        group.Write(session, 3, 2, compare);
        group.Write(session, 4, 2, Operation.Delete(ColumnFamily.Default, "k"u8));
        group.Write(session, 5, 2, append);
        var restored = new TestGroup(Decode(Encode(group.State.Snapshot(), 100), 100));
        Assert.Equal(AnswerStatus.SequenceTooOld, restored.Write(session, 1, 1, append).Status);
        Assert.Equal(AnswerStatus.Ok, restored.Write(session, 2, 2, append).Status);
        Assert.Equal("x", restored.Write(session, 3, 2, compare).Value);
        Assert.Equal("x", restored.Get("k").Value);
        Assert.Equal(TestGroup.SessionOf(2), restored.Open());
        restored.Unsessioned(Operation.AdvanceTime(1501));
        Assert.Equal(AnswerStatus.SessionExpired, restored.Write(session, 6, 6, append).Status);
    }

    [Fact]
    public void An_empty_state_comes_back()
    {
        var group = new TestGroup(Limits);
        GroupState restored = Decode(Encode(group.State.Snapshot(), 64), 64);
        Assert.Equal(EntryId.Zero, restored.LastApplied);
        Assert.Equal(group.State.Snapshot().Digest(), restored.Snapshot().Digest());
    }

    [Fact]
    public void A_difference_in_any_part_changes_the_digest()
    {
        uint[] digests =
        [
            DigestAfter(_ => { }),
            DigestAfter(group => group.Apply(default, EntryKind.NoOp)),
            DigestAfter(group => group.Unsessioned(Operation.AdvanceTime(1))),
            DigestAfter(group => group.Open()),
            DigestAfter(group => new TestClient(group).Put("k", "1")),
            DigestAfter(group => new TestClient(group).Put("k", "2")),
            DigestAfter(group => new TestClient(group).Put("k", "1", ColumnFamily.Lock)),
            DigestAfter(group => group.Write(group.Open(), 2, 1, Operation.Put(0, "k"u8, "1"u8))),
            DigestAfter(group => group.Unsessioned(Operation.Abandon(new MergeId(1)))),
            DigestAfter(group => group.Unsessioned(Operation.Freeze(new MergeId(1), new GroupId(9), 3))),
            DigestAfter(group => group.Unsessioned(Operation.Freeze(new MergeId(2), new GroupId(9), 3))),
            DigestAfter(group => group.Unsessioned(Operation.Freeze(new MergeId(1), new GroupId(8), 3))),
        ];
        Assert.Equal(digests.Length, digests.Distinct().Count());
        Assert.Equal(digests[4], DigestAfter(group => new TestClient(group).Put("k", "1")));

        static uint DigestAfter(Action<TestGroup> action)
        {
            var group = new TestGroup();
            action(group);
            return group.State.Snapshot().Digest();
        }
    }

    [Fact]
    public void Where_a_group_is_in_its_merges_survives()
    {
        (TestGroup upper, TestGroup lower) = MergeTests.Pair();
        List<byte[]> steps = MergeTests.Steps(upper, lower, new MergeId(5), 50);
        Assert.Equal(upper.State.Merges, Copy(upper.State.Snapshot()).Merges);
        lower.Unsessioned(Operation.Abandon(new MergeId(4)));
        foreach (byte[] step in steps[..^1])
        {
            lower.Unsessioned(step);
            GroupState copy = Copy(lower.State.Snapshot());
            Assert.Equal(lower.State.Snapshot().Digest(), copy.Snapshot().Digest());
            Assert.Equal((new MergeId(4), MergeOutcome.Abandoned), (copy.Merges.Last, copy.Merges.Outcome));
            IncomingMerge incoming = copy.Merges.Incoming!;
            Assert.Equal((new MergeId(5), lower.State.Merges.Incoming!.NextOffsetBytes, upper.State.Descriptor.RangeOnly),
                (incoming.Merge, incoming.NextOffsetBytes, incoming.Source));
            Assert.Equal(lower.State.MemoryBytes, copy.MemoryBytes);
        }
        lower.Unsessioned(steps[^1]);
        Assert.Equal(lower.State.Merges, Copy(lower.State.Snapshot()).Merges);
        Assert.Equal(lower.State.KeyValueBytes, Copy(lower.State.Snapshot()).KeyValueBytes);
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void Nonsense_about_merges_is_refused_or_leads_to_a_state_but_never_to_another_exception(int seed)
    {
        var random = new Random(seed);
        (TestGroup upper, TestGroup lower) = MergeTests.Pair();
        foreach (byte[] step in MergeTests.Steps(upper, lower, new MergeId(5), 70)[..^1]) lower.Unsessioned(step);
        int refused = 0;
        foreach (TestGroup group in new[] { upper, lower })
        {
            byte[] content = Encode(group.State.Snapshot(), 1 << 20);
            for (int step = 0; step < 3000; step++)
            {
                byte[] corrupt = (byte[])content.Clone();
                corrupt[random.Next(Math.Min(400, corrupt.Length))] ^= (byte)(1 << random.Next(8));
                try
                {
                    GroupState state = Decode(corrupt, random.Next(1, 500));
                    MergeState merges = state.Merges;
                    Assert.True(merges.Frozen is null || merges.Incoming is null);
                    Assert.True(merges.Frozen is null || merges.Frozen.Merge > merges.Last);
                    Assert.True(merges.Incoming is null || merges.Incoming.Merge > merges.Last);
                    if (state.LastApplied == group.State.LastApplied)
                        new TestGroup(state).Unsessioned(Operation.TakeOver(new MergeId(5)));
                }
                catch (InvalidDataException)
                {
                    refused++;
                }
            }
        }
        Assert.InRange(refused, 1000, 5999);
    }

    [Fact]
    public void The_bytes_of_a_snapshot_stay_the_same_in_every_process_and_version()
    {
        var group = new TestGroup();
        var client = new TestClient(group);
        client.Put("a", "1");
        client.Put("b", "2", ColumnFamily.Write);
        group.Unsessioned(Operation.AdvanceTime(77));
        // CRC-32C of the bytes that SnapshotFormat describes, put together by hand.
        Assert.Equal(3494132837u, group.State.Snapshot().Digest());
    }

    [Theory]
    [InlineData(8)]
    [InlineData(9)]
    public void Corrupt_content_is_refused_or_leads_to_a_state_but_never_to_another_exception(int seed)
    {
        var random = new Random(seed);
        byte[] content = Encode(Filled(seed, 200).State.Snapshot(), 1 << 20);
        int refused = 0;
        for (int step = 0; step < 5000; step++)
        {
            byte[] corrupt = (byte[])content.Clone();
            // The head and the sessions come first: they get half of the damage.
            corrupt[random.Next(2) == 0
                ? random.Next(200)
                : random.Next(corrupt.Length)] ^= (byte)(1 << random.Next(8));
            if (random.Next(4) == 0) corrupt = corrupt[..random.Next(corrupt.Length)];
            try
            {
                Decode(corrupt, random.Next(1, 5000));
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 1000, 4999);
    }

    [Fact]
    public void Content_cut_short_lengthened_or_made_under_other_limits_is_refused()
    {
        byte[] content = Encode(Filled(10, 100).State.Snapshot(), 1 << 20);
        for (int length = 0; length < content.Length; length += 13)
            Assert.Throws<InvalidDataException>(() => Decode(content[..length], 1000));
        Assert.Throws<InvalidDataException>(() => Decode([.. content, 0], 1000));
        var other = new GroupStateDecoder(Limits with { SessionWindow = 51 });
        Assert.Contains("other limits", Assert.Throws<InvalidDataException>(() => other.Add(content)).Message,
            StringComparison.Ordinal);
    }

    /// <summary>A state from the encoded content of a snapshot.</summary>
    internal static GroupState Copy(GroupStateSnapshot snapshot) => Decode(Encode(snapshot, 1 << 16), 1 << 16);

    private static byte[] Encode(GroupStateSnapshot snapshot, int pieceBytes)
    {
        var encoder = new GroupStateEncoder(snapshot);
        var content = new List<byte>();
        byte[] piece = new byte[pieceBytes];
        for (int filled = encoder.Fill(piece); filled > 0; filled = encoder.Fill(piece))
            content.AddRange(piece.AsSpan(0, filled));
        Assert.Equal(0, encoder.Fill(piece));
        return [.. content];
    }

    private static GroupState Decode(byte[] content, int pieceBytes)
    {
        // Bytes 12 and on hold the descriptor; the limits in the head are those the decoder is given.
        var decoder =
            new GroupStateDecoder(content.AsSpan().IndexOf(Limits.Encode()) >= 0 ? Limits : new StoreLimits());
        for (int at = 0; at < content.Length; at += pieceBytes)
            decoder.Add(content.AsSpan(at, Math.Min(pieceBytes, content.Length - at)));
        return decoder.Complete();
    }

    private static TestGroup Filled(int seed, int entries)
    {
        var group = new TestGroup(Limits);
        for (int i = 0; i < 5; i++) group.Open();
        Churn(group, new Random(seed), entries);
        return group;
    }

    /// <summary>Applies random entries, the same to both groups, which must answer the same.</summary>
    private static void Churn(TestGroup group, Random random, int entries, TestGroup? second = null)
    {
        var batch = new CommandBatchWriter();
        for (int i = 0; i < entries; i++)
        {
            // Sequence numbers move on with the log, with retries, gaps and late acknowledgements.
            int wanted = (int)group.State.LastApplied.Index.Value;
            batch.Reset();
            if (random.Next(50) == 0) batch.AddUnsessioned(Operation.OpenSession(random.Next(1, 100_000)));
            if (random.Next(20) == 0)
                batch.AddUnsessioned(Operation.AdvanceTime(group.State.GroupTimeMilliseconds + random.Next(3000)));
            for (int command = random.Next(4); command > 0; command--)
            {
                byte[] key = Bytes.RandomKey(random);
                var family = (ColumnFamily)random.Next(3);
                batch.Add(TestGroup.SessionOf(random.Next(1, 12)), (ulong)(wanted + random.Next(40)),
                    (ulong)(wanted - random.Next(5)), random.Next(4) switch
                {
                    0 => Operation.Delete(family, key),
                    1 => Operation.CompareAndSet(family, key, Bytes.Random(random, 2), null),
                    _ => Operation.Put(family, key, Bytes.Random(random, random.Next(10) == 0 ? 5000 : 20)),
                });
            }
            byte[] payload = batch.ToArray();
            byte[] answers = group.Apply(payload);
            if (second is not null) Assert.Equal(answers, second.Apply(payload));
        }
    }
}
