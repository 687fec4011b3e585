using Microsoft.Extensions.Logging;
using Orleans.Raft.Embedded;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Growth;

/// <summary>All nodes in this process, with real files.</summary>
public sealed class EmbeddedGrowthHost(string directory, int clients, bool verbose) : IGrowthHost
{
    private readonly ILoggerFactory _loggers = LoggerFactory.Create(builder => builder
        .SetMinimumLevel(verbose ? LogLevel.Information : LogLevel.Error)
        .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
    private EmbeddedCluster? _cluster;
    private KvClient[] _stores = [];

    public IClusterAdministration Administration => Cluster;

    public INodeControl Nodes => Cluster;

    private EmbeddedCluster Cluster => _cluster ?? throw new InvalidOperationException("The cluster is not started.");

    public async Task StartAsync(Action<string> say, CancellationToken cancellation)
    {
        say("three nodes in this process: node-1, node-2, node-3");
        _cluster = await EmbeddedCluster.StartAsync(
            new EmbeddedOptions { DataDirectory = directory, LoggerFactory = _loggers });
        await _cluster.WaitForLeadersAsync(cancellation);
        _stores = [.. Enumerable.Range(0, clients).Select(_ => _cluster.CreateClient())];
    }

    public IKeyValueStore StoreOf(int client) => _stores[client];

    public Task AddNodeAsync(Action<string> say, CancellationToken cancellation) =>
        throw new NotSupportedException("The shell's 'node add' starts nodes of this process.");

    public async ValueTask DisposeAsync()
    {
        foreach (KvClient store in _stores) await store.DisposeAsync();
        if (_cluster is not null) await _cluster.DisposeAsync();
        _loggers.Dispose();
    }
}
