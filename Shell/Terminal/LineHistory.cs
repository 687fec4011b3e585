namespace Orleans.Raft.Shell;

/// <summary>The lines entered before, and the walk through them.</summary>
internal sealed class LineHistory
{
    private const int MaxLines = 1000;

    private readonly List<string> _lines = [];
    private string _unfinished = "";
    private int _at;

    /// <summary>Adds a line, unless it is blank or repeats the last one, and ends the walk.</summary>
    public void Add(string line)
    {
        if (!string.IsNullOrWhiteSpace(line) && (_lines.Count == 0 || _lines[^1] != line)) _lines.Add(line);
        if (_lines.Count > MaxLines) _lines.RemoveAt(0);
        _at = _lines.Count;
    }

    /// <summary>The line before; null at the oldest. Keeps <paramref name="current"/> for the way back.</summary>
    public string? Older(string current)
    {
        if (_at == 0) return null;
        if (_at == _lines.Count) _unfinished = current;
        return _lines[--_at];
    }

    /// <summary>The line after, at last the unfinished one; null if there is none.</summary>
    public string? Newer()
    {
        if (_at == _lines.Count) return null;
        return ++_at == _lines.Count ? _unfinished : _lines[_at];
    }
}
