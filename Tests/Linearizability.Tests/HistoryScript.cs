namespace Orleans.Raft.Linearizability.Tests;

/// <summary>Writes histories by hand.</summary>
internal sealed class HistoryScript
{
    private const string Group = "g1";

    public History History { get; } = new();

    public static Operation Get(string key = "x") => Operation.Get(Group, key);

    public static Operation Put(string value, string key = "x") => Operation.Put(Group, key, value);

    public static Operation Append(string suffix, string key = "x") => Operation.Append(Group, key, suffix);

    public static Operation Delete(string key = "x") => Operation.Delete(Group, key);

    public static Operation Cas(string? expected, string? value) =>
        Operation.CompareAndSet(Group, "x", expected, value);

    public static Operation Scan(int limit = 0, bool reverse = false) => Operation.Scan(Group, "", "", limit, reverse);

    public static Answer Rows(params string[] rows) => Answer.Scanned([.. rows.Select(row => row.Split('='))
        .Select(row => KeyValuePair.Create(row[0], row[1]))]);

    /// <summary>An operation after all that ended before.</summary>
    public HistoryScript Do(Operation operation, Answer? answer = null) => End(Begin(operation), answer);

    public HistoryScript Read(string? value, string key = "x") => Do(Get(key), Answer.Found(value));

    public HistoryScript Lose(Operation operation)
    {
        History.Unknown(Begin(operation));
        return this;
    }

    public int Begin(Operation operation) => History.Invoke(History.Count, operation, History.Count);

    public HistoryScript End(int id, Answer? answer = null)
    {
        History.Complete(id, answer ?? Answer.Done, History.Count);
        return this;
    }

    public void IsGood()
    {
        Assert.True(Oracles.SomeOrderExplains(History.Entries()));
        Oracles.Verify(History.Entries(), LinearizabilityChecker.Check(History.Entries()));
    }

    /// <param name="misfit">The number of the operation that fits nowhere.</param>
    public void IsBad(int misfit)
    {
        Assert.False(Oracles.SomeOrderExplains(History.Entries()));
        LinearizabilityResult result = LinearizabilityChecker.Check(History.Entries());
        Assert.False(result.IsLinearizable);
        Assert.Equal(misfit, result.Violation!.Misfit!.Id);
        Assert.DoesNotContain(result.Violation.Order, entry => entry.Id == misfit);
    }
}
