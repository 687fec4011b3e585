namespace Orleans.Raft.Bench;

/// <summary>All that the figures rest on, as far as it was measured.</summary>
internal sealed class FigureSet
{
    private readonly SortedDictionary<(string Host, LoadKind Kind, int Clients), LoadSamples> _loads = [];

    /// <summary>Medians of single flushes, one file, in milliseconds.</summary>
    public Samples FlushOne { get; } = new();

    /// <summary>The same while three files flush at once.</summary>
    public Samples FlushThree { get; } = new();

    public Samples CorePerSecond { get; } = new();

    /// <summary>Allocated beyond payload and log slots.</summary>
    public Samples CoreOtherBytesPerEntry { get; } = new();

    /// <summary>How many keys the figures of memory are for.</summary>
    public int MemoryKeys { get; init; } = 1_000_000;

    public Samples ResidentGigabytes { get; } = new();

    public Samples RestartSeconds { get; } = new();

    /// <summary>Every load that was run, in order of host, kind and clients.</summary>
    public IEnumerable<((string Host, LoadKind Kind, int Clients) Load, LoadSamples Samples)> Loads =>
        _loads.Select(pair => (pair.Key, pair.Value));

    /// <summary>The samples of a load; empty ones if it was not run.</summary>
    public LoadSamples Of(string host, LoadKind kind, int clients) =>
        _loads.TryGetValue((host, kind, clients), out LoadSamples? samples) ? samples : new LoadSamples();

    public void Add(string host, LoadKind kind, int clients, Measurement run)
    {
        if (!_loads.TryGetValue((host, kind, clients), out LoadSamples? samples))
            _loads[(host, kind, clients)] = samples = new LoadSamples();
        samples.Add(run);
    }
}
