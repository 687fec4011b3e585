namespace Orleans.Raft.KeyValue;

/// <summary>What the replicas of one node have done since it started. Each adds once a turn; any thread may
/// read.</summary>
internal sealed class StoreCounters
{
    private readonly long[] _values = new long[Enum.GetValues<StoreCount>().Length];

    public long this[StoreCount count] => Interlocked.Read(ref _values[(int)count]);

    public void Add(StoreCount count, long number)
    {
        if (number > 0) Interlocked.Add(ref _values[(int)count], number);
    }
}

/// <summary>What is counted.</summary>
internal enum StoreCount
{
    ProposedBatches,
    CommittedEntries,
    AppliedEntries,
    ReadBatches,
    BusyRequests,
    Elections,
    LeaderChanges,
    RefusedMessages,
    SnapshotSentBytes,
    SnapshotReceivedBytes,
}
