namespace Orleans.Raft.Grains.Interfaces;

/// <summary>The column families.</summary>
[GenerateSerializer, Alias("Orleans.Raft.KvFamily")]
public enum KvFamily : byte
{
    Default = 0,
    Lock = 1,
    Write = 2,
}

/// <summary>How fresh a read must be.</summary>
[GenerateSerializer, Alias("Orleans.Raft.KvConsistency")]
public enum KvConsistency : byte
{
    /// <summary>Sees every write acknowledged before it began.</summary>
    Linearizable = 0,

    /// <summary>As linearizable, as long as clocks run at about the same speed; saves a round of messages.</summary>
    Lease = 1,

    /// <summary>Whatever the replica asked has applied; may be old.</summary>
    Stale = 2,
}

/// <summary>What became of a compare-and-set.</summary>
/// <param name="Current">If not applied, the value found; null if the key was missing.</param>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.KvCompareAndSetResult")]
public sealed record KvCompareAndSetResult([property: Id(0)] bool Applied, [property: Id(1)] byte[]? Current);

/// <summary>One write of a batch.</summary>
/// <param name="Value">Null removes the key.</param>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.KvWrite")]
public sealed record KvWrite(
    [property: Id(0)] byte[] Key, [property: Id(1)] byte[]? Value,
        [property: Id(2)] KvFamily Family = KvFamily.Default);

/// <summary>A range to read: from <paramref name="Start"/> (inclusive) to <paramref name="End"/> (exclusive); empty
/// bounds are open.</summary>
/// <param name="PageRows">The most rows of a page, 1 to 10,000; a page also ends after 1 MiB.</param>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.KvScan")]
public sealed record KvScan(
    [property: Id(0)] byte[] Start, [property: Id(1)] byte[] End, [property: Id(2)] int PageRows = 1000,
    [property: Id(3)] bool Reverse = false, [property: Id(4)] KvFamily Family = KvFamily.Default,
    [property: Id(5)] KvConsistency Consistency = KvConsistency.Linearizable);

/// <summary>A key and its value.</summary>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.KvRow")]
public sealed record KvRow([property: Id(0)] byte[] Key, [property: Id(1)] byte[] Value);

/// <summary>A page of a scan, in the order of the scan.</summary>
/// <param name="Next">What to ask for next; null if the range holds no more.</param>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.KvPage")]
public sealed record KvPage([property: Id(0)] KvRow[] Rows, [property: Id(1)] KvScan? Next);
