namespace Orleans.Raft.Core.Tests;

/// <summary>Messages with random contents, small and extreme numbers among them.</summary>
internal static class RandomMessages
{
    public const int Kinds = 18;

    public static MessageAddress Address(ref SplitMix64 random) =>
        new(new GroupId((uint)Number(ref random)), new ReplicaId(Number(ref random)),
            new ReplicaId(Number(ref random)));

    public static RaftMessage Next(ref SplitMix64 random, int kind)
    {
        var term = new Term(Number(ref random));
        return kind switch
        {
            0 => new PreVote(term, EntryId(ref random)),
            1 => new PreVoteReply(term, random.NextBelow(2) == 0),
            2 => new RequestVote(term, EntryId(ref random), random.NextBelow(2) == 0),
            3 => new RequestVoteReply(term, random.NextBelow(2) == 0),
            4 => Append(ref random, term),
            5 => new AppendEntriesReply(term, Index(ref random)),
            6 => new AppendEntriesRejection(term, Index(ref random), new Term(Number(ref random)), Index(ref random)),
            7 => new Heartbeat(term, Index(ref random), Number(ref random)),
            8 => new HeartbeatReply(term, Number(ref random), Index(ref random)),
            9 => new TimeoutNow(term),
            10 => new ReadIndexRequest(term, Number(ref random), Number(ref random)),
            11 => new ReadIndexReply(term, Number(ref random), Number(ref random), Index(ref random)),
            12 => new InstallSnapshot(term, EntryId(ref random), Configuration(ref random)),
            13 => new SnapshotChunk(term, EntryId(ref random), (long)random.NextBelow(1 << 20), long.MaxValue - 5,
                (uint)random.Next(), Payload(ref random)),
            14 => new ReplicaRemoved(term, Number(ref random)),
            15 => new FallSilent(term, EntryId(ref random), Number(ref random)),
            16 => new FallenSilent(term, Number(ref random)),
            _ => new SnapshotChunkReply(term, EntryId(ref random), (long)random.NextBelow(1_000) - 1),
        };
    }

    /// <summary>The body of a random message, without its header and checksum.</summary>
    public static byte[] Body(ref SplitMix64 random)
    {
        var writer = new FrameWriter();
        writer.Begin(default);
        writer.Append(Address(ref random), Next(ref random, (int)random.NextBelow(Kinds)));
        return writer.Written[(FrameFormat.HeaderBytes + FrameFormat.MessageHeaderBytes)..].ToArray();
    }

    public static void AssertSame(RaftMessage expected, RaftMessage actual, ulong seed)
    {
        switch (expected, actual)
        {
            case (AppendEntries left, AppendEntries right):
                Assert.Equal(left with { Entries = default }, right with { Entries = default });
                Assert.Equal(left.Entries.Length, right.Entries.Length);
                for (int i = 0; i < left.Entries.Length; i++)
                {
                    LogEntry one = left.Entries.Span[i];
                    LogEntry other = right.Entries.Span[i];
                    Assert.True(one.Id == other.Id && one.Kind == other.Kind
                        && one.Payload.Span.SequenceEqual(other.Payload.Span), $"seed {seed}: {one} became {other}");
                }

                break;
            case (SnapshotChunk left, SnapshotChunk right):
                Assert.Equal(left with { Data = default }, right with { Data = default });
                Assert.True(left.Data.Span.SequenceEqual(right.Data.Span), $"seed {seed}");
                break;
            default:
                Assert.Equal(expected, actual);
                break;
        }
    }

    /// <summary>Some of nine replicas, in any of the roles.</summary>
    public static Configuration Configuration(ref SplitMix64 random)
    {
        List<Member> voters = [M(1 + random.NextBelow(9))], outgoing = [], learners = [];
        for (ulong id = 1; id <= 9; id++)
        {
            ulong role = random.NextBelow(6);
            if (role is 0 or 1 && voters[0].Id.Value != id) voters.Add(M(id));
            if (role is 1 or 2) outgoing.Add(M(id));
            if (role == 3 && voters[0].Id.Value != id) learners.Add(M(id));
        }

        bool isJoint = random.NextBelow(2) == 0 && !voters.ToHashSet().SetEquals(outgoing);
        return Core.Configuration.Create(Number(ref random), voters, learners, isJoint ? outgoing : [],
            random.NextBelow(2) == 0 ? default : R(random.NextBelow(30)));
    }

    private static AppendEntries Append(ref SplitMix64 random, Term term)
    {
        EntryId previous = new(new Term(random.NextBelow(1_000)), new LogIndex(random.NextBelow(1UL << 40)));
        var entries = new LogEntry[random.NextBelow(8)];
        EntryId last = previous;
        for (int i = 0; i < entries.Length; i++)
        {
            EntryKind kind = random.NextBelow(8) switch
            {
                0 or 1 => EntryKind.NoOp,
                2 => EntryKind.Configuration,
                _ => EntryKind.Command,
            };
            ReadOnlyMemory<byte> payload = kind switch
            {
                EntryKind.NoOp => default,
                EntryKind.Configuration => Configuration(ref random).Encode(),
                _ => Payload(ref random),
            };
            entries[i] = new LogEntry(
                new Term(last.Term.Value + random.NextBelow(300)), last.Index.Next(), kind, payload);
            last = entries[i].Id;
        }

        return new AppendEntries(term, previous, entries, Index(ref random));
    }

    private static ReadOnlyMemory<byte> Payload(ref SplitMix64 random)
    {
        byte[] bytes = new byte[random.NextBelow(40)];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)random.Next();
        return bytes;
    }

    private static EntryId EntryId(ref SplitMix64 random) => new(new Term(Number(ref random)), Index(ref random));

    private static LogIndex Index(ref SplitMix64 random) => new(Number(ref random));

    private static ulong Number(ref SplitMix64 random) => random.NextBelow(4) switch
    {
        0 => random.NextBelow(3),
        1 => ulong.MaxValue - random.NextBelow(2),
        2 => random.NextBelow(1_000),
        _ => random.Next() >> (int)random.NextBelow(64),
    };
}
