using System.Diagnostics;
using Orleans.Hosting;
using Orleans.Raft.Client;
using Orleans.Raft.Histories;
using Orleans.Raft.Linearizability;
using Orleans.Raft.PostgreSql;
using Orleans.Raft.Processes;
using Orleans.Raft.Silo;
using Xunit.Abstractions;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Silos as processes that are stopped in order and started again, one after the other, while clients use
/// them.</summary>
public sealed class RollingRestartTests(PostgresFixture server, ITestOutputHelper output)
    : IClassFixture<PostgresFixture>, IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("rolling-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>Silos and clients find each other by a database, as real ones do; by a file where there is no
    /// server.</summary>
    [Fact]
    public async Task No_request_fails_while_all_silos_are_restarted_one_after_the_other()
    {
        if (!PostgresServer.IsAvailable(out _))
        {
            using var silosOfFile = new SiloCluster(_directory);
            await RunAsync(silosOfFile, client => client.UseGatewayHosts(silosOfFile.Gateways), "a membership file");
            return;
        }
        string database = await server.CreateDatabaseAsync();
        await new ClusterDatabase(database).PrepareAsync(CancellationToken.None);
        using var silos = new SiloCluster(_directory, "--clustering", "postgresql", "--database", database);
        await RunAsync(silos, client => client.UseGatewaysOfDatabase(database), "PostgreSQL");
    }

    private async Task RunAsync(SiloCluster silos, Action<IClientBuilder> findGateways, string name)
    {
        silos.StartMissing();
        await silos.ReadyAsync();
        await using StoreClient client = await StoreClient.ConnectAsync(findGateways);
        // In two groups.
        var options = HistoryLoadOptions.For(await client.Administration.GetStatusAsync(), "W", "X", "Y", "x", "z");
        var load = new HistoryLoad(client.Store, options);
        var end = new TaskCompletionSource();
        Task running = load.RunAsync(1_000, end.Task);
        try
        {
            for (int silo = 0; silo < SiloCluster.Count; silo++)
            {
                await load.AnsweredAsync(load.Answered + 500);
                long start = Stopwatch.GetTimestamp();
                Assert.Equal(0, await silos.TerminateAsync(silo));
                TimeSpan stopped = Stopwatch.GetElapsedTime(start);
                silos.StartMissing();
                await silos.ReadyAsync();
                output.WriteLine($"time {SiloCluster.NameOf(silo)} by {name}: stopped in {stopped.TotalMilliseconds:F0} ms, "
                    + $"ready {Stopwatch.GetElapsedTime(start).TotalMilliseconds:F0} ms after the signal");
            }
            await load.AnsweredAsync(load.Answered + 500);
        }
        finally
        {
            end.SetResult();
        }
        await running;

        output.WriteLine($"time {load.Judge("rolling")}");
        IReadOnlyList<HistoryEntry> entries = load.History.Entries();
        Assert.All(entries, entry => Assert.Equal(OperationOutcome.Answered, entry.Outcome));
        double[] milliseconds = [.. entries
            .Select(entry => Stopwatch.GetElapsedTime(entry.InvokedAt, entry.ReturnedAt).TotalMilliseconds).Order()];
        output.WriteLine($"time rolling restart by {name}: {entries.Count} requests, none failed, p50 "
            + $"{milliseconds[milliseconds.Length / 2]:F1} ms, p99 {milliseconds[milliseconds.Length * 99 / 100]:F1} ms, "
            + $"slowest {milliseconds[^1]:F0} ms");
    }
}
