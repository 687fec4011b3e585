namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>For how long the database has owed an answer, and why. Read from any thread.</summary>
internal sealed class Stall(TimeProvider time)
{
    // One more than the time at which it was asked; 0: it owes none.
    private long _since;
    private volatile string? _trouble;

    /// <summary>Zero if it owes none.</summary>
    public TimeSpan Length =>
        Interlocked.Read(ref _since) is not 0 and var since ? time.GetElapsedTime(since - 1) : TimeSpan.Zero;

    /// <summary>What it said, or that it could not be reached; null if it owes no answer, or nothing is
    /// known.</summary>
    public string? Trouble
    {
        get => _trouble;
        set => _trouble = value;
    }

    public void Begin() => Interlocked.Exchange(ref _since, time.GetTimestamp() + 1);

    public void End()
    {
        Interlocked.Exchange(ref _since, 0);
        _trouble = null;
    }
}
