namespace Orleans.Raft.Linearizability;

/// <summary>What a client was told.</summary>
public sealed class Answer
{
    private Answer(bool succeeded, string? value, IReadOnlyList<KeyValuePair<string, string>>? rows)
    {
        Succeeded = succeeded;
        Value = value;
        Rows = rows;
    }

    /// <summary>A put, an append or a delete was done; a compare-and-set was applied.</summary>
    public static Answer Done { get; } = new(true, null, null);

    /// <summary>False only for a compare-and-set that found something else.</summary>
    public bool Succeeded { get; }

    /// <summary>Of a get, or of a compare-and-set that was not applied: the value found; null: none.</summary>
    public string? Value { get; }

    /// <summary>Of a scan: the rows in the order given.</summary>
    public IReadOnlyList<KeyValuePair<string, string>>? Rows { get; }

    /// <summary>A get's value; null: none.</summary>
    public static Answer Found(string? value) => new(true, value, null);

    /// <summary>A compare-and-set was not applied and found <paramref name="current"/>; null: none.</summary>
    public static Answer Mismatch(string? current) => new(false, current, null);

    /// <summary>A scan's rows in the order given.</summary>
    public static Answer Scanned(IReadOnlyList<KeyValuePair<string, string>> rows) => new(true, null, rows);

    internal bool Fits(OperationKind kind) => kind switch
    {
        OperationKind.Get => Succeeded && Rows is null,
        OperationKind.Scan => Rows is not null,
        OperationKind.CompareAndSet => Rows is null,
        _ => ReferenceEquals(this, Done),
    };

    /// <summary>The answer as messages show it.</summary>
    public string Describe(OperationKind kind) => kind switch
    {
        OperationKind.Get => Operation.Show(Value),
        OperationKind.Scan => $"[{string.Join(", ", Rows!.Select(row => $"{row.Key}={Operation.Show(row.Value)}"))}]",
        _ => Succeeded ? "ok" : $"found {Operation.Show(Value)}",
    };
}
