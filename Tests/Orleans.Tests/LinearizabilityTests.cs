using Orleans.Raft.Core;
using Orleans.Raft.Histories;
using Orleans.Raft.Linearizability;
using Xunit.Abstractions;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>A history of three silos, through an Orleans client, while a silo is killed and started again.</summary>
public sealed class LinearizabilityTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int Operations = 6_000;

    private readonly RaftTestCluster _cluster = new();

    public Task InitializeAsync() => _cluster.InitializeAsync();

    public Task DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task A_history_of_silos_with_one_killed_and_restarted_is_linearizable()
    {
        var options = HistoryLoadOptions.For(await _cluster.Administration.GetStatusAsync(), "a", "b", "c", "x", "z");
        var load = new HistoryLoad(_cluster.Store, options);
        Task running = load.RunAsync(Operations);

        await ReachedAsync(1_000);
        NodeName leader = (await _cluster.Administration.GetStatusAsync()).Groups
            .Select(group => group.Leader).OfType<NodeName>().First();
        await _cluster.KillAsync(leader);
        await ReachedAsync(3_000);
        await _cluster.StartAsync(leader);
        await running;

        output.WriteLine($"time {load.Judge("silos")}");
        int unknown = load.History.Entries().Count(entry => entry.Outcome == OperationOutcome.Unknown);
        Assert.InRange(unknown, 0, Operations / 10);

        // A client that fails ends the wait too.
        async Task ReachedAsync(int count) => await await Task.WhenAny(load.AnsweredAsync(count), running);
    }
}
