using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;
using Operation = Orleans.Raft.Linearizability.Operation;

namespace Orleans.Raft.Chaos.Tests;

/// <summary>A run finds what a store does wrong, and nothing where it does nothing wrong.</summary>
public sealed class VerdictTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("verdict-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task A_store_that_keeps_its_promises_passes()
    {
        ChaosResult result = await RunAsync(new FakeHost());
        Assert.Empty(result.Failures);
        Assert.True(result.Unique > 0);
        Assert.True(result.Histories > 0);
        Assert.Equal(result.Tally.Total, result.Tally.Acknowledged);
    }

    [Fact]
    public async Task An_acknowledged_write_that_is_missing_is_found()
    {
        ChaosResult result = await RunUniqueAsync(new FakeHost { Loses = number => number == 30 });
        Assert.Contains("was acknowledged and is missing", Assert.Single(result.Failures), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_append_that_is_there_twice_is_found()
    {
        ChaosResult result = await RunUniqueAsync(new FakeHost { Doubles = number => number is 30 or 31 });
        Assert.Contains("is there 2 times", Assert.Single(result.Failures), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_write_that_happened_is_found()
    {
        ChaosResult result = await RunUniqueAsync(new FakeHost { Refuses = number => number == 30 });
        Assert.Contains("was refused and is there", Assert.Single(result.Failures), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stale_reads_are_found_and_shown()
    {
        ChaosResult result = await RunAsync(new FakeHost { Freezes = (key, number) => number >= 500 && key[1] == 'h' });
        Assert.Contains(result.Failures, failure => failure.Contains("fits nowhere", StringComparison.Ordinal));
        Assert.Contains("<svg", await File.ReadAllTextAsync(Path.Combine(_directory, "history-1.html")),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_history_whose_outcomes_are_too_often_unknown_is_found()
    {
        // Every third write of the first history; three of five operations write.
        ChaosResult result = await RunAsync(new FakeHost
        {
            Hides = (key, number) => number % 3 == 0 && key.Contains("h1-", StringComparison.Ordinal),
        });
        Assert.Contains(result.Failures, failure =>
            failure.StartsWith("history 1: ", StringComparison.Ordinal)
            && failure.EndsWith("unknown outcome, more than 10 %; it says too little", StringComparison.Ordinal));
        Assert.DoesNotContain(result.Failures, failure => failure.Contains("history 2", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(5000, 500, 0, false)]
    [InlineData(5000, 501, 0, true)]
    [InlineData(4999, 4999, 0, false)]
    [InlineData(4999, 4999, 1000, false)]
    [InlineData(5000, 501, 1000, true)]
    public void A_whole_history_may_have_ten_percent_of_unknown_outcomes(
        int operations, int unknown, int refused, bool isWeak)
    {
        var history = new History();
        for (int i = 0; i < operations; i++)
        {
            int id = history.Invoke(client: i, Operation.Put("g1", "k", "v"), now: i);
            if (i >= unknown) history.Complete(id, Answer.Done, now: i);
        }
        for (int i = 0; i < refused; i++)
            history.Refuse(history.Invoke(client: i, Operation.Put("g1", "k", "v"), now: operations + i));
        string? weakness = ChaosRun.FindWeakness(history.Entries());
        Assert.Equal(isWeak, weakness is not null);
        if (isWeak) Assert.StartsWith($"{unknown} of {operations} operations", weakness, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refused_operations_do_not_count_towards_a_history()
    {
        var host = new FakeHost { Declines = number => number % 2 == 0 };
        IKeyValueStore[] stores = [.. Enumerable.Range(0, 8).Select(host.StoreOf)];
        var load = new HistoryLoad(stores, window: 1, seed: 1, new Pace(1_000_000), new Tally());
        await load.RunAsync(ChaosRun.HistoryOperations, CancellationToken.None);
        int refused = load.History.Entries().Count(entry => entry.Outcome == OperationOutcome.Refused);
        Assert.True(refused > 0);
        Assert.True(load.History.Count - refused >= ChaosRun.HistoryOperations);
    }

    [Fact]
    public async Task A_fault_that_does_not_heal_ends_the_run()
    {
        var host = new FakeHost
        {
            Faults = new Dictionary<string, Fault>
            {
                ["break"] = (_, _, _) => throw new TimeoutException("silo-1 does not come back"),
            },
        };
        ChaosResult result = await RunAsync(host, "break");
        Assert.Contains("break: silo-1 does not come back", Assert.Single(result.Failures), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_goes_on_until_every_fault_was_seen()
    {
        int first = 0;
        int second = 0;
        var host = new FakeHost
        {
            Faults = new Dictionary<string, Fault>
            {
                ["first"] = (_, _, _) => Task.FromResult(first++),
                ["second"] = (_, _, _) => Task.FromResult(second++),
            },
        };
        ChaosResult result = await RunAsync(host, "first", "second");
        Assert.Empty(result.Failures);
        Assert.True(first > 0 && second > 0);
        Assert.Equal(first, result.Faults["first"]);
    }

    [Fact]
    public async Task A_critical_line_in_a_log_is_found_and_a_full_disk_is_none()
    {
        await File.WriteAllLinesAsync(Path.Combine(_directory, "silo-1.log"),
        [
            "12:00:00.000 crit: Orleans.Raft[1] Cannot write x: No space left. The disk or quota is full: free",
            "12:00:00.000 fail: Orleans.Raft[2] could not activate",
            "12:00:00.000 crit: Orleans.Raft[3] broken invariant: two leaders",
        ]);
        ChaosResult result = await RunAsync(new FakeHost());
        Assert.Contains("two leaders", Assert.Single(result.Failures), StringComparison.Ordinal);
    }

    private Task<ChaosResult> RunAsync(FakeHost host, params string[] kinds) =>
        new ChaosRun(host, new ChaosOptions(TimeSpan.Zero, Seed: 1, Clients: 8, OperationsPerSecond: 10_000, kinds),
            _directory, _ => { }).RunAsync(CancellationToken.None);

    /// <summary>Unique writes alone, a fixed number of them.</summary>
    private static async Task<ChaosResult> RunUniqueAsync(FakeHost host)
    {
        var tally = new Tally();
        using var stop = new CancellationTokenSource();
        var writer = new UniqueWriter(host.StoreOf(0), 0, new Pace(1_000_000), tally);
        Task writing = writer.RunAsync(stop.Token);
        while (tally.Total < 300) await Task.Yield();
        await stop.CancelAsync();
        await writing;
        return new ChaosResult(tally.Elapsed, tally, 0, writer.Acknowledged, new Dictionary<string, int>(),
            await writer.FindLossesAsync(host.StoreOf(0)));
    }
}
