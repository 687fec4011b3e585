using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

public sealed class AllocationTests
{
    [Fact]
    public void Applying_a_write_allocates_only_the_values_that_a_snapshot_keeps_it_from_overwriting()
    {
        const int Commands = 64;
        const int ValueArrayBytes = 24 + 256;
        var group = new TestGroup();
        SessionId session = group.Open();
        var answers = new AnswerBatchWriter();
        int answered = 0;
        byte[][] batches = [.. Enumerable.Range(0, 30).Select(i => Batch(session, i * Commands))];
        foreach (byte[] batch in batches[..20]) Apply(batch);
        Assert.InRange(Allocated(batches[20..25]), 0, 1000);
        GroupStateSnapshot snapshot = group.State.Snapshot();
        const int NodeCopies = 2 * (MapNode.NodeBytes + 1000);
        Assert.InRange(Allocated(batches[25..]), Commands * ValueArrayBytes, (Commands * ValueArrayBytes) + NodeCopies);
        Assert.Equal(30 * Commands, answered);
        GC.KeepAlive(snapshot);

        long Allocated(byte[][] applied)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            foreach (byte[] batch in applied) Apply(batch);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        void Apply(byte[] batch)
        {
            answers.Reset();
            LogIndex next = group.State.LastApplied.Index.Next();
            group.State.Apply(new LogEntry(new Term(1), next, EntryKind.Command, batch), answers);
            answered += answers.Count;
        }
    }

    private static byte[] Batch(SessionId session, int before)
    {
        var writer = new CommandBatchWriter();
        for (int i = 0; i < 64; i++)
        {
            int sequence = before + i + 1;
            writer.Add(session, (ulong)sequence, (ulong)Math.Max(1, sequence - 100),
                Operation.Put(ColumnFamily.Default, Bytes.Of($"{i}"), new byte[256]));
        }
        return writer.ToArray();
    }
}
