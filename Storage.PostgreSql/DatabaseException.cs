namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>Why a database did not do what it was asked.</summary>
public enum DatabaseFailure
{
    /// <summary>It cannot be reached, is starting or stopping, broke the connection, or gave up the transaction.
    /// Passes.</summary>
    Unavailable,

    /// <summary>It takes no writes: a standby, or switched to read-only. Passes when that is over.</summary>
    ReadOnly,

    /// <summary>It has no room left. Passes when it has.</summary>
    Full,

    /// <summary>It is set up so that what it acknowledges may be lost. Passes when that is set right.</summary>
    Unsafe,

    /// <summary>The slot's schema is missing or of another version: a command makes or upgrades it.</summary>
    Schema,

    /// <summary>It is not the database that the slot was last written to, as far as can be told: it may lack writes
    /// that were acknowledged. Final until an operator accepts it.</summary>
    Identity,
}

/// <summary>A database did not do what it was asked; whether a write was made is not known. The message says what
/// happened, where, and what to do.</summary>
public sealed class DatabaseException(DatabaseFailure failure, string message, Exception? inner = null)
    : IOException(message, inner)
{
    public DatabaseFailure Failure { get; } = failure;

    /// <summary>Whether it is of no use to try again.</summary>
    public bool IsFinal => Failure is DatabaseFailure.Identity;
}
