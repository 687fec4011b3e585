namespace Orleans.Raft.Linearizability;

/// <summary>A part in numbers: its events in order, the values that matter, and what each operation does to them.
/// </summary>
internal sealed class Preparation
{
    private readonly Dictionary<(StepKind, int Key, int From, int Target), UnknownClass> _classes = [];
    private readonly int[] _returns;

    public Preparation(Part part)
    {
        Part = part;
        Events = [.. part.Entries.Select((entry, i) => (entry.Invoked, Entry: i, IsReturn: false))
            .Concat(part.Entries.Select((entry, i) => (entry.Returned, Entry: i, IsReturn: true))
                .Where(e => e.Returned != long.MaxValue))
            .OrderBy(e => e.Item1).Select(e => (e.Entry, e.IsReturn))];
        _returns = new int[part.Entries.Count];
        Array.Fill(_returns, ValueGraph.Forever);
        for (int i = 0; i < Events.Length; i++)
            if (Events[i].IsReturn) _returns[Events[i].Entry] = i;
        Graphs = [.. part.Keys.Select(Graph)];
        Steps = [.. part.Entries.Select((entry, i) => entry.Outcome == OperationOutcome.Answered ? Answered(i) : null)];
        ClassOf = new UnknownClass?[part.Entries.Count];
        for (int i = 0; i < ClassOf.Length; i++)
            if (Steps[i] is null) ClassOf[i] = Classify(i);
        SpreadNeeds();
    }

    public Part Part { get; }

    /// <summary>Invocations and returns in order; an event's position is its index.</summary>
    public (int Entry, bool IsReturn)[] Events { get; }

    /// <summary>One for each key of the part.</summary>
    public ValueGraph[] Graphs { get; }

    /// <summary>The answered operations, by entry; null for those of unknown outcome.</summary>
    public Step?[] Steps { get; }

    /// <summary>The class of each operation of unknown outcome; null: it is answered, or can be of no use.</summary>
    public UnknownClass?[] ClassOf { get; }

    public List<UnknownClass> Classes { get; } = [];

    /// <summary>The classes that set a value, by key and value, and those that append a suffix, by key and value after
    /// it: where a value can come from.</summary>
    public Dictionary<(int Key, int Node), List<(UnknownClass Class, int From)>> Sources { get; } = [];

    private IEnumerable<(Operation Operation, Answer? Answer, int Entry)> Operations =>
        Part.Entries.Select((entry, i) => (entry.Operation, entry.Answer, i));

    private ValueGraph Graph(string key)
    {
        var observed = new List<string?>();
        var written = new List<string?>();
        var suffixes = new List<KeyValuePair<string, int>>();
        foreach (var (operation, answer, entry) in Operations)
        {
            if (operation.Kind == OperationKind.Scan)
            {
                foreach (var row in answer!.Rows!)
                    if (row.Key == key) observed.Add(row.Value);
            }
            if (operation.Key != key) continue;
            switch (operation.Kind)
            {
                case OperationKind.Get:
                    observed.Add(answer!.Value);
                    break;
                case OperationKind.Put:
                    written.Add(operation.Value);
                    break;
                case OperationKind.Append:
                    suffixes.Add(new(operation.Value!, _returns[entry]));
                    break;
                case OperationKind.CompareAndSet:
                    bool applied = answer?.Succeeded ?? true;
                    observed.Add(applied ? operation.Expected : answer!.Value);
                    if (applied) written.Add(operation.Value);
                    break;
            }
        }
        return new ValueGraph(observed.OfType<string>(), written.OfType<string>(), suffixes);
    }

    private Step Answered(int entry)
    {
        (Operation operation, Answer answer) = (Part.Entries[entry].Operation, Part.Entries[entry].Answer!);
        if (operation.Kind == OperationKind.Scan) return Scanned(entry, operation, answer.Rows!);
        int key = KeyNumber(operation.Key);
        ValueGraph graph = Graphs[key];
        return operation.Kind switch
        {
            OperationKind.Get => Observe((key, Needed(key, answer.Value))),
            OperationKind.Put or OperationKind.Delete =>
                new Step(entry, StepKind.Overwrite, [key], [], graph.Find(operation.Value)),
            OperationKind.Append => new Step(entry, StepKind.Append, [key], [], graph.Suffix(operation.Value!)),
            _ when answer.Succeeded => new Step(entry, StepKind.Exchange, [key],
                [(key, Needed(key, operation.Expected))], graph.Find(operation.Value)),
            // Found what it expected and was not applied all the same: nothing explains that.
            _ when answer.Value == operation.Expected => Observe((key, Step.Impossible)),
            _ => Observe((key, Needed(key, answer.Value))),
        };

        Step Observe((int, int) need) => new(entry, StepKind.Observe, [key], [need], 0);
    }

