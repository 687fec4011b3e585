using System.Diagnostics;
using System.Runtime.CompilerServices;
using Orleans.Raft.Core;

namespace Orleans.Raft.Bench;

/// <summary>What the core alone costs.</summary>
/// <param name="BytesPerEntry">Allocated for each committed entry, all three replicas together, without its
/// payload.</param>
internal sealed record CoreResult(double CommittedPerSecond, double BytesPerEntry)
{
    /// <summary>What the replicas' logs hold of an entry, in arrays of many: the least that keeping it takes.</summary>
    public static readonly int SlotBytes = CoreBenchmark.Replicas * Unsafe.SizeOf<LogEntry>();

    /// <summary>Allocated for each entry beyond its payload and its slots.</summary>
    public double OtherBytesPerEntry => BytesPerEntry - SlotBytes;
}

/// <summary>
/// Three replicas of one group on one thread, without storage: a write is durable as soon as it is handed out, a
/// message arrives as soon as it is sent. Payloads are made beforehand.
/// </summary>
internal sealed class CoreBenchmark
{
    public const int Replicas = 3;

    private const int PayloadCount = 4096;
    private const int ApplyMaxBytes = 1 << 20;
    private const int KeptEntries = 4096;

    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(20);

    private readonly RaftNode[] _nodes = new RaftNode[Replicas];
    private readonly byte[][] _payloads = new byte[PayloadCount][];
    private TimeSpan _now = TimeSpan.FromSeconds(10);

    private CoreBenchmark(int payloadBytes)
    {
        ReplicaId[] voters = [.. Enumerable.Range(1, Replicas).Select(number => new ReplicaId((ulong)number))];
        Configuration group =
            Configuration.Create(1, voters.Select(id => new Member(id, new NodeName($"node-{id.Value}"))), []);
        for (int index = 0; index < Replicas; index++)
        {
            var options = new RaftOptions { Id = voters[index], Seed = (ulong)index, BootNonce = 1 };
            _nodes[index] = new RaftNode(options, RaftState.Empty with { Configuration = group }, _now);
        }
        for (int number = 0; number < PayloadCount; number++) _payloads[number] = new byte[payloadBytes];
    }

    /// <summary>Commits entries for some time, after as long a warm-up.</summary>
    /// <param name="entriesPerBatch">Proposed before the replicas' work is done, as a driver does it turn by
    /// turn.</param>
    public static CoreResult Run(int payloadBytes, int entriesPerBatch, TimeSpan duration)
    {
        var benchmark = new CoreBenchmark(payloadBytes);
        RaftNode leader = benchmark.Elect();
        benchmark.Commit(leader, entriesPerBatch, duration);

        ulong first = leader.CommitIndex.Value;
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        long began = Stopwatch.GetTimestamp();
        benchmark.Commit(leader, entriesPerBatch, duration);
        TimeSpan taken = Stopwatch.GetElapsedTime(began);
        ulong committed = leader.CommitIndex.Value - first;
        return new CoreResult(committed / taken.TotalSeconds,
            (double)(GC.GetAllocatedBytesForCurrentThread() - allocated) / committed);
    }

    private RaftNode Elect()
    {
        while (true)
        {
            _now += s_tick;
            foreach (RaftNode node in _nodes) node.Tick(_now);
            DeliverAll();
            if (Array.Find(_nodes, node => node.Role == Role.Leader) is { } leader) return leader;
        }
    }

    private void Commit(RaftNode leader, int entriesPerBatch, TimeSpan duration)
    {
        long end = Stopwatch.GetTimestamp() + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        int next = 0;
        while (Stopwatch.GetTimestamp() < end)
        {
            _now += TimeSpan.FromMicroseconds(1);
            for (int number = 0; number < entriesPerBatch; number++)
            {
                ProposeOutcome outcome = leader.Propose(_payloads[next++ % PayloadCount], _now, out _);
                Invariant.Require(outcome == ProposeOutcome.Appended, $"the leader answered {outcome}");
            }
            DeliverAll();
            Invariant.Require(leader.CommitIndex == leader.LastEntry.Index, "not all that was proposed is committed");
        }
    }

    private void DeliverAll()
    {
        for (bool any = true; any;)
        {
            any = false;
            foreach (RaftNode node in _nodes)
            {
                while (node.HasReady)
                {
                    any = true;
                    Take(node);
                }
                Apply(node);
            }
        }
    }

    private void Take(RaftNode node)
    {
        Ready ready = node.TakeReady();
        foreach (OutboundMessage outbound in ready.Messages)
            _nodes[outbound.To.Value - 1].Step(node.Id, outbound.Message, _now);
        if (ready.Write is { } write) node.PersistCompleted(write.Number, _now);
    }

    private static void Apply(RaftNode node)
    {
        while (node.NextCommitted(ApplyMaxBytes) is { IsEmpty: false } entries) node.Applied(entries.Span[^1].Index);
        ulong kept = node.LastApplied.Value - node.Compacted.Index.Value;
        if (kept > 2 * KeptEntries) node.Compact(new LogIndex(node.LastApplied.Value - KeptEntries));
    }
}
