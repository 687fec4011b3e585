using System.Diagnostics;
using System.Globalization;
using System.Reflection;

namespace Orleans.Raft.Simulator;

/// <summary>Runs many seeds, as many at a time as there are processors, and reports each as it ends. Of fifty or more
/// every kind of fault must be seen, and as many merges as seeds.</summary>
public sealed class SimulationRun(SimulationOptions options, bool isVerbose, TextWriter output)
{
    private const int ShrinkingRuns = 40;
    private const int ShrunkFailures = 3;
    private const int SeedsThatSeeAll = 50;

    private readonly Lock _lock = new();
    private readonly SortedDictionary<FaultKind, int> _faults = [];
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private int _run;
    private int _failed;
    private int _merges;

    /// <summary>False if any run failed.</summary>
    /// <param name="limit">Goes on to further seeds for so long, whatever their number.</param>
    public bool Run(ulong firstSeed, int seeds, TimeSpan? limit)
    {
        SeedWorkers.Run(firstSeed, isVerbose ? 1 : Environment.ProcessorCount, number =>
        {
            if (limit is { } time ? _watch.Elapsed >= time : number >= seeds) return false;
            Report(Simulation.Run(options with { Seed = firstSeed + (ulong)number },
                isVerbose ? output.WriteLine : null));
            return true;
        });
        Summarize();
        return _failed == 0 && (_run < SeedsThatSeeAll || options.Keep is not null || (Unseen.Length == 0 && !HasFewMerges));
    }

    private bool HasFewMerges => _merges < _run && options.Faults.Contains(FaultKind.Merge);

    private FaultKind[] Unseen => [.. options.Faults.Except(_faults.Keys)
        .Where(kind => options.Storage is not { } storage || FaultSchedule.IsOf(storage, kind))];

    private void Report(SimulationResult result)
    {
        bool shrinks;
        lock (_lock)
        {
            _run++;
            _merges += result.Merges;
            foreach ((FaultKind kind, int count) in result.Faults)
                _faults[kind] = _faults.GetValueOrDefault(kind) + count;
            output.WriteLine(result);
            if (result.IsOk) return;
            // Where everything fails, shrinking it all would take hours.
            shrinks = ++_failed <= ShrunkFailures && result.Violations.Count > 0;
        }
        SimulationResult shrunk = shrinks ? Shrinker.Shrink(result, ShrinkingRuns) : result;
        string failure = Describe(shrunk, result);
        lock (_lock) output.WriteLine(failure);
    }

    /// <summary>All that is needed to understand a failed run and to repeat it.</summary>
    public static string Describe(SimulationResult shrunk, SimulationResult failed)
    {
        var text = new StringWriter(CultureInfo.InvariantCulture);
        text.WriteLine($"  seed {failed.Options.Seed} failed; commit: {Commit}");
        text.WriteLine($"  replay: dotnet run --project Tests/Simulator -c Release -- {failed.Options.Arguments}");
        if (shrunk.Options.Keep is not null)
        {
            text.WriteLine($"  shrunk: dotnet run --project Tests/Simulator -c Release -- {shrunk.Options.Arguments}");
            text.WriteLine($"  {shrunk.Schedule.Faults.Count} of {failed.Schedule.Faults.Count} faults are enough:");
        }
        text.WriteLine("  last events:");
        foreach (string line in shrunk.LastEvents) text.WriteLine($"    {line}");
        foreach (string violation in shrunk.Violations) text.WriteLine($"  violation: {violation}");
        if (shrunk.Picture is { } picture)
        {
            string path = Path.Combine(Path.GetTempPath(), $"simulator-seed-{failed.Options.Seed}.html");
            File.WriteAllText(path, picture);
            text.WriteLine($"  picture of the history: {path}");
        }
        return text.ToString();
    }

    private void Summarize()
    {
        if (_run < 2) return;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{_run} seeds, {_failed} failed, {_merges} merges, {_watch.Elapsed.TotalSeconds:F1} s; faults: ")
            + string.Join(", ", _faults.Select(kind => $"{FaultSchedule.NameOf(kind.Key)} {kind.Value}")));
        if (Unseen.Length > 0 && options.Keep is null)
            output.WriteLine($"never seen: {string.Join(", ", Unseen.Select(FaultSchedule.NameOf))}");
    }

    private static string Commit => typeof(SimulationRun).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
