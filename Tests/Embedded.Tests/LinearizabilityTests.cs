using Orleans.Raft.Core;
using Orleans.Raft.Histories;
using Orleans.Raft.Linearizability;
using Xunit.Abstractions;

namespace Orleans.Raft.Embedded.Tests;

/// <summary>Histories of the real store on real threads and files while nodes die, are cut off and come back.</summary>
public sealed class LinearizabilityTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int Operations = 6_000;

    private readonly TemporaryCluster _temporary = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _temporary.DisposeAsync();

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    public async Task A_history_under_kills_and_isolations_is_linearizable(int seed, int groups)
    {
        EmbeddedCluster cluster = await _temporary.StartAsync(o => o with { Groups = groups });
        var options = HistoryLoadOptions.For(await cluster.GetStatusAsync(), "a", "b", "c", "x", "z");
        var load = new HistoryLoad(cluster.Client, options with { Seed = seed });
        Task running = load.RunAsync(Operations);

        await ReachedAsync(1_000);
        NodeName killed = await LeaderAsync(cluster);
        await cluster.KillAsync(killed);
        await ReachedAsync(2_000);
        await cluster.StartAsync(killed);
        await ReachedAsync(3_000);
        await cluster.IsolateAsync(await LeaderAsync(cluster));
        await ReachedAsync(4_000);
        await cluster.HealAsync();
        await ReachedAsync(5_000);
        await cluster.KillAsync(await LeaderAsync(cluster));
        await running;

        output.WriteLine($"time {load.Judge($"embedded-{seed}")}");
        int unknown = load.History.Entries().Count(entry => entry.Outcome
            == OperationOutcome.Unknown);
        Assert.InRange(unknown, 0, Operations / 10);

        // A client that fails ends the wait too.
        async Task ReachedAsync(int count) => await await Task.WhenAny(load.AnsweredAsync(count), running);
    }

    /// <summary>The leader of the first group, as soon as there is one.</summary>
    private static async Task<NodeName> LeaderAsync(EmbeddedCluster cluster)
    {
        while (true)
        {
            await cluster.WaitForLeadersAsync();
            if ((await cluster.GetStatusAsync()).Groups[0].Leader is { } leader) return leader;
        }
    }
}
