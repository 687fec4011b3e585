using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <summary>A snapshot on its way to one follower: one part outstanding at a time. Driven by the replica's
/// turn.</summary>
internal sealed class SnapshotSending(ReplicaId to, Term term, SnapshotFile file)
{
    public ReplicaId To { get; } = to;

    public Term Term { get; } = term;

    public SnapshotFile File { get; } = file;

    /// <summary>Null until the file is open.</summary>
    public ISnapshotReader? Reader { get; set; }

    /// <summary>Where the part outstanding starts; everything before it is acknowledged.</summary>
    public long OffsetBytes { get; set; }

    /// <summary>The part outstanding, kept to be sent again; null while it is read from disk.</summary>
    public SnapshotChunk? Outstanding { get; set; }

    /// <summary>When the part outstanding was sent last; null if it was not yet.</summary>
    public TimeSpan? SentAt { get; set; }

    /// <summary>When the follower last acknowledged something new.</summary>
    public TimeSpan ProgressAt { get; set; }

    /// <summary>Closes the file once no read is under way.</summary>
    public bool IsEnded { get; set; }

    public bool IsReading { get; set; }
}

/// <summary>A snapshot arriving from the leader, written to its file and decoded as it comes.</summary>
internal sealed class SnapshotReceiving(ReplicaId from, SnapshotChunk first, GroupStateDecoder decoder)
{
    public ReplicaId From { get; } = from;

    public Term Term { get; } = first.Term;

    public EntryId Snapshot { get; } = first.Snapshot;

    public long TotalBytes { get; } = first.TotalBytes;

    public uint FileChecksum { get; } = first.FileChecksum;

    public GroupStateDecoder Decoder { get; } = decoder;

    public ISnapshotWriter? Writer { get; set; }

    public long NextOffsetBytes { get; set; }

    /// <summary>Invariant: while true, only the asynchronous work touches <see cref="Writer"/> and
    /// <see cref="Decoder"/>.</summary>
    public bool IsWorking { get; set; }

    public bool IsEnded { get; set; }

    /// <summary>The state, once the file is whole.</summary>
    public GroupState? State { get; set; }

    /// <summary>The group's as of the snapshot, once the file is whole.</summary>
    public Configuration Configuration { get; set; } = Configuration.None;
}
