using Orleans.Raft.KeyValue;
using Xunit;

namespace Orleans.Raft.Shell.Tests;

public sealed class LoadTests
{
    [Fact]
    public void Quantiles_are_at_most_one_bucket_above_the_truth()
    {
        const int Seed = 5;
        var random = new Random(Seed);
        for (int round = 0; round < 50; round++)
        {
            var histogram = new LatencyHistogram();
            long[] values = [.. Enumerable.Range(0, random.Next(1, 400)).Select(_ =>
                random.NextInt64(1L << random.Next(1, 40)))];
            foreach (long value in values) histogram.RecordNanoseconds(value);
            Array.Sort(values);
            foreach (double share in new[] { 0, 0.5, 0.9, 0.99, 0.999, 1 })
            {
                long truth = values[Math.Max(0, (int)Math.Ceiling(share * values.Length) - 1)];
                long answer = histogram.QuantileNanoseconds(share);
                Assert.True(answer >= truth && answer <= truth + (truth / 64),
                    $"seed {Seed}, round {round}: {answer} for {truth}");
            }
            Assert.Equal((values.Length, values[^1]), (histogram.Count, histogram.MaxNanoseconds));
        }
    }

    [Fact]
    public void A_histogram_takes_any_duration_and_merges()
    {
        var left = new LatencyHistogram();
        Assert.Equal(0, left.QuantileNanoseconds(0.5));
        left.RecordNanoseconds(-5);
        left.RecordNanoseconds(long.MaxValue);
        var right = new LatencyHistogram();
        right.RecordNanoseconds(100);
        left.Merge(right);
        Assert.Equal((3, 0, 100), (left.Count, left.QuantileNanoseconds(0.1), left.QuantileNanoseconds(0.5)));
        Assert.Equal((1L << 40) - 1, left.QuantileNanoseconds(1));
    }

    [Fact]
    public async Task Load_counts_what_begins_and_ends_in_the_measured_time()
    {
        var time = new ManualTime();
        var options = new LoadOptions
        {
            Clients = 1,
            WarmUp = TimeSpan.FromMilliseconds(10),
            Duration = TimeSpan.FromMilliseconds(100),
            Classes = 2,
            TimeProvider = time,
        };
        // Operations of 3 ms begin at 0, 3, ... 108; those from 12 to 105 begin in time, and that of 108 ends too late.
        LoadResult result = await LoadGenerator.RunAsync(options, (_, number) =>
        {
            time.Advance(TimeSpan.FromMilliseconds(3));
            return ValueTask.FromResult((int)(number % 2));
        });
        Assert.Equal((32, 0, 33), (result.Operations, result.Errors, result.Latency.Count));
        Assert.Equal([16, 16], result.OperationsPerClass);
        Assert.Equal(320, result.OperationsPerSecond);
        Assert.InRange(result.Latency.QuantileMilliseconds(0.99), 3, 3.05);
    }

    [Fact]
    public async Task Load_counts_errors_and_goes_on()
    {
        var time = new ManualTime();
        time.FireTimersOnceCreated();
        var options = new LoadOptions { Clients = 1, Duration = TimeSpan.FromMilliseconds(10), TimeProvider = time };
        LoadResult result = await LoadGenerator.RunAsync(options, (_, number) =>
        {
            time.Advance(TimeSpan.FromMilliseconds(1));
            return number == 4 ? throw new UnavailableException("gone") : ValueTask.CompletedTask;
        });
        Assert.Equal((9, 1), (result.Operations, result.Errors));
        Assert.IsType<UnavailableException>(result.FirstError);
    }

    [Fact]
    public async Task Every_client_runs_even_if_no_operation_waits()
    {
        var time = new ManualTime();
        long[] perClient = new long[32];
        var options = new LoadOptions { Clients = 32, Duration = TimeSpan.FromSeconds(1), TimeProvider = time };
        int arrived = 0;
        await LoadGenerator.RunAsync(options, (client, _) =>
        {
            if (Interlocked.Increment(ref perClient[client]) == 1) Interlocked.Increment(ref arrived);
            if (Volatile.Read(ref arrived) == 32) time.Advance(TimeSpan.FromSeconds(1));
            return ValueTask.CompletedTask;
        });
        Assert.All(perClient, count => Assert.True(count > 0));
    }

    [Fact]
    public async Task Load_can_be_cancelled_and_refuses_bad_options()
    {
        using var stop = new CancellationTokenSource();
        var options = new LoadOptions { Clients = 3, Duration = TimeSpan.FromHours(1) };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            LoadGenerator.RunAsync(options, async (_, number) =>
        {
            if (number == 10) await stop.CancelAsync();
        }, stop.Token));
        var bad = new LoadOptions { Clients = 0, Duration = default, WarmUp = TimeSpan.FromSeconds(-1), Classes = 0 };
        Assert.Equal(4, bad.Validate().Count);
        await Assert.ThrowsAsync<ArgumentException>(() =>
            LoadGenerator.RunAsync(bad, (_, _) => ValueTask.CompletedTask));
    }

    [Fact]
    public void Keys_are_distinct_spread_evenly_and_chosen_by_the_seed()
    {
        byte[][] keys = [.. Enumerable.Range(0, 940).Select(LoadKeys.Key)];
        Assert.Equal(940, keys.Select(Convert.ToHexString).Distinct().Count());
        Assert.Equal("\"key-00000001", ByteText.Escape(keys[1]));
        var perFirstByte = keys.GroupBy(key => key[0]).ToArray();
        Assert.Equal((0x21, 0x7e), (perFirstByte.Min(group => group.Key), perFirstByte.Max(group => group.Key)));
        Assert.All(perFirstByte, group => Assert.Equal(10, group.Count()));

        (int, bool)[] chosen =
            [.. Enumerable.Range(0, 9400).Select(operation => new LoadKeys(94, 1).Choose(3, operation))];
        Assert.Equal(chosen, Enumerable.Range(0, 9400).Select(operation => new LoadKeys(94, 1).Choose(3, operation)));
        Assert.NotEqual(chosen,
            Enumerable.Range(0, 9400).Select(operation => new LoadKeys(94, 2).Choose(3, operation)));
        Assert.All(chosen.GroupBy(item => item.Item1), group => Assert.InRange(group.Count(), 50, 150));
        Assert.InRange(chosen.Count(item => item.Item2), 4400, 5000);
    }

    [Fact]
    public async Task Groups_are_found_by_their_ranges()
    {
        var finder = new GroupFinder((await new FakeCluster().GetStatusAsync()).Groups.Reverse());
        Assert.Equal(["g1", "g1", "g2", "g3", "g4"],
            new[] { "!", "7zz", "8", "P", "g" }.Select(key =>
                finder.Name(finder.IndexOf(System.Text.Encoding.UTF8.GetBytes(key)))));
        Assert.Equal("none", new GroupFinder([]).Name(new GroupFinder([]).IndexOf("k"u8)));
    }
}
