namespace Orleans.Raft.Testing;

/// <summary>
/// The names of a simulated disk, as the system sees them and as they are on the platter. A change is one step (a
/// rename never loses its file), but unflushed ones may survive a crash in any selection.
/// </summary>
internal sealed class SimulatedDirectory
{
    private readonly List<Change> _unflushed = [];
    private SortedDictionary<string, SimulatedContent?> _current = new(StringComparer.Ordinal);
    private SortedDictionary<string, SimulatedContent?> _durable = new(StringComparer.Ordinal);

    private sealed record Change(string Directory, (string Path, bool Exists, SimulatedContent? Content)[] Names);

    /// <summary>The paths of all files.</summary>
    public IEnumerable<string> Files => _current.Where(name => name.Value is not null).Select(name => name.Key);

    /// <summary>The names of files on the platter, in order.</summary>
    public IEnumerable<KeyValuePair<string, SimulatedContent>> DurableFiles => _durable
        .Where(name => name.Value is not null)
        .Select(name => KeyValuePair.Create(name.Key, name.Value!));

    /// <summary>The file there; null if there is none.</summary>
    public SimulatedContent? Find(string path) => _current.GetValueOrDefault(path);

    /// <summary>Whether there is a file or directory; the root always is.</summary>
    public bool Exists(string path) => path.Length == 0 || _current.ContainsKey(path);

    public IReadOnlyList<string> List(string directory) =>
        [.. _current.Keys.Where(path => ParentOf(path) == directory).Select(path => Path.GetFileName(path))];

    public void CreateDirectory(string path) => Make(new Change(ParentOf(path), [(path, true, null)]));

    public void Put(string path, SimulatedContent content) => Make(new Change(ParentOf(path), [(path, true, content)]));

    public void Delete(string path) => Make(new Change(ParentOf(path), [(path, false, null)]));

    public void Rename(string from, string to)
    {
        if (ParentOf(from) != ParentOf(to))
            throw new NotSupportedException("Renaming into another directory is not simulated.");
        Make(new Change(ParentOf(from), [(from, false, null), (to, true, _current[from])]));
    }

    public void Flush(string directory)
    {
        foreach (Change change in _unflushed.Where(change => change.Directory == directory)) Apply(change, _durable);
        _unflushed.RemoveAll(change => change.Directory == directory);
    }

    /// <summary>The machine dies.</summary>
    public void Crash(CrashLoss loss, Random random)
    {
        SimulatedContent[] contents =
            [.. _current.Values.Concat(_durable.Values).OfType<SimulatedContent>().Distinct()];
        double kept = random.NextDouble();
        foreach (Change change in _unflushed)
        {
            if (loss == CrashLoss.Random && random.NextDouble() < kept) Apply(change, _durable);
        }
        _unflushed.Clear();
        foreach (SimulatedContent content in contents) content.Crash(loss, random);
        // What is in a lost directory is lost.
        foreach (string path in _durable.Keys.Where(path => !IsReachable(path)).ToArray()) _durable.Remove(path);
        _current = _durable;
        _durable = new SortedDictionary<string, SimulatedContent?>(_current, StringComparer.Ordinal);
    }

    /// <summary>Nothing is left.</summary>
    public void Clear()
    {
        _unflushed.Clear();
        _current.Clear();
        _durable.Clear();
    }

    public void CopyFrom(SimulatedDirectory other)
    {
        var copies = new Dictionary<SimulatedContent, SimulatedContent>();
        SimulatedContent? Copy(SimulatedContent? content)
        {
            if (content is null) return null;
            if (!copies.TryGetValue(content, out SimulatedContent? copy)) copies[content] = copy = content.Clone();
            return copy;
        }

        foreach ((string path, SimulatedContent? content) in other._current) _current[path] = Copy(content);
        foreach ((string path, SimulatedContent? content) in other._durable) _durable[path] = Copy(content);
        foreach (Change change in other._unflushed)
            _unflushed.Add(
                change with { Names = [.. change.Names.Select(name => (name.Path, name.Exists, Copy(name.Content)))] });
    }

    public static string ParentOf(string path) => path.LastIndexOf('/') is > 0 and var slash ? path[..slash] : "";

    private bool IsReachable(string path) => ParentOf(path) is var parent
        && (parent.Length == 0 || _durable.ContainsKey(parent));

    private void Make(Change change)
    {
        Apply(change, _current);
        _unflushed.Add(change);
    }

    private static void Apply(Change change, SortedDictionary<string, SimulatedContent?> names)
    {
        foreach ((string path, bool exists, SimulatedContent? content) in change.Names)
        {
            if (exists) names[path] = content;
            else names.Remove(path);
        }
    }
}
