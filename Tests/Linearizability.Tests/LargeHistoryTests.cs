using System.Diagnostics;
using Xunit.Abstractions;

namespace Orleans.Raft.Linearizability.Tests;

/// <summary>Histories as long as those of real runs: judged, and without visiting more than there is to see.</summary>
public class LargeHistoryTests(ITestOutputHelper output)
{
    private const int MostStatesPerOperation = 200;

    public static TheoryData<string, int, int, int, bool, int[]> Shapes => new()
    {
        { "all kinds, 5 keys", 40_000, 5, 10, true, HistoryShape.AllKinds },
        { "with scans, 5 keys", 40_000, 5, 10, true, HistoryShape.WithScans },
        { "all kinds, 1 key", 10_000, 1, 10, true, HistoryShape.AllKinds },
        { "with scans, 5 keys, few values", 5_000, 5, 10, false, HistoryShape.WithScans },
        { "all kinds, 1 key, few values", 5_000, 1, 10, false, HistoryShape.AllKinds },
        { "puts and deletes, 1 key", 5_000, 1, 10, true, [3, 5, 0, 5, 0, 0] },
        { "hardly any read, 1 key", 5_000, 1, 10, true, [1, 9, 0, 5, 0, 0] },
        { "deletes and compare-and-sets, 1 key", 5_000, 1, 10, true, [3, 1, 0, 5, 8, 0] },
        { "compare-and-sets of few values, 1 key", 5_000, 1, 10, false, [2, 2, 0, 2, 10, 0] },
        { "appends and a few deletes, 1 key", 6_000, 1, 10, true, [5, 0, 10, 1, 0, 0] },
        { "appends of few values, 1 key", 5_000, 1, 10, false, [5, 1, 10, 1, 0, 0] },
        { "appends only, 1 key", 6_000, 1, 10, true, [5, 0, 10, 0, 0, 0] },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Good_ones_are_accepted_with_an_order_that_proves_it(string name, int operations, int keys,
        int unknownPercent, bool uniqueValues, int[] weights)
    {
        var entries = RandomHistory.Make(new(operations, 8, keys, unknownPercent, uniqueValues, weights), 1);
        var watch = Stopwatch.StartNew();
        LinearizabilityResult result = LinearizabilityChecker.Check(entries);
        int unknown = entries.Count(entry => entry.Outcome == OperationOutcome.Unknown);
        output.WriteLine($"time {watch.ElapsedMilliseconds} ms to check {operations} operations, {unknown} of unknown "
            + $"outcome, {result.States} states: {name}");
        Oracles.Verify(entries, result);
        Assert.InRange(result.States, operations / 2, operations * (long)MostStatesPerOperation);
    }
}
