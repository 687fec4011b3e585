using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Histories;

/// <summary>What a load does.</summary>
/// <param name="Keys">The keys, each with the name of the group that owns it.</param>
public sealed record HistoryLoadOptions(IReadOnlyList<(string Partition, string Key)> Keys)
{
    public int Seed { get; init; } = 1;

    /// <summary>Each has one operation in flight.</summary>
    public int Clients { get; init; } = 8;

    /// <summary>How often gets, puts, appends, deletes, compare-and-sets and scans are drawn.</summary>
    public IReadOnlyList<int> Weights { get; init; } = [8, 4, 4, 2, 4, 2];

    /// <summary>How many reads rely on the leader's lease; the others ask a majority.</summary>
    public int LeaseReadPercent { get; init; } = 30;

    /// <summary>The time that pictures show; the default is the system's.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Keys with the groups that own them.</summary>
    public static HistoryLoadOptions For(ClusterStatus status, params string[] keys) =>
        new([.. keys.Select(key => (PartitionOf(status, key), key))]);

    private static string PartitionOf(ClusterStatus status, string key)
    {
        byte[] bytes = Linearizability.Operation.Bytes(key);
        return status.Groups.Single(group => bytes.AsSpan().SequenceCompareTo(group.Start.Span) >= 0
            && (group.End.Length == 0 || bytes.AsSpan().SequenceCompareTo(group.End.Span) < 0)).Group.ToString();
    }
}
