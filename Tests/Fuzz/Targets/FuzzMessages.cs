using Orleans.Raft.Core;

namespace Orleans.Raft.Fuzz;

/// <summary>Messages of every kind, with numbers at every boundary.</summary>
internal static class FuzzMessages
{
    private const int Kinds = 18;

    public static MessageAddress Address(FuzzRandom random) => new(
        new GroupId((uint)random.Number()), new ReplicaId(random.Number()), new ReplicaId(random.Number()));

    public static RaftMessage Next(FuzzRandom random)
    {
        var term = new Term(random.Number());
        return random.Below(Kinds) switch
        {
            0 => new PreVote(term, Id(random)),
            1 => new PreVoteReply(term, random.OneIn(2)),
            2 => new RequestVote(term, Id(random), random.OneIn(2)),
            3 => new RequestVoteReply(term, random.OneIn(2)),
            4 => Append(random, term),
            5 => new AppendEntriesReply(term, Index(random)),
            6 => new AppendEntriesRejection(term, Index(random), new Term(random.Number()), Index(random)),
            7 => new Heartbeat(term, Index(random), random.Number()),
            8 => new HeartbeatReply(term, random.Number(), Index(random)),
            9 => new TimeoutNow(term),
            10 => new ReadIndexRequest(term, random.Number(), random.Number()),
            11 => new ReadIndexReply(term, random.Number(), random.Number(), Index(random)),
            12 => new InstallSnapshot(term, Id(random), AnyConfiguration(random)),
            13 => Chunk(random, term),
            14 => new ReplicaRemoved(term, random.Number()),
            15 => new FallSilent(term, Id(random), random.Number()),
            16 => new FallenSilent(term, random.Number()),
            _ => new SnapshotChunkReply(term, Id(random), (long)random.Number()),
        };
    }

    private static AppendEntries Append(FuzzRandom random, Term term)
    {
        EntryId previous = Id(random);
        var entries = new LogEntry[random.Below(6)];
        EntryId last = previous;
        for (int i = 0; i < entries.Length; i++)
        {
            ulong rise = random.OneIn(3) ? random.Number() : 0;
            if (rise > ulong.MaxValue - last.Term.Value) rise = 0;
            entries[i] = new LogEntry(new Term(last.Term.Value + rise), last.Index.Next(),
                random.Of(EntryKind.NoOp, EntryKind.Command, EntryKind.Configuration), random.Bytes(20));
            if (entries[i].Kind == EntryKind.Configuration && random.OneIn(2))
                entries[i] = entries[i] with { Payload = AnyConfiguration(random).Encode() };
            last = entries[i].Id;
        }
        return new AppendEntries(term, previous, entries, Index(random));
    }

    public static Configuration AnyConfiguration(FuzzRandom random)
    {
        ulong voters = 1 + (ulong)random.Below(4);
        ulong learners = (ulong)random.Below(3);
        return Configuration.Create(random.Number(), Members(1, voters), Members(10, learners),
            random.OneIn(2) ? Members(5, voters) : []);
    }

    private static IEnumerable<Member> Members(ulong first, ulong count)
    {
        for (ulong id = first; id < first + count; id++)
            yield return new Member(new ReplicaId(id), new NodeName($"node-{id}"));
    }

    private static SnapshotChunk Chunk(FuzzRandom random, Term term)
    {
        byte[] data = random.Bytes(40);
        long offset = (long)(random.Number() & (long.MaxValue >> 1));
        long total = offset + data.Length + random.Below(100);
        return new SnapshotChunk(term, Id(random), offset, total, (uint)random.Bits(), data);
    }

    private static EntryId Id(FuzzRandom random) => new(new Term(random.Number()), Index(random));

    private static LogIndex Index(FuzzRandom random) => new(random.Number());
}
