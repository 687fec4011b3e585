using System.Diagnostics;
using Orleans.Raft.Client;
using Orleans.Raft.Core;
using Orleans.Raft.Histories;
using Orleans.Raft.KeyValue;
using Orleans.Raft.PostgreSql;
using Orleans.Raft.Processes;
using Xunit.Abstractions;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Silos as processes, of which one is killed while clients use them.</summary>
public sealed class SiloDeathTests(PostgresFixture server, ITestOutputHelper output)
    : IClassFixture<PostgresFixture>, IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("death-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Writes_go_on_when_a_silo_is_killed_and_nothing_acknowledged_is_lost()
    {
        using var silos = new SiloCluster(_directory);
        await RunAsync(silos, "local disks", holdersAsync: null);
    }

    [PostgresFact]
    public async Task The_slot_of_a_killed_silo_lives_on_another_and_nothing_acknowledged_is_lost()
    {
        SlotLayout slots = await server.CreateSlotsAsync(Path.Combine(_directory, "slots.json"));
        (int code, _, string errors) = await ProgramProcess.RunAsync("Silo",
            ["init-database", "--database", slots.Database, "--slots", slots.File]);
        Assert.Equal((0, ""), (code, errors));
        using var silos = new SiloCluster(_directory, [.. slots.Arguments, "--verbose"]);
        await RunAsync(silos, "PostgreSQL", slots.HoldersAsync);
    }

    /// <param name="holdersAsync">Says which silo each slot is on; null: the silos themselves are the nodes.</param>
    private async Task RunAsync(SiloCluster silos, string name,
        Func<Task<IReadOnlyDictionary<string, string>>>? holdersAsync)
    {
        silos.StartMissing();
        await silos.ReadyAsync();
        await using StoreClient client = await StoreClient.ConnectAsync(c => c.UseGatewayHosts(silos.Gateways));
        // In two groups; and a client for each of the four.
        var load = new HistoryLoad(client.Store,
            HistoryLoadOptions.For(await client.Administration.GetStatusAsync(), "W", "X", "Y", "x", "z"));
        string[] keys = ["!probe", "Aprobe", "Zprobe", "zprobe"];
        GroupProbe[] writers = [.. keys.Select((key, i) => ProbeOf(100 + i, key, writes: true))];
        using var stop = new CancellationTokenSource();
        var end = new TaskCompletionSource();
        Task running = Task.WhenAll(
            [load.RunAsync(1_000, end.Task), .. writers.Select(writer => writer.RunAsync(stop.Token))]);
        try
        {
            // The first one keeps the table of slots besides.
            foreach (int victim in (int[])[0, SiloCluster.Count - 1])
            {
                await RaftTestCluster.WaitAsync("each silo has a slot, and all replicas live", async () =>
                    await AreEvenAsync() && AreAllLive(await client.Administration.GetStatusAsync(), []));
                await ReachedAsync(load.Answered + 500);
                Dictionary<GroupId, LogIndex> committed = (await client.Administration.GetStatusAsync()).Groups
                    .ToDictionary(group => group.Group, group => group.Commit);
                long killed = Stopwatch.GetTimestamp();
                silos.Kill(victim);
                Task<TimeSpan[]> written = Task.WhenAll(writers.Select(writer => writer.AnsweredAsync(killed)));
                string live = "";
                if (holdersAsync is not null)
                {
                    await RaftTestCluster.WaitAsync("all replicas live again",
                        async () => AreAllLive(await client.Administration.GetStatusAsync(), committed));
                    live = $", all replicas of all groups live again "
                        + $"{Stopwatch.GetElapsedTime(killed).TotalMilliseconds:F0} ms after it";
                    Assert.DoesNotContain(SiloCluster.NameOf(victim), (await holdersAsync()).Values);
                }
                TimeSpan slowest = (await written.WaitAsync(RaftTestCluster.Deadline)).Max();
                output.WriteLine($"time SIGKILL of {SiloCluster.NameOf(victim)}, replicas on {name}: every group took a "
                    + $"write {slowest.TotalMilliseconds:F0} ms after the kill{live}");
                await ReachedAsync(load.Answered + 500);
                silos.StartMissing();
                await silos.ReadyAsync();
            }
        }
        finally
        {
            end.SetResult();
            await stop.CancelAsync();
        }
        await running;
        foreach (string key in keys) Assert.Null(await ProbeOf(200, key, writes: false).CallAsync());
        output.WriteLine($"time {load.Judge($"killed-{name.Replace(' ', '-')}")}");

        GroupProbe ProbeOf(int number, string key, bool writes) =>
            new(client.Store, load.History, number, key, writes);

        async Task ReachedAsync(int count) => await await Task.WhenAny(load.AnsweredAsync(count), running);

        async Task<bool> AreEvenAsync() => holdersAsync is null
            || (await holdersAsync()).Values.Distinct().Count() == SiloCluster.Count;
    }

    /// <summary>Whether every group has all its replicas, each with what was committed.</summary>
    private static bool AreAllLive(ClusterStatus status, Dictionary<GroupId, LogIndex> committed) =>
        SlotTestCluster.AreAllLive(status) && status.Replicas.All(replica =>
            !committed.TryGetValue(replica.Group, out LogIndex index) || replica.Applied >= index);
}
