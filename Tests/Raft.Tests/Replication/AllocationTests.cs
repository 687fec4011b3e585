using Orleans.Raft.Testing;

namespace Orleans.Raft.Core.Tests;

public sealed class AllocationTests
{
    [Theory]
    [InlineData(64)]
    [InlineData(256)]
    public void Replication_allocates_no_more_per_entry_than_its_place_in_each_log(int batch)
    {
        // Three logs hold each entry once; the rest is per message and per write, not per entry.
        const int Logs = 3;
        CoreThroughputResult result = CoreThroughput.Measure(entries: 50_000, batch, payloadBytes: 256);
        int place = System.Runtime.CompilerServices.Unsafe.SizeOf<LogEntry>();
        const double PerTurn = 3_000;
        double bound = (Logs * place * 1.35) + (PerTurn / batch);
        Assert.True(result.Entries >= 50_000);
        Assert.True(result.BytesPerEntry < bound,
            $"{result.BytesPerEntry:F1} bytes per entry, expected below {bound:F1}");
    }
}
