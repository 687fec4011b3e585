namespace Orleans.Raft.KeyValue;

/// <summary>How a node's replicas behave.</summary>
public sealed record ReplicaOptions
{
    /// <summary>See <see cref="Core.RaftOptions.ElectionTimeout"/>. Default 500 ms.</summary>
    public TimeSpan ElectionTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>See <see cref="Core.RaftOptions.HeartbeatInterval"/>. Default 100 ms.</summary>
    public TimeSpan HeartbeatInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>A group of which nobody has asked anything for so long falls silent: it sends nothing and needs no
    /// ticks until somebody does, or a node is suspected. Null: never. Default 1 s.</summary>
    public TimeSpan? SilenceAfter { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A flush that takes longer makes the replica give up leadership and answer Busy. Default 2 s.</summary>
    public TimeSpan StallLimit { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The least growth of a group's log, in payload bytes, after which a snapshot is taken; more if the last
    /// one was large. Default 32 MiB.</summary>
    public long SnapshotLogBytes { get; init; } = 32 << 20;

    /// <summary>Payload bytes of log entries that all replicas of a node together keep in memory; beyond it those that
    /// keep more than their share take snapshots earlier. Default 256 MiB.</summary>
    public long NodeLogBytes { get; init; } = 256 << 20;

    /// <summary>Bytes of a snapshot, or of what a merge brings, sent in one message, 1 KiB to 1 MiB; of a merge never more
    /// than 512 KiB. Default 256 KiB.</summary>
    public int SnapshotChunkBytes { get; init; } = 256 << 10;

    /// <summary>Most bytes of snapshots that a node sends in a second, to all others together. Default 64 MiB; at least
    /// 64 KiB.</summary>
    public long SnapshotBytesPerSecond { get; init; } = 64 << 20;

    /// <summary>How long a snapshot's sender waits before it sends a part again. Default 1 s.</summary>
    public TimeSpan SnapshotRetryInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Requests waiting for an answer in one replica; more are answered Busy. Default 10,000.</summary>
    public int MaxPendingRequests { get; init; } = 10_000;

    /// <summary>Bytes of requests waiting for an answer in one replica, unless it is a single one; more are answered
    /// Busy. Default 64 MiB.</summary>
    public long MaxPendingBytes { get; init; } = 64 << 20;

    /// <summary>Bytes of peers' messages in one replica's inbox, unless it is a single one; more are dropped, as a
    /// network would. Default 64 MiB.</summary>
    public long MaxInboxBytes { get; init; } = 64 << 20;

    /// <summary>Returns every problem of these options, in words; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (ElectionTimeout < TimeSpan.FromMilliseconds(50))
            problems.Add($"ElectionTimeout is {ElectionTimeout}; it must be at least 50 ms.");
        if (HeartbeatInterval <= TimeSpan.Zero || HeartbeatInterval * 3 > ElectionTimeout)
            problems.Add($"HeartbeatInterval is {HeartbeatInterval}; it must be positive and at most a third of "
                + "ElectionTimeout.");
        if (SilenceAfter < TimeSpan.Zero)
            problems.Add($"SilenceAfter is {SilenceAfter}; it must be at least 0, or null for never.");
        if (StallLimit <= TimeSpan.Zero) problems.Add($"StallLimit is {StallLimit}; it must be positive.");
        if (SnapshotLogBytes < 1024) problems.Add($"SnapshotLogBytes is {SnapshotLogBytes}; it must be at least 1024.");
        if (NodeLogBytes < 1024) problems.Add($"NodeLogBytes is {NodeLogBytes}; it must be at least 1024.");
        if (SnapshotChunkBytes is < 1024 or > 1 << 20)
            problems.Add($"SnapshotChunkBytes is {SnapshotChunkBytes}; it must be 1024 to 1048576.");
        if (SnapshotBytesPerSecond < 64 << 10)
            problems.Add($"SnapshotBytesPerSecond is {SnapshotBytesPerSecond}; it must be at least 65536.");
        if (SnapshotRetryInterval <= TimeSpan.Zero)
            problems.Add($"SnapshotRetryInterval is {SnapshotRetryInterval}; it must be positive.");
        if (MaxPendingRequests < 1) problems.Add($"MaxPendingRequests is {MaxPendingRequests}; it must be at least 1.");
        if (MaxPendingBytes < 1) problems.Add($"MaxPendingBytes is {MaxPendingBytes}; it must be at least 1.");
        if (MaxInboxBytes < 1) problems.Add($"MaxInboxBytes is {MaxInboxBytes}; it must be at least 1.");
        return problems;
    }
}
