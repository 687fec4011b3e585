using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

public sealed class AllocationTests
{
    [Fact]
    public void Applying_a_write_allocates_nothing_but_what_is_stored()
    {
        const int Commands = 64;
        const int ValueArrayBytes = 24 + 256;
        var group = new TestGroup();
        SessionId session = group.Open();
        var answers = new AnswerBatchWriter();
        int answered = 0;
        byte[][] batches = [.. Enumerable.Range(0, 30).Select(i => Batch(session, i * Commands))];
        foreach (byte[] batch in batches[..20]) Apply(batch);
        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (byte[] batch in batches[20..]) Apply(batch);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(30 * Commands, answered);
        Assert.InRange(allocated, 10 * Commands * ValueArrayBytes, (10 * Commands * ValueArrayBytes) + 1000);

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
