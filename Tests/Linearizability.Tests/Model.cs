using System.Text;

namespace Orleans.Raft.Linearizability.Tests;

/// <summary>The store as its documentation says, as simple as can be.</summary>
internal sealed class Model
{
    private readonly SortedDictionary<string, string> _values;

    public Model() => _values = new(StringComparer.Ordinal);

    private Model(Model other) => _values = new(other._values, StringComparer.Ordinal);

    public Model Copy() => new(this);

    public string? this[string key] => _values.GetValueOrDefault(key);

    public Answer Apply(Operation operation)
    {
        string? present = this[operation.Key];
        switch (operation.Kind)
        {
            case OperationKind.Get:
                return Answer.Found(present);
            case OperationKind.Scan:
                return Answer.Scanned(Scan(operation));
            case OperationKind.Append:
                _values[operation.Key] = present + operation.Value;
                return Answer.Done;
            case OperationKind.CompareAndSet when present != operation.Expected:
                return Answer.Mismatch(present);
            default:
                if (operation.Value is null) _values.Remove(operation.Key);
                else _values[operation.Key] = operation.Value;
                return Answer.Done;
        }
    }

    /// <summary>Whether the store would answer this; if so it is applied.</summary>
    public bool Explains(Operation operation, Answer? answer)
    {
        Answer mine = Apply(operation);
        return answer is null || Same(mine, answer);
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var (key, value) in _values) text.Append(key).Append('=').Append(value).Append(';');
        return text.ToString();
    }

    private static bool Same(Answer x, Answer y) => x.Succeeded == y.Succeeded && x.Value == y.Value
        && (x.Rows is null ? y.Rows is null : y.Rows is not null && x.Rows.SequenceEqual(y.Rows));

    private KeyValuePair<string, string>[] Scan(Operation scan)
    {
        var rows = _values.Where(row => string.CompareOrdinal(row.Key, scan.Key) >= 0
            && (scan.End.Length == 0 || string.CompareOrdinal(row.Key, scan.End) < 0));
        if (scan.Reverse) rows = rows.Reverse();
        return [.. scan.Limit > 0 ? rows.Take(scan.Limit) : rows];
    }
}
