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
        { "with scans, 5 keys", 20_000, 5, 10, true, HistoryShape.WithScans },
        { "all kinds, 1 key", 10_000, 1, 10, true, HistoryShape.AllKinds },
        { "all kinds, 1 key, few values, all answered", 5_000, 1, 0, false, HistoryShape.AllKinds },
        { "puts and deletes, 1 key", 5_000, 1, 10, true, [3, 5, 0, 5, 0, 0] },
        { "hardly any read, 1 key", 5_000, 1, 10, true, [1, 9, 0, 5, 0, 0] },
        { "deletes and compare-and-sets, 1 key", 5_000, 1, 10, true, [3, 1, 0, 5, 8, 0] },
        { "appends and a few deletes, 1 key", 6_000, 1, 10, true, [5, 0, 10, 1, 0, 0] },
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

    [Theory]
    [InlineData(5, false)]
    [InlineData(1, false)]
    [InlineData(5, true)]
    public void One_wrong_answer_is_found(int keys, bool scans)
    {
        for (int seed = 0; seed < 5; seed++)
        {
            HistoryEntry[] entries = [.. RandomHistory.Make(new(3_000, 8, keys, 10, true,
                scans ? HistoryShape.WithScans : HistoryShape.AllKinds), seed)];
            for (int from = 1_000; from <= 2_000; from += 500)
            {
                (int place, string stale, string future) = FindGet(entries, from);
                foreach (string wrong in new[] { stale, future, "nobody's" })
                {
                    HistoryEntry right = entries[place];
                    entries[place] = right with { Answer = Answer.Found(wrong) };
                    LinearizabilityResult result = LinearizabilityChecker.Check(entries);
                    Assert.Equal(entries[place], result.Violation?.Misfit);
                    entries[place] = right;
                }
            }
        }
    }

    /// <summary>A get, a value put and certainly replaced before it, and one put only after it.</summary>
    private static (int Place, string Stale, string Future) FindGet(HistoryEntry[] entries, int from)
    {
        int place = Array.FindIndex(entries, from, entry => entry.Operation.Kind == OperationKind.Get
            && entry.Outcome == OperationOutcome.Answered);
        HistoryEntry get = entries[place];
        HistoryEntry[] puts = [.. entries.Where(entry => entry.Operation.Kind == OperationKind.Put
            && entry.Outcome == OperationOutcome.Answered && entry.Operation.Key == get.Operation.Key)];
        HistoryEntry replacing = puts.Last(put => put.Returned < get.Invoked);
        return (place, puts.Last(put => put.Returned < replacing.Invoked).Operation.Value!,
            puts.First(put => put.Invoked > get.Returned).Operation.Value!);
    }
}
