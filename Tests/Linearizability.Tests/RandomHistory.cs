namespace Orleans.Raft.Linearizability.Tests;

/// <summary>What a random history is made of.</summary>
/// <param name="UnknownPercent">How many operations end without an answer.</param>
/// <param name="UniqueValues">False: all values come from a few short texts.</param>
/// <param name="Weights">Of get, put, append, delete, compare-and-set, scan.</param>
internal sealed record HistoryShape(int Operations, int Clients, int Keys, int UnknownPercent, bool UniqueValues,
    int[] Weights)
{
    public static int[] AllKinds { get; } = [8, 4, 4, 2, 4, 0];

    public static int[] WithScans { get; } = [6, 5, 3, 2, 3, 3];
}

/// <summary>
/// A history of an atomic store: each operation takes effect at a random moment between invocation and return; one of
/// unknown outcome at once, much later, or never.
/// </summary>
internal sealed class RandomHistory
{
    private static readonly string[] FewValues = ["a", "b", "ab", ""];

    private readonly HistoryShape _shape;
    private readonly Random _random;
    private readonly Model _model = new();
    private readonly History _history = new();
    private readonly List<Operation> _lurking = [];
    private int _values;

    private RandomHistory(HistoryShape shape, int seed)
    {
        _shape = shape;
        _random = new Random(seed);
    }

    public static IReadOnlyList<HistoryEntry> Make(HistoryShape shape, int seed)
    {
        var maker = new RandomHistory(shape, seed);
        maker.Run();
        return maker._history.Entries();
    }

    /// <summary>The same history with one thing changed that may make it wrong.</summary>
    public static IReadOnlyList<HistoryEntry> Mutate(IReadOnlyList<HistoryEntry> entries, int seed)
    {
        var random = new Random(seed);
        HistoryEntry[] changed = [.. entries];
        int place = random.Next(changed.Length);
        HistoryEntry entry = changed[place];
        if (entry.Outcome == OperationOutcome.Unknown)
        {
            changed[place] = entry with { Outcome = OperationOutcome.Refused };
            return changed;
        }
        HistoryEntry other = changed[random.Next(changed.Length)];
        string? value = other.Answer?.Value ?? other.Operation.Value;
        changed[place] = entry.Operation.Kind switch
        {
            OperationKind.Get => entry with { Answer = Answer.Found(value) },
            OperationKind.CompareAndSet when entry.Answer!.Succeeded || random.Next(2) == 0 =>
                entry with { Answer = Answer.Mismatch(value) },
            OperationKind.CompareAndSet => entry with { Answer = Answer.Done },
            OperationKind.Scan => entry with { Answer = Mutate(entry.Answer!, value, random) },
            _ => entry with { Outcome = OperationOutcome.Refused, Answer = null, Returned = long.MaxValue },
        };
        return changed;
    }

    private static Answer Mutate(Answer scanned, string? value, Random random)
    {
        var rows = scanned.Rows!.ToList();
        int place = random.Next(rows.Count + 1);
        if (place == rows.Count) rows.Add(new($"k{random.Next(3)}", value ?? ""));
        else if (value is null) rows.RemoveAt(place);
        else rows[place] = new(rows[place].Key, value);
        return Answer.Scanned(rows);
    }

    private void Run()
    {
        var inFlight = new (int Id, Operation Operation, Answer? Answer)?[_shape.Clients];
        int begun = 0, now = 0;
        while (begun < _shape.Operations || inFlight.Any(operation => operation is not null))
        {
            now++;
            if (_lurking.Count > 0 && _random.Next(12) == 0)
            {
                int which = _random.Next(_lurking.Count);
                _model.Apply(_lurking[which]);
                _lurking.RemoveAt(which);
            }
            int client = _random.Next(_shape.Clients);
            if (inFlight[client] is not { } operation)
            {
                if (begun == _shape.Operations) continue;
                begun++;
                Operation next = Next();
                inFlight[client] = (_history.Invoke(client, next, now), next, null);
            }
            else if (operation.Answer is { } answer)
            {
                _history.Complete(operation.Id, answer, now);
                inFlight[client] = null;
            }
            else if (_random.Next(100) < _shape.UnknownPercent)
            {
                _history.Unknown(operation.Id);
                inFlight[client] = null;
                int fate = _random.Next(3);
                if (fate == 0) _model.Apply(operation.Operation);
                else if (fate == 1) _lurking.Add(operation.Operation);
            }
            else
            {
                inFlight[client] = operation with { Answer = _model.Apply(operation.Operation) };
            }
        }
    }

    private Operation Next()
    {
        string key = $"k{_random.Next(_shape.Keys)}";
        switch (Kind())
        {
            case OperationKind.Get:
                return Operation.Get("g1", key);
            case OperationKind.Put:
                return Operation.Put("g1", key, Value());
            case OperationKind.Append:
                return Operation.Append("g1", key, Value());
            case OperationKind.Delete:
                return Operation.Delete("g1", key);
            case OperationKind.CompareAndSet:
                string? expected = _random.Next(4) == 0 ? MaybeValue() : _model[key];
                return Operation.CompareAndSet("g1", key, expected, MaybeValue());
            default:
                string start = _random.Next(2) == 0 ? "" : key;
                string end = _random.Next(2) == 0 ? "" : $"k{_random.Next(_shape.Keys)}x";
                return Operation.Scan("g1", start, end, _random.Next(3), _random.Next(2) == 0);
        }
    }

    private OperationKind Kind()
    {
        int drawn = _random.Next(_shape.Weights.Sum());
        int kind = 0;
        while (drawn >= _shape.Weights[kind]) drawn -= _shape.Weights[kind++];
        return (OperationKind)kind;
    }

    private string? MaybeValue() => _random.Next(5) == 0 ? null : Value();

    private string Value() => _shape.UniqueValues ? $"{_values++}." : FewValues[_random.Next(FewValues.Length)];
}
