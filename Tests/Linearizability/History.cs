namespace Orleans.Raft.Linearizability;

/// <summary>What is known of an operation's end.</summary>
public enum OperationOutcome
{
    /// <summary>May have taken effect, may do so at any later time, or never.</summary>
    Unknown,

    /// <summary>Answered.</summary>
    Answered,

    /// <summary>Certainly not executed.</summary>
    Refused,
}

/// <summary>One operation of a history.</summary>
/// <param name="Invoked">Its place in the order of all invocations and returns.</param>
/// <param name="Returned">The same of its return; <see cref="long.MaxValue"/> if the outcome is unknown.</param>
/// <param name="InvokedAt">The caller's time, for pictures only.</param>
/// <param name="ReturnedAt">The caller's time; <see cref="long.MaxValue"/> if the outcome is unknown.</param>
public sealed record HistoryEntry(int Id, int Client, Operation Operation, OperationOutcome Outcome, Answer? Answer,
    long Invoked, long Returned, long InvokedAt, long ReturnedAt)
{
    public override string ToString() => $"#{Id} client {Client}: {Operation} = {Outcome switch
    {
        OperationOutcome.Answered => Answer!.Describe(Operation.Kind),
        OperationOutcome.Refused => "refused",
        _ => "unknown",
    }}";
}

/// <summary>
/// Records operations; for any number of threads. The order of calls to the recorder is the order of events: call
/// <see cref="Invoke"/> before the operation is sent and <see cref="Complete"/> after its answer came. So no clock
/// needs to be fine enough: the times given are for pictures only.
/// </summary>
public sealed class History
{
    private readonly Lock _lock = new();
    private readonly List<HistoryEntry> _entries = [];
    private long _sequence;

    public int Count
    {
        get
        {
            lock (_lock) return _entries.Count;
        }
    }

    /// <summary>An operation begins.</summary>
    /// <returns>Its number, from 0.</returns>
    public int Invoke(int client, Operation operation, long now)
    {
        lock (_lock)
        {
            int id = _entries.Count;
            _entries.Add(new HistoryEntry(id, client, operation, OperationOutcome.Unknown, null, _sequence++,
                long.MaxValue, now, long.MaxValue));
            return id;
        }
    }

    /// <summary>An operation was answered.</summary>
    public void Complete(int id, Answer answer, long now)
    {
        lock (_lock)
        {
            HistoryEntry entry = Open(id);
            if (!answer.Fits(entry.Operation.Kind))
                throw new ArgumentException($"This is no answer to {entry.Operation}.", nameof(answer));
            _entries[id] = entry with
            {
                Outcome = OperationOutcome.Answered, Answer = answer, Returned = _sequence++, ReturnedAt = now,
            };
        }
    }

    /// <summary>Nobody knows, or will know, what became of an operation; the same as never completing it.</summary>
    public void Unknown(int id)
    {
        lock (_lock) Open(id);
    }

    /// <summary>An operation was certainly not executed, and will not be.</summary>
    public void Refuse(int id)
    {
        lock (_lock) _entries[id] = Open(id) with { Outcome = OperationOutcome.Refused };
    }

    /// <summary>All operations so far, in order of invocation; those still open count as of unknown outcome.</summary>
    public IReadOnlyList<HistoryEntry> Entries()
    {
        lock (_lock) return [.. _entries];
    }

    private HistoryEntry Open(int id)
    {
        HistoryEntry entry = _entries[id];
        if (entry.Outcome != OperationOutcome.Unknown)
            throw new InvalidOperationException($"{entry} has ended before.");
        return entry;
    }
}
