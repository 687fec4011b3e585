namespace Orleans.Raft.Core;

/// <summary>Names one log entry: two logs with the same id at an index agree on everything up to it. Raft
/// §5.3.</summary>
public readonly record struct EntryId(Term Term, LogIndex Index)
{
    /// <summary>The place before the first entry.</summary>
    public static readonly EntryId Zero;

    /// <summary>Whether a log that ends here is at least as up to date as one that ends at <paramref name="other"/>.
    /// Raft §5.4.1.</summary>
    public bool IsAtLeastAsUpToDateAs(EntryId other) =>
        Term > other.Term || (Term == other.Term && Index >= other.Index);

    public override string ToString() => $"{Index}@{Term}";
}
