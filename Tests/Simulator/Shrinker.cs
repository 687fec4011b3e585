using System.Text.RegularExpressions;

namespace Orleans.Raft.Simulator;

/// <summary>Looks for fewer faults with which a run still fails in the same way: leaves out halves, quarters, ... single
/// ones.</summary>
public static partial class Shrinker
{
    /// <summary>The failing run with the fewest faults found.</summary>
    /// <param name="mostRuns">Of which each simulates at most what the failing one did.</param>
    public static SimulationResult Shrink(SimulationResult failed, int mostRuns)
    {
        SimulationResult best = failed;
        string kind = KindOf(failed);
        int[] kept = [.. failed.Schedule.Faults.Select(fault => fault.Number)];
        int runs = 0;
        for (int parts = 1; parts <= kept.Length && runs < mostRuns;)
        {
            int size = (kept.Length + parts - 1) / parts;
            bool smaller = false;
            for (int start = 0; start < kept.Length && runs < mostRuns; start += size)
            {
                int[] rest = [.. kept[..start], .. kept[Math.Min(start + size, kept.Length)..]];
                runs++;
                SimulationResult result = Simulation.Run(failed.Options with { Keep = rest.ToHashSet() });
                if (result.Violations.Count == 0 || KindOf(result) != kind) continue;
                best = result;
                kept = rest;
                smaller = true;
                break;
            }
            if (!smaller) parts = size == 1 ? kept.Length + 1 : parts * 2;
            else parts = Math.Max(1, Math.Min(parts, kept.Length));
        }
        return best;
    }

    /// <summary>The beginning of a violation, without numbers: the same mistake, wherever it shows.</summary>
    private static string KindOf(SimulationResult result) =>
        string.Join(' ', Numbers().Replace(result.Violations[0].Split(':')[0], "#").Split(' ', 8).Take(7));

    // Terms, indexes, nodes, checksums.
    [GeneratedRegex("[0-9a-f]*[0-9][0-9a-f]*")]
    private static partial Regex Numbers();
}
