using System.Globalization;
using Microsoft.Extensions.Logging;
using Orleans.Raft.Embedded;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Chaos;

/// <summary>What the child process does when the host is the embedded one: all nodes, and a pipe to their
/// clients.</summary>
public static class EmbeddedStore
{
    public static async Task RunAsync(string data, int clients)
    {
        using ILoggerFactory loggers = LoggerFactory.Create(builder => builder
            .SetMinimumLevel(LogLevel.Information)
            .AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.TimestampFormat = "HH:mm:ss.fff ";
            })
            .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
        // Small files, so that the log is given up and snapshots are taken many times in a run.
        EmbeddedCluster cluster = await EmbeddedCluster.StartAsync(new EmbeddedOptions
        {
            DataDirectory = data,
            LogSegmentBytes = 1 << 20,
            Replica = new ReplicaOptions { SnapshotLogBytes = 1 << 20 },
            LoggerFactory = loggers,
        });
        await cluster.WaitForLeadersAsync();
        IKeyValueStore[] stores =
            [.. Enumerable.Range(0, clients).Select(i => cluster.CreateClient(ClientOptions.Of(i)))];
        using var server = new PipeServer(stores, cluster, cluster);
        await server.RunAsync();
        // Who held the other end is gone: nobody waits for an orderly end.
        Environment.Exit(0);
    }

    /// <summary>The arguments of the child's command line.</summary>
    public static string[] Arguments(string data, int clients) =>
        ["store", "--data", data, "--clients", clients.ToString(CultureInfo.InvariantCulture)];
}
