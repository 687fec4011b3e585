namespace Orleans.Raft.Core;

/// <summary>What an entry is for. Stored and sent as one byte; 0 is not a kind.</summary>
public enum EntryKind : byte
{
    /// <summary>Appended by a new leader to commit what earlier terms left. Raft §8. Its payload is empty.</summary>
    NoOp = 1,

    /// <summary>An opaque command for the state machine.</summary>
    Command = 2,

    /// <summary>A <see cref="Core.Configuration"/>, encoded; in force as soon as it is appended. Raft §6.</summary>
    Configuration = 3,
}

/// <summary>One entry of a group's log.</summary>
/// <param name="Payload">Never changed after the entry was made; shared by the log, the disk writer and
/// messages.</param>
public readonly record struct LogEntry(Term Term, LogIndex Index, EntryKind Kind, ReadOnlyMemory<byte> Payload)
{
    public EntryId Id => new(Term, Index);

    public override string ToString() => $"{Id} {Kind} {Payload.Length}B";
}
