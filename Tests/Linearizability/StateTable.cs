namespace Orleans.Raft.Linearizability;

/// <summary>Gives each combination of the keys' values a number.</summary>
internal sealed class StateTable : IEqualityComparer<int[]>
{
    private readonly Dictionary<int[], int> _numbers;
    private readonly List<int[]> _states = [];

    public StateTable() => _numbers = new Dictionary<int[], int>(this);

    /// <summary>The values of a state; not to be changed.</summary>
    public int[] this[int state] => _states[state];

    public int Number(int[] values)
    {
        if (_numbers.TryGetValue(values, out int number)) return number;
        number = _states.Count;
        _states.Add(values);
        _numbers.Add(values, number);
        return number;
    }

    /// <summary>The state with one value replaced.</summary>
    public int With(int state, int key, int node)
    {
        if (_states[state][key] == node) return state;
        var values = (int[])_states[state].Clone();
        values[key] = node;
        return Number(values);
    }

    public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

    public int GetHashCode(int[] values)
    {
        var hash = new HashCode();
        foreach (int value in values) hash.Add(value);
        return hash.ToHashCode();
    }
}
