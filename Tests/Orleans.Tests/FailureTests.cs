using System.Diagnostics;
using System.Text;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Xunit.Abstractions;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Silos and activations that die and come back; each test has a cluster of its own.</summary>
public sealed class FailureTests(ITestOutputHelper output) : IAsyncLifetime
{
    /// <summary>A key in each of the four groups.</summary>
    private static readonly string[] Keys = ["!a", "Aa", "Ya", "za"];

    private readonly RaftTestCluster _cluster = new();

    public Task InitializeAsync() => _cluster.InitializeAsync();

    public Task DisposeAsync() => _cluster.DisposeAsync();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_silos_death_stops_no_group_and_disturbs_no_other_silos_replicas(int index)
    {
        NodeName victim = RaftTestCluster.Names[index];
        NodeName[] others = [.. RaftTestCluster.Names.Where(n => n != victim)];
        await PutAllAsync("before");
        ulong[][] incarnations = [.. others.Select(_cluster.IncarnationsOf)];

        await _cluster.KillAsync(victim);
        long killed = Stopwatch.GetTimestamp();
        await PutAllAsync("while down");
        output.WriteLine("time until all groups took writes again: "
            + $"{Stopwatch.GetElapsedTime(killed).TotalMilliseconds:F0} ms");
        // Orleans finds out about the death meanwhile, and would take down what stood in the dead silo's part of a
        // directory.
        TimeSpan noticed = await RaftTestCluster.WaitAsync($"the status shows {victim} as down",
            async () => (await _cluster.Administration.GetStatusAsync()).Nodes.Any(n => n.Node == victim && !n.IsUp));
        output.WriteLine($"time until the status showed the silo as down: {noticed.TotalMilliseconds:F0} ms");
        Assert.Equal(incarnations, others.Select(_cluster.IncarnationsOf));

        await _cluster.StartAsync(victim);
        await PutAllAsync("after");
        TimeSpan caughtUp =
            await RaftTestCluster.WaitAsync("the silo that came back has all writes", () => AllAppliedAsync(victim));
        output.WriteLine($"time until the silo that came back had all writes: {caughtUp.TotalMilliseconds:F0} ms");
        foreach (string key in Keys) Assert.Equal("after", await GetAsync(key));
        Assert.Equal(incarnations, others.Select(_cluster.IncarnationsOf));
        Assert.All(others, n => Assert.All(_cluster.NodeOf(n).View().Peers, p => Assert.Equal(1, p.Activations)));
    }

    [Fact]
    public async Task Nothing_acknowledged_is_lost_when_all_silos_die_at_once()
    {
        const int Writes = 200;
        await Task.WhenAll(Enumerable.Range(0, Writes)
            .Select(i => PutAsync($"{(char)(0x21 + i % 94)}{i}", $"value {i}")));
        await Task.WhenAll(RaftTestCluster.Names.Select(_cluster.KillAsync));
        await Task.WhenAll(RaftTestCluster.Names.Select(_cluster.StartAsync));
        TimeSpan back = await RaftTestCluster.WaitAsync("the client reaches the cluster again", async () =>
        {
            try
            {
                await GetAsync("!0");
                return true;
            }
            catch (UnavailableException)
            {
                return false;
            }
        });
        output.WriteLine($"time until the client reached the cluster again: {back.TotalMilliseconds:F0} ms");
        for (int i = 0; i < Writes; i++) Assert.Equal($"value {i}", await GetAsync($"{(char)(0x21 + i % 94)}{i}"));
    }

    [Fact]
    public async Task A_second_activation_fences_the_first_which_makes_room()
    {
        await PutAllAsync("before");
        var group = new GroupId(1);
        NodeName silo = (await _cluster.Administration.GetStatusAsync()).Groups[0].Leader!.Value;
        StoreNode store = _cluster.NodeOf(silo).Store!;
        Replica first = store.Find(group)!;

        // What a second activation does on its way in.
        Replica second = await store.OpenReplicaAsync(group, TaskScheduler.Default);
        Assert.True(second.Incarnation > first.Incarnation);
        TimeSpan fenced = await RaftTestCluster.WaitAsync("the first activation's replica has stopped", () =>
            first.StopReason is not null);
        output.WriteLine($"time until the first activation stopped: {fenced.TotalMilliseconds:F0} ms");
        await PutAllAsync("with two");

        // The second one goes as an activation goes; the silo then makes a third.
        second.Stop("its grain was deactivated");
        TimeSpan renewed = await RaftTestCluster.WaitAsync("the silo activated the replica again",
            () => store.Find(group) is { StopReason: null } third && third.Incarnation > second.Incarnation);
        output.WriteLine($"time until the silo activated the replica again: {renewed.TotalMilliseconds:F0} ms");
        await PutAllAsync("after");
        await RaftTestCluster.WaitAsync("the new activation has all writes", () => AllAppliedAsync(silo));
        Assert.Equal(2, _cluster.NodeOf(silo).View().Peers.Single(p => p.Group == 1).Activations);
        Assert.All(_cluster.NodeOf(silo).View().Peers.Where(p => p.Group != 1), p => Assert.Equal(1, p.Activations));
    }

    private async Task<bool> AllAppliedAsync(NodeName silo)
    {
        ClusterStatus status = await _cluster.Administration.GetStatusAsync();
        ReplicaStatus[] own = [.. status.Replicas.Where(r => r.Node == silo)];
        return own.Length == status.Groups.Count
            && own.All(r => r.Applied >= status.Groups.First(g => g.Group == r.Group).Commit);
    }

    private Task PutAllAsync(string value) => Task.WhenAll(Keys.Select(key => PutAsync(key, value)));

    private Task PutAsync(string key, string value) =>
        _cluster.Store.PutAsync(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(value));

    private async Task<string?> GetAsync(string key) =>
        await _cluster.Store.GetAsync(Encoding.UTF8.GetBytes(key)) is { } value
            ? Encoding.UTF8.GetString(value.Span)
            : null;
}