    /// <summary>A scan needs the value of each key it passed: all keys of its range, or up to the last row if the rows
    /// reached the limit.</summary>
    private Step Scanned(int entry, Operation operation, IReadOnlyList<KeyValuePair<string, string>> rows)
    {
        int[] covered = [.. Enumerable.Range(0, Part.Keys.Count).Where(key => operation.Covers(Part.Keys[key]))];
        if (operation.Reverse) Array.Reverse(covered);
        var needs = new List<(int, int)>();
        int next = 0;
        foreach (int key in covered)
        {
            if (operation.Limit > 0 && next == operation.Limit) break;
            bool present = next < rows.Count && rows[next].Key == Part.Keys[key];
            needs.Add((key, Needed(key, present ? rows[next].Value : null)));
            if (present) next++;
        }
        // Rows left over are out of range, out of order, doubled, or too many.
        if (next < rows.Count) needs = [(Math.Max(0, KeyNumber(rows[next].Key)), Step.Impossible)];
        return new Step(entry, StepKind.Observe, [.. needs.Select(need => need.Item1)], [.. needs], 0);
    }

    private int Needed(int key, string? text)
    {
        int node = Graphs[key].Find(text);
        return node == ValueGraph.Dead ? Step.Impossible : node;
    }

    private int KeyNumber(string key)
    {
        int low = 0, high = Part.Keys.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            int order = string.CompareOrdinal(Part.Keys[middle], key);
            if (order == 0) return middle;
            if (order < 0) low = middle + 1;
            else high = middle - 1;
        }
        return -1;
    }

    private UnknownClass? Classify(int entry)
    {
        Operation operation = Part.Entries[entry].Operation;
        int key = KeyNumber(operation.Key);
        ValueGraph graph = Graphs[key];
        (StepKind kind, int from, int target) = operation.Kind switch
        {
            OperationKind.Append => (StepKind.Append, 0, graph.Suffix(operation.Value!)),
            OperationKind.CompareAndSet =>
                (StepKind.Exchange, graph.Find(operation.Expected), graph.Find(operation.Value)),
            _ => (StepKind.Overwrite, 0, graph.Find(operation.Value)),
        };
        bool useless = kind switch
        {
            StepKind.Append => graph.EdgesOf(target).Count == 0,
            StepKind.Exchange => from == ValueGraph.Dead || target == ValueGraph.Dead || from == target,
            _ => target == ValueGraph.Dead,
        };
        if (useless) return null;
        if (!_classes.TryGetValue((kind, key, from, target), out UnknownClass? found))
        {
            found = new UnknownClass(Classes.Count, kind, key, from, target);
            _classes.Add((kind, key, from, target), found);
            Classes.Add(found);
            if (kind == StepKind.Exchange) graph.Connect(from, target);
            if (kind != StepKind.Append) AddSource(found, target, from);
            else foreach (var (before, after) in graph.EdgesOf(target)) AddSource(found, after, before);
        }
        found.Entries.Add(entry);
        return found;
    }

    private void AddSource(UnknownClass source, int node, int from)
    {
        if (node == from) return;
        if (!Sources.TryGetValue((source.Key, node), out var list)) Sources[(source.Key, node)] = list = [];
        list.Add((source, from));
    }

    private void SpreadNeeds()
    {
        foreach (Step? step in Steps)
        {
            if (step is null) continue;
            foreach (var (key, node) in step.Needs)
                if (node != Step.Impossible) Graphs[key].Need(node, _returns[step.Entry]);
        }
        foreach (ValueGraph graph in Graphs) graph.SpreadNeeds();
        foreach (UnknownClass unknown in Classes)
        {
            ValueGraph graph = Graphs[unknown.Key];
            unknown.UsefulUntil = unknown.Kind == StepKind.Append
                ? graph.EdgesOf(unknown.Target).Max(edge => graph.NeededUntil(edge.To))
                : graph.NeededUntil(unknown.Target);
        }
    }
}
