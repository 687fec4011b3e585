using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Raft.Client;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>An application that uses the store of silos that are other processes.</summary>
internal sealed class StoreClient : IAsyncDisposable
{
    private readonly IHost _host;

    private StoreClient(IHost host) => _host = host;

    public IKeyValueStore Store => _host.Services.GetRequiredService<IKeyValueStore>();

    public IClusterAdministration Administration => _host.Services.GetRequiredService<IClusterAdministration>();

    public static async Task<StoreClient> ConnectAsync(Action<IClientBuilder> findGateways)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.UseOrleansClient(client =>
        {
            findGateways(client);
            client.Configure<ClusterOptions>(cluster => cluster.ClusterId = cluster.ServiceId = "orleans-raft");
            client.AddOrleansRaftClient();
        });
        IHost host = builder.Build();
        await host.StartAsync();
        return new StoreClient(host);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }
}
