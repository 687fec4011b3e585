using System.Runtime.InteropServices;

namespace Orleans.Raft.Linearizability;

/// <summary>
/// The values of one key that matter, as small numbers. A value matters only if it is a prefix of some value that an
/// answer shows or a compare-and-set expects: writes replace a value or extend it, so from any other value no
/// answer can be explained before the next put or delete. All those others are one: <see cref="Dead"/>.
/// </summary>
/// <remarks>
/// The texts observed are sorted, so a prefix of some of them is the number of the first row that has it, and its
/// length; two prefixes are equal if and only if both numbers are. Appending compares the suffix alone. Only values
/// that writes can produce are in the graph.
/// </remarks>
internal sealed class ValueGraph
{
    public const int Dead = 0;
    public const int Absent = 1;

    /// <summary>Longer than any history.</summary>
    public const int Forever = int.MaxValue;

    private readonly string[] _rows;
    private readonly List<Node> _nodes = [default, default];
    private readonly Dictionary<(int Row, int Length), int> _numbers = [];
    private readonly Dictionary<string, int> _suffixNumbers = new(StringComparer.Ordinal);
    private readonly List<int> _suffixUntil = [];
    private readonly Dictionary<(int Node, int Suffix), int> _appends = [];
    private readonly List<List<(int From, int To)>> _edgesOfSuffix = [];
    private readonly List<List<(int From, int Until)>> _incoming = [[], []];
    private readonly List<int> _needed = [-1, -1];

    /// <param name="observed">All texts that answers show or compare-and-sets expect.</param>
    /// <param name="written">All texts that puts and compare-and-sets write.</param>
    /// <param name="suffixes">All texts appended, each with the last position at which it can take effect.</param>
    public ValueGraph(IEnumerable<string> observed, IEnumerable<string> written,
        IEnumerable<KeyValuePair<string, int>> suffixes)
    {
        _rows = [.. observed.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        foreach (var (suffix, until) in suffixes)
        {
            ref int number = ref CollectionsMarshal.GetValueRefOrAddDefault(_suffixNumbers, suffix, out bool known);
            if (!known)
            {
                number = _suffixUntil.Count;
                _suffixUntil.Add(-1);
                _edgesOfSuffix.Add([]);
            }
            _suffixUntil[number] = Math.Max(_suffixUntil[number], until);
        }
        foreach (string text in written) Intern(text);
        Grow();
    }

    /// <summary>The number of a value that some write puts; <see cref="Dead"/> if it does not matter.</summary>
    public int Find(string? text)
    {
        if (text is null) return Absent;
        int row = FirstRow(text);
        return row < _rows.Length && _rows[row].StartsWith(text, StringComparison.Ordinal)
            ? _numbers.GetValueOrDefault((row, text.Length), Dead)
            : Dead;
    }

    public int Suffix(string text) => _suffixNumbers[text];

    /// <summary>The value after appending a suffix.</summary>
    public int Append(int node, int suffix) => _appends.GetValueOrDefault((node, suffix), Dead);

    /// <summary>All pairs of values that matter between which a suffix leads.</summary>
    public IReadOnlyList<(int From, int To)> EdgesOf(int suffix) => _edgesOfSuffix[suffix];

    /// <summary>An answer at this position, or an operation that may happen until then, needs the value.</summary>
    public void Need(int node, int until) => _needed[node] = Math.Max(_needed[node], until);

    /// <summary>A compare-and-set of unknown outcome leads from a value to another at any time.</summary>
    public void Connect(int from, int to) => _incoming[to].Add((from, Forever));

    /// <summary>The last position at which the value, or one that can grow from it, is needed; after it, the value is
    /// as good as dead.</summary>
    public int NeededUntil(int node) => _needed[node];

    /// <summary>Hands each value's need down to those it can come from. To be called once, after all needs and
    /// connections are known.</summary>
    public void SpreadNeeds()
    {
        var open = new PriorityQueue<int, long>();
        for (int node = Absent; node < _nodes.Count; node++)
            if (_needed[node] >= 0) open.Enqueue(node, -(long)_needed[node]);
        while (open.TryDequeue(out int node, out long priority))
        {
            if (-priority != _needed[node]) continue; // Raised since.
            foreach (var (from, until) in _incoming[node])
            {
                int needed = Math.Min(until, _needed[node]);
                if (from == Dead || needed <= _needed[from]) continue;
                _needed[from] = needed;
                open.Enqueue(from, -(long)needed);
            }
        }
    }

    /// <summary>A value as messages show it.</summary>
    public string Describe(int node) => node switch
    {
        Dead => "something that no later answer shows",
        Absent => "none",
        _ => Operation.Show(_rows[_nodes[node].Row][.._nodes[node].Length]),
    };

    private void Intern(string text)
    {
        int row = FirstRow(text);
        if (row == _rows.Length || !_rows[row].StartsWith(text, StringComparison.Ordinal)) return;
        Intern(row, EndOfPrefix(row, _rows.Length, 0, text), text.Length);
    }

    private int Intern(int row, int end, int length)
    {
        ref int number = ref CollectionsMarshal.GetValueRefOrAddDefault(_numbers, (row, length), out bool known);
        if (known) return number;
        number = _nodes.Count;
        _nodes.Add(new Node(row, end, length));
        _incoming.Add([]);
        _needed.Add(-1);
        return number;
    }

    /// <summary>Finds all values that appends lead to, from a missing key and from all values put.</summary>
    private void Grow()
    {
        var suffixes = _suffixNumbers.GetAlternateLookup<ReadOnlySpan<char>>();
        int[] lengths = [.. _suffixNumbers.Keys.Select(suffix => suffix.Length).Distinct()];
        _nodes[Absent] = new Node(0, _rows.Length, 0);
        for (int node = Absent; node < _nodes.Count; node++)
        {
            (int row, int end, int length) = _nodes[node];
            foreach (int added in lengths)
            {
                for (int first = row; first < end;)
                {
                    if (_rows[first].Length < length + added)
                    {
                        first++;
                        continue;
                    }
                    ReadOnlySpan<char> suffix = _rows[first].AsSpan(length, added);
                    int next = EndOfPrefix(first, end, length, suffix);
                    if (suffixes.TryGetValue(suffix, out int number))
                    {
                        int to = Intern(first, next, length + added);
                        _appends[(node, number)] = to;
                        _edgesOfSuffix[number].Add((node, to));
                        _incoming[to].Add((node, _suffixUntil[number]));
                    }
                    first = next;
                }
            }
        }
    }

    /// <summary>The first row that is not less than a text: the first that starts with it, if any does.</summary>
    private int FirstRow(string text)
    {
        int low = 0, high = _rows.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (string.CompareOrdinal(_rows[middle], text) < 0) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    /// <summary>The end of the rows that go on with a text after a prefix that all rows of the range share.</summary>
    private int EndOfPrefix(int first, int end, int prefix, ReadOnlySpan<char> text)
    {
        int low = first + 1, high = end;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_rows[middle].AsSpan(prefix).StartsWith(text, StringComparison.Ordinal)) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    /// <summary>A prefix of the rows from <paramref name="Row"/> to <paramref name="End"/>, exclusive.</summary>
    private readonly record struct Node(int Row, int End, int Length);
}
