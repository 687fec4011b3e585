using System.Diagnostics;
using Orleans.Raft.Core;

namespace Orleans.Raft.Testing;

/// <summary>What a run of <see cref="CoreThroughput"/> came to.</summary>
/// <param name="Entries">Committed by the leader and applied by all replicas.</param>
/// <param name="AllocatedBytes">By all replicas together, without the payloads.</param>
public sealed record CoreThroughputResult(long Entries, TimeSpan Elapsed, long AllocatedBytes)
{
    public double EntriesPerSecond => Entries / Elapsed.TotalSeconds;

    /// <summary>Allocated per entry beyond its payload, over all replicas.</summary>
    public double BytesPerEntry => (double)AllocatedBytes / Entries;
}

/// <summary>Measures the consensus core alone: replicas in memory on one thread, whose writes complete at
/// once.</summary>
public sealed class CoreThroughput
{
    private const int ArrayHeaderBytes = 24;
    private const int CompactEvery = 10_000;
    private readonly RaftNode[] _nodes;
    private readonly Queue<(ReplicaId From, OutboundMessage Message)> _network = new(64);
    private TimeSpan _now;

    private CoreThroughput(int replicas)
    {
        ReplicaId[] voters = [.. Enumerable.Range(1, replicas).Select(id => new ReplicaId((ulong)id))];
        Configuration group =
            Configuration.Create(1, voters.Select(id => new Member(id, new NodeName($"node-{id.Value}"))), []);
        RaftState fresh = RaftState.Empty with { Configuration = group };
        _nodes =
        [
            .. voters.Select(id => new RaftNode(
                new RaftOptions { Id = id, Seed = id.Value, BootNonce = id.Value }, fresh, _now)),
        ];
    }

    /// <summary>Commits entries in batches of one turn each.</summary>
    /// <param name="entries">How many to measure; a tenth as many run before, to warm up.</param>
    /// <param name="batch">Proposals per turn.</param>
    public static CoreThroughputResult Measure(int entries, int batch, int payloadBytes, int replicas = 3)
    {
        var run = new CoreThroughput(replicas);
        RaftNode leader = run.Elect();
        run.Commit(leader, entries / 10, batch, payloadBytes);
        long bytesBefore = GC.GetAllocatedBytesForCurrentThread();
        long start = Stopwatch.GetTimestamp();
        long committed = run.Commit(leader, entries, batch, payloadBytes);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        run.RequireAppliedEverywhere(leader.CommitIndex);
        int payload = (payloadBytes + ArrayHeaderBytes + 7) & ~7;
        long allocated = GC.GetAllocatedBytesForCurrentThread() - bytesBefore - (committed * payload);
        return new CoreThroughputResult(committed, elapsed, allocated);
    }

    private RaftNode Elect()
    {
        while (true)
        {
            _now += TimeSpan.FromMilliseconds(10);
            foreach (RaftNode node in _nodes)
            {
                node.Tick(_now);
                Pump();
                if (node.Role == Role.Leader && node.CommitIndex > LogIndex.Zero) return node;
            }
        }
    }

    private long Commit(RaftNode leader, int entries, int batch, int payloadBytes)
    {
        ulong start = leader.CommitIndex.Value;
        ulong end = start + (ulong)entries;
        while (leader.CommitIndex.Value < end)
        {
            _now += TimeSpan.FromTicks(100);
            for (int i = 0; i < batch; i++)
            {
                ProposeOutcome outcome = leader.Propose(new byte[payloadBytes], _now, out _);
                if (outcome != ProposeOutcome.Appended) throw new InvalidOperationException($"proposal {outcome}");
            }

            Pump();
            foreach (RaftNode node in _nodes)
            {
                node.Tick(_now);
                Pump();
            }
        }

        return (long)(leader.CommitIndex.Value - start);
    }

    // A figure counts only if the work was done: one more heartbeat tells the followers the last commit index.
    private void RequireAppliedEverywhere(LogIndex index)
    {
        _now += TimeSpan.FromMilliseconds(100);
        foreach (RaftNode node in _nodes)
        {
            node.Tick(_now);
            Pump();
        }

        foreach (RaftNode node in _nodes)
        {
            if (node.LastApplied < index)
                throw new InvalidOperationException($"{node.Id} applied {node.LastApplied} of {index}");
        }
    }

    private void Pump()
    {
        foreach (RaftNode node in _nodes) Drive(node);
        while (_network.TryDequeue(out (ReplicaId From, OutboundMessage Message) sent))
        {
            RaftNode receiver = _nodes[(int)sent.Message.To.Value - 1];
            receiver.Step(sent.From, sent.Message.Message, _now);
            Drive(receiver);
        }
    }

    private void Drive(RaftNode node)
    {
        while (node.HasReady)
        {
            Ready ready = node.TakeReady();
            foreach (OutboundMessage message in ready.Messages) _network.Enqueue((node.Id, message));
            if (ready.RoundToConfirm != 0) node.ConfirmRound(ready.RoundToConfirm, _now);
            if (ready.Write is { } write) node.PersistCompleted(write.Number, _now);
        }

        while (node.NextCommitted(1 << 20) is { IsEmpty: false } committed)
            node.Applied(committed.Span[^1].Index);
        if (node.LastApplied.Value - node.Compacted.Index.Value >= CompactEvery) node.Compact(node.LastApplied);
    }
}
