namespace Orleans.Raft.Core.Tests;

public sealed class RaftLogTests
{
    [Fact]
    public void Log_behaves_as_a_plain_list_and_slices_handed_out_never_change()
    {
        for (ulong seed = 0; seed < 60; seed++)
        {
            var random = new SplitMix64(seed);
            ulong start = random.NextBelow(3_000);
            var log = new RaftLog(start == 0 ? EntryId.Zero : Id(1, start));
            var model = new Model(log.Compacted);
            var handedOut = new List<(ReadOnlyMemory<LogEntry> Slice, LogEntry[] Content)>();
            ulong term = 1;
            for (int step = 0; step < 400; step++)
            {
                switch (random.NextBelow(10))
                {
                    case < 5:
                        if (random.NextBelow(5) == 0) term++;
                        LogEntry[] added = [.. Enumerable.Range(1, 1 + (int)random.NextBelow(300)).Select(i =>
                            new LogEntry(T(term), log.LastIndex + (ulong)i, EntryKind.Command,
                                new byte[random.NextBelow(20)]))];
                        log.AppendRange(added);
                        model.Entries.AddRange(added);
                        break;
                    case 5 when model.Entries.Count > 0:
                        int kept = (int)random.NextBelow((ulong)model.Entries.Count);
                        log.TruncateFrom(model.Entries[kept].Index);
                        model.Entries.RemoveRange(kept, model.Entries.Count - kept);
                        term++;
                        break;
                    case 6 when model.Entries.Count > 0:
                        int dropped = (int)random.NextBelow((ulong)model.Entries.Count) + 1;
                        model.Compacted = model.Entries[dropped - 1].Id;
                        log.Compact(model.Compacted.Index);
                        model.Entries.RemoveRange(0, dropped);
                        break;
                    case 7 when random.NextBelow(10) == 0:
                        model.Compacted = Id(++term, model.Last.Index.Value + 1 + random.NextBelow(2_000));
                        model.Entries.Clear();
                        log.Reset(model.Compacted);
                        break;
                    default:
                        if (model.Entries.Count == 0) break;
                        ReadOnlyMemory<LogEntry> slice = log.Slice(model.Entries[(int)random.NextBelow(
                            (ulong)model.Entries.Count)].Index, log.LastIndex, 2_000);
                        handedOut.Add((slice, slice.ToArray()));
                        break;
                }

                model.Check(log, ref random, seed);
            }

            foreach ((ReadOnlyMemory<LogEntry> slice, LogEntry[] content) in handedOut)
                Assert.True(slice.Span.SequenceEqual(content), $"seed {seed}: a slice changed");
        }
    }

    [Fact]
    public void Slice_stops_at_the_byte_bound_but_gives_at_least_one()
    {
        var log = new RaftLog(EntryId.Zero);
        foreach (int size in new[] { 50, 50, 50, 500, 10 })
            log.AppendRange([new LogEntry(T(1), log.LastIndex.Next(), EntryKind.Command, new byte[size])]);
        Assert.Equal(2, log.Slice(I(1), I(5), 100).Length);
        Assert.Equal(1, log.Slice(I(4), I(5), 100).Length);
        Assert.Equal(1, log.Slice(I(5), I(5), 0).Length);
        Assert.Equal(660, log.Bytes);
    }

    [Fact]
    public void Compaction_inside_a_chunk_lets_large_payloads_go()
    {
        var log = new RaftLog(EntryId.Zero);
        WeakReference payload = AddLarge(log);
        log.AppendRange([Entry(1, 2)]);
        log.Compact(I(1));
        GC.Collect();
        Assert.False(payload.IsAlive);
        Assert.Equal(Id(1, 2), log[I(2)].Id);
    }

    [Fact]
    public void Gap_is_an_invariant_violation()
    {
        var log = new RaftLog(EntryId.Zero);
        Assert.Throws<InvariantViolationException>(() => log.AppendRange([Entry(1, 2)]));
        log.AppendRange([Entry(2, 1)]);
        Assert.Throws<InvariantViolationException>(() => log.AppendRange([Entry(1, 2)]));
        Assert.Throws<InvariantViolationException>(() => log.TruncateFrom(I(2)));
        Assert.Throws<InvariantViolationException>(() => log.Slice(I(1), I(2), 10));
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static WeakReference AddLarge(RaftLog log)
    {
        byte[] payload = new byte[2 << 20];
        log.AppendRange([new LogEntry(T(1), I(1), EntryKind.Command, payload)]);
        return new WeakReference(payload);
    }

    private sealed class Model(EntryId compacted)
    {
        public EntryId Compacted { get; set; } = compacted;

        public List<LogEntry> Entries { get; } = [];

        public EntryId Last => Entries.Count == 0 ? Compacted : Entries[^1].Id;

        public void Check(RaftLog log, ref SplitMix64 random, ulong seed)
        {
            Assert.True(log.Last == Last && log.Compacted == Compacted,
                $"seed {seed}: {log.Compacted}..{log.Last}, expected {Compacted}..{Last}");
            Assert.Equal(Entries.Sum(entry => (long)entry.Payload.Length), log.Bytes);
            Assert.Equal(Compacted.Term, log.TermAt(Compacted.Index));
            Assert.False(log.TryTermAt(Last.Index.Next(), out _));
            if (Entries.Count == 0) return;
            int position = (int)random.NextBelow((ulong)Entries.Count);
            LogEntry entry = Entries[position];
            Assert.True(log[entry.Index] == entry, $"seed {seed}: {log[entry.Index]}, expected {entry}");
            LogIndex firstOfTerm = Entries.First(other => other.Term == entry.Term).Index;
            Assert.Equal(firstOfTerm, log.FirstOfTermAt(entry.Index));
            LogIndex? atMost = Entries.Where(other => other.Term <= entry.Term).Select(other => (LogIndex?)other.Index)
                .LastOrDefault();
            Assert.Equal(atMost, log.LastAtMost(entry.Term, log.LastIndex));
            Assert.True(log.Range(entry.Index, log.LastIndex).Span.SequenceEqual(Entries.ToArray().AsSpan(position)),
                $"seed {seed}");
        }
    }
}
