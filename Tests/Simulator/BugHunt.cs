using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>Shows what the simulator is worth: with how many seeds it finds bugs that were put there.</summary>
internal sealed class BugHunt(SimulationOptions options, TextWriter output)
{
    // By their arguments: many bugs are found by the same seeds.
    private static readonly ConcurrentDictionary<string, Lazy<string?>> s_without = new();

    /// <summary>Prints a line per bug; false if one was not found.</summary>
    /// <param name="seeds">The most to try for each.</param>
    public bool Run(IReadOnlyList<FaultPoint> bugs, ulong firstSeed, int seeds)
    {
        int found = 0;
        foreach (FaultPoint bug in bugs)
        {
            var watch = Stopwatch.StartNew();
            SimulatedStorage storage = options.Storage ?? StorageOf(bug);
            SimulationResult? result = Find(options with { Bug = bug, Storage = storage }, firstSeed, seeds);
            if (result is not null) found++;
            output.WriteLine(result is null
                ? string.Create(CultureInfo.InvariantCulture,
                    $"{bug}: not found in {seeds} seeds, {watch.Elapsed.TotalSeconds:F1} s")
                : string.Create(CultureInfo.InvariantCulture, $"{bug}: found by seed {result.Options.Seed}, "
                    + $"{result.Options.Seed - firstSeed + 1} seeds needed, {watch.Elapsed.TotalSeconds:F1} s: ")
                    + result.Violations[0].Split('\n')[0]);
        }
        output.WriteLine($"{found} of {bugs.Count} bugs found");
        return found == bugs.Count;
    }

    /// <summary>Where a bug is looked for unless something else is asked for: on disks, but for one that only storage
    /// has that others may open.</summary>
    private static SimulatedStorage StorageOf(FaultPoint bug) => bug == FaultPoint.RoundConfirmedByTheReplaced
        ? SimulatedStorage.Databases
        : SimulatedStorage.Disks;

    /// <summary>The run with the lowest seed that finds a violation; null if none does.</summary>
    public static SimulationResult? Find(SimulationOptions options, ulong firstSeed, int seeds)
    {
        SimulationResult? first = null;
        var gate = new Lock();
        SeedWorkers.Run(firstSeed, Environment.ProcessorCount, number =>
        {
            lock (gate)
            {
                if (number >= seeds || first?.Options.Seed < firstSeed + (ulong)number) return false;
            }
            SimulationResult result = Simulation.Run(options with { Seed = firstSeed + (ulong)number });
            if (result.Violations.Count == 0) return true;
            if (FindWithout(result.Options) is { } other)
                throw new InvalidOperationException($"without the bug, too: {other}");
            lock (gate)
            {
                if (!(first?.Options.Seed < result.Options.Seed)) first = result;
            }
            return true;
        });
        return first;
    }

    /// <summary>What a run finds without its bug; null: nothing.</summary>
    private static string? FindWithout(SimulationOptions options)
    {
        SimulationOptions without = options with { Bug = null };
        return s_without.GetOrAdd(without.Arguments, _ => new Lazy<string?>(() =>
            Simulation.Run(without) is { IsOk: false } result ? result.ToString() : null)).Value;
    }
}
