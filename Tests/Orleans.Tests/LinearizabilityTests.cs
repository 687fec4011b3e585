using Orleans.Raft.Core;
using Orleans.Raft.Histories;
using Orleans.Raft.KeyValue;
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
    public async Task A_history_of_silos_with_a_leader_killed_and_restarted_is_linearizable()
    {
        // In two groups.
        var options = HistoryLoadOptions.For(await _cluster.Administration.GetStatusAsync(), "W", "X", "Y", "x", "z");
        var load = new HistoryLoad(_cluster.Store, options);
        await load.RunWhileAsync(Operations, async answeredAsync =>
        {
            await answeredAsync(1_000);
            NodeName leader = await LeaderAsync(options.Keys[0].Partition);
            await _cluster.KillAsync(leader);
            await answeredAsync(1_000);
            await _cluster.StartAsync(leader);
            await answeredAsync(1_000);
        });

        output.WriteLine($"time {load.Judge("silos")}");
        IReadOnlyList<HistoryEntry> entries = load.History.Entries();
        Assert.Equal(2, options.Keys.Select(key => key.Partition).Distinct().Count());
        Assert.InRange(entries.Count(entry => entry.Outcome == OperationOutcome.Unknown), 0, entries.Count / 10);
    }

    /// <summary>The leader of a group, as soon as there is one.</summary>
    private async Task<NodeName> LeaderAsync(string group)
    {
        NodeName? leader = null;
        await RaftTestCluster.WaitAsync($"{group} has a leader", async () =>
        {
            ClusterStatus status = await _cluster.Administration.GetStatusAsync();
            leader = status.Groups.Single(g => g.Group.ToString() == group).Leader;
            return leader is not null;
        });
        return leader!.Value;
    }
}
