namespace Orleans.Raft.Linearizability.Tests;

/// <summary>The checker, with all its reductions, against all orders.</summary>
public class BruteForceTests
{
    private static readonly int[][] Mixes =
    [
        HistoryShape.AllKinds, HistoryShape.WithScans, [4, 4, 0, 2, 0, 0], [4, 0, 5, 1, 0, 0], [3, 2, 0, 2, 6, 0],
        [4, 2, 6, 0, 2, 1], [2, 4, 2, 2, 1, 4],
    ];

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    [InlineData(4, true)]
    public void Small_histories_are_judged_as_by_trying_all_orders(int lot, bool uniqueValues)
    {
        int good = 0, bad = 0;
        for (int seed = lot * 1_000_000; seed < lot * 1_000_000 + 6_000; seed++)
        {
            var shape = Shape(seed, 3 + seed % 6, uniqueValues);
            var made = RandomHistory.Make(shape, seed);
            Oracles.Verify(made, LinearizabilityChecker.Check(made));
            Count(Judge(RandomHistory.Mutate(made, seed), seed, remember: false));
            Count(Judge(RandomHistory.Mutate(RandomHistory.Mutate(made, seed + 1), seed), seed, remember: false));
        }
        Assert.True(good > 1_000, $"only {good} of the mutated histories are good");
        Assert.True(bad > 1_000, $"only {bad} of the mutated histories are bad");

        void Count(bool linearizable) => _ = linearizable ? good++ : bad++;
    }

    [Theory]
    [InlineData(5, false)]
    [InlineData(6, true)]
    public void Longer_histories_are_judged_as_by_a_search_without_reductions(int lot, bool uniqueValues)
    {
        int good = 0, bad = 0;
        for (int seed = lot * 1_000_000; seed < lot * 1_000_000 + 1_500; seed++)
        {
            var shape = Shape(seed, 10 + seed % 7, uniqueValues);
            var made = RandomHistory.Make(shape, seed);
            Oracles.Verify(made, LinearizabilityChecker.Check(made));
            _ = Judge(RandomHistory.Mutate(made, seed), seed, remember: true) ? good++ : bad++;
        }
        Assert.True(good > 200, $"only {good} of the mutated histories are good");
        Assert.True(bad > 200, $"only {bad} of the mutated histories are bad");
    }

    [Theory]
    [InlineData(10, 1)]
    [InlineData(30, 1)]
    [InlineData(30, 2)]
    public void Histories_of_an_atomic_store_are_accepted(int unknownPercent, int keys)
    {
        foreach (int operations in new[] { 20, 40, 80, 200 })
        {
            for (int seed = 0; seed < 40_000 / operations; seed++)
            {
                int[] mix = Mixes[seed % Mixes.Length];
                var made = RandomHistory.Make(new(operations, 8, keys, unknownPercent, true, mix), seed);
                Oracles.Verify(made, LinearizabilityChecker.Check(made));
            }
        }
    }

    private static HistoryShape Shape(int seed, int operations, bool uniqueValues) => new(operations, 2 + seed % 4,
        1 + seed % 3, (seed % 5) * 12, uniqueValues, Mixes[seed % Mixes.Length]);

    private static bool Judge(IReadOnlyList<HistoryEntry> entries, int seed, bool remember)
    {
        bool expected = Oracles.SomeOrderExplains(entries, remember);
        LinearizabilityResult result = LinearizabilityChecker.Check(entries);
        Assert.True(expected == result.IsLinearizable, $"""
            seed {seed}: the checker says {result.IsLinearizable}, all orders say {expected}
            {string.Join("\n", entries.Select(entry => $"{entry} [{entry.Invoked}, {entry.Returned}]"))}
            {result.Explain()}
            """);
        if (expected) Oracles.Verify(entries, result);
        return expected;
    }
}
