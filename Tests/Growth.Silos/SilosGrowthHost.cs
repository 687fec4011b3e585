using System.Net;
using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Raft.Client;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Processes;

namespace Orleans.Raft.Growth.Silos;

/// <summary>Silo processes on this machine's loopback, and a client of theirs in this one.</summary>
internal sealed class SilosGrowthHost(string directory, int clients, bool verbose) : IGrowthHost
{
    private const string ClusterId = "orleans-raft";

    private readonly SiloCluster _silos = new(directory, verbose ? ["--verbose"] : []);
    private IHost? _client;
    private KvClient[] _stores = [];

    public IClusterAdministration Administration => Client.Services.GetRequiredService<IClusterAdministration>();

    public INodeControl? Nodes => null;

    private IHost Client => _client ?? throw new InvalidOperationException("The cluster is not started.");

    public async Task StartAsync(Action<string> say, CancellationToken cancellation)
    {
        say($"three silos as processes: {string.Join(", ", Enumerable.Range(0, SiloCluster.Count)
            .Select(SiloCluster.NameOf))}");
        _silos.StartMissing();
        await _silos.ReadyAsync(cancellation);
        _client = Build();
        await _client.StartAsync(cancellation);
        ClusterConnection connection = _client.Services.GetRequiredService<ClusterConnection>();
        _stores = [.. Enumerable.Range(0, clients).Select(_ => new KvClient(connection, TimeProvider.System,
            TaskScheduler.Default, new KvClientOptions(),
            BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)))))];
    }

    public IKeyValueStore StoreOf(int client) => _stores[client];

    public async Task AddNodeAsync(Action<string> say, CancellationToken cancellation)
    {
        int silo = _silos.Join();
        say($"silo --name {SiloCluster.NameOf(silo)} --join starts");
        await _silos.ReadyAsync(cancellation);
        say($"{SiloCluster.NameOf(silo)} has joined");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (KvClient store in _stores) await store.DisposeAsync();
        if (_client is not null)
        {
            await _client.StopAsync(CancellationToken.None);
            _client.Dispose();
        }
        _silos.Dispose();
    }

    private IHost Build()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(
            new HostApplicationBuilderSettings { ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.SetMinimumLevel(LogLevel.Error);
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.UseOrleansClient(client =>
        {
            client.UseStaticClustering([.. _silos.Gateways.Split(',').Select(IPEndPoint.Parse)]);
            client.Configure<ClusterOptions>(cluster => cluster.ClusterId = cluster.ServiceId = ClusterId);
            client.AddOrleansRaftClient();
        });
        return builder.Build();
    }
}
