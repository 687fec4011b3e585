namespace Orleans.Raft.Core.Tests;

/// <summary>Whatever peers send, a replica stops only when it is shown that safety is already broken.</summary>
public sealed class HostilePeerTests
{
    [Fact]
    public void No_message_stops_a_replica_unless_it_proves_that_safety_is_broken()
    {
        int taken = 0, stopped = 0, led = 0;
        for (ulong seed = 0; seed < 3_000; seed++)
        {
            var random = new SplitMix64(seed);
            var node = new RaftNode(Options(1, seed), Fresh(3), TimeSpan.Zero);
            TimeSpan now = TimeSpan.Zero;
            try
            {
                for (int step = 0; step < 60; step++)
                {
                    now += TimeSpan.FromMilliseconds(random.NextBelow(60));
                    if (random.NextBelow(4) == 0) node.Tick(now);
                    else node.Step(R(2 + random.NextBelow(3)), Message(ref random, node), now);
                    node.MayFallSilent = random.NextBelow(2) == 0;
                    if (random.NextBelow(3) == 0) node.OfferSilence([], now);
                    if (random.NextBelow(8) == 0) node.ChangeMembership(Change(ref random), now);
                    node.Propose(Bytes("x"), now, out _);
                    node.ReadIndex(1, now);
                    while (node.HasReady)
                    {
                        Ready ready = node.TakeReady();
                        if (ready.Write is { } write) node.PersistCompleted(write.Number, now);
                        if (ready.RoundToConfirm != 0) node.ConfirmRound(ready.RoundToConfirm, now);
                    }

                    if (node.NextCommitted(100) is { IsEmpty: false } entries) node.Applied(entries.Span[^1].Index);
                    if (random.NextBelow(5) == 0) node.Compact(node.LastApplied);
                    if (node.Role == Role.Leader) led++;
                    taken++;
                }
            }
            catch (InvariantViolationException broken)
            {
                Assert.True(broken.Message.Contains("two leaders", StringComparison.Ordinal)
                    || broken.Message.Contains("committed", StringComparison.Ordinal),
                    $"seed {seed}: {broken.Message}");
                stopped++;
            }
        }

        Assert.True(taken > 50_000 && stopped > 100 && led > 1_000,
            $"{taken} taken, {stopped} stopped, {led} turns as leader");
    }

    private static MembershipChange Change(ref SplitMix64 random) => random.NextBelow(3) switch
    {
        0 => new MembershipChange { Add = [M(1 + random.NextBelow(12))] },
        1 => new MembershipChange { Promote = [R(1 + random.NextBelow(12))] },
        _ => new MembershipChange { Remove = [R(1 + random.NextBelow(9))] },
    };

    // Small numbers near the replica's own, so that most messages reach the inner code.
    private static RaftMessage Message(ref SplitMix64 random, RaftNode node)
    {
        Term term = new(node.Term.Value + (random.NextBelow(8) == 0 ? random.NextBelow(3) : 0));
        ulong last = node.LastEntry.Index.Value;
        EntryId near = random.NextBelow(3) == 0
            ? node.LastEntry
            : new EntryId(new Term(random.NextBelow(node.Term.Value + 1)), new LogIndex(random.NextBelow(last + 3)));
        LogIndex index = new(random.NextBelow(last + 3));
        return random.NextBelow(16) switch
        {
            0 => new PreVote(term.Next(), near),
            1 => new PreVoteReply(term.Next(), true),
            2 => new PreVoteReply(term, false),
            3 => new RequestVote(term, near, random.NextBelow(2) == 0),
            4 or 5 => new RequestVoteReply(term, random.NextBelow(4) != 0),
            6 => new AppendEntries(term, near, NewEntries(ref random, term, near), index),
            7 or 8 => new AppendEntriesReply(term, index),
            9 => new AppendEntriesRejection(term, index, new Term(random.NextBelow(term.Value + 2)),
                new LogIndex(random.NextBelow(last + 5))),
            10 => new Heartbeat(term, index, random.NextBelow(5)),
            11 => new HeartbeatReply(term, random.NextBelow(9), index),
            12 => random.NextBelow(2) == 0
                ? new TimeoutNow(term)
                : new InstallSnapshot(term, near, RandomMessages.Configuration(ref random)),
            13 => new FallSilent(term, near, random.NextBelow(5)),
            14 => new FallenSilent(term, random.NextBelow(9)),
            _ => random.NextBelow(2) == 0
                ? new ReadIndexRequest(term, 1, 1)
                : new ReadIndexReply(term, random.NextBelow(3), 1, index),
        };
    }

    private static LogEntry[] NewEntries(ref SplitMix64 random, Term term, EntryId previous)
    {
        LogEntry[] entries =
            Entries(previous.Index.Value, [.. Enumerable.Repeat(term.Value, (int)random.NextBelow(4))]);
        for (int i = 0; i < entries.Length; i++)
        {
            if (random.NextBelow(8) != 0) continue;
            byte[] configuration = RandomMessages.Configuration(ref random).Encode();
            if (random.NextBelow(4) == 0) configuration[random.NextBelow((ulong)configuration.Length)]++;
            entries[i] = entries[i] with { Kind = EntryKind.Configuration, Payload = configuration };
        }

        return entries;
    }
}
