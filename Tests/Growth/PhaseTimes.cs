using Orleans.Raft.Shell;

namespace Orleans.Raft.Growth;

/// <summary>How long requests took, by what went on when they were sent. For any number of threads.</summary>
public sealed class PhaseTimes
{
    private readonly Lock _lock = new();
    private readonly List<(string Name, bool Moves, LatencyHistogram Times)> _phases = [];

    /// <summary>Where requests that are sent from now on count.</summary>
    public int Current
    {
        get
        {
            lock (_lock) return _phases.Count - 1;
        }
    }

    /// <param name="moves">Whether groups or replicas move.</param>
    public void Begin(string name, bool moves)
    {
        lock (_lock) _phases.Add((name, moves, new LatencyHistogram()));
    }

    public void Record(int phase, TimeSpan time)
    {
        lock (_lock) _phases[phase].Times.RecordNanoseconds((long)time.TotalNanoseconds);
    }

    /// <summary>Requests of all phases in which things move, or of the fastest at rest: the first also warms
    /// up.</summary>
    public LatencyHistogram Of(bool moves)
    {
        lock (_lock)
        {
            if (!moves)
            {
                return _phases.Where(phase => !phase.Moves)
                    .MinBy(phase => phase.Times.QuantileNanoseconds(0.99)).Times;
            }
            var all = new LatencyHistogram();
            foreach (var phase in _phases.Where(phase => phase.Moves)) all.Merge(phase.Times);
            return all;
        }
    }

    /// <summary>One line a phase.</summary>
    public IReadOnlyList<string> Describe()
    {
        lock (_lock)
        {
            return [.. _phases.Select(phase => FormattableString.Invariant(
                $"{phase.Name}: {phase.Times.Count} requests, p50 {phase.Times.QuantileMilliseconds(0.5):0.0} ms, ")
                + FormattableString.Invariant($"p99 {phase.Times.QuantileMilliseconds(0.99):0.0} ms, ")
                + FormattableString.Invariant($"slowest {phase.Times.MaxNanoseconds / 1e6:0.0} ms"))];
        }
    }
}
