using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Client;

/// <summary>Adds the store's client to an Orleans client.</summary>
public static class OrleansRaftClientBuilderExtensions
{
    private static readonly TimeSpan GatewayRefreshPeriod = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Registers <see cref="IKeyValueStore"/> and <see cref="IClusterAdministration"/>, to be injected where they are
    /// needed. Writes are applied at most once, and every call ends by its deadline.
    /// </summary>
    public static IClientBuilder AddOrleansRaftClient(this IClientBuilder builder,
        Action<OrleansRaftClientOptions>? configure = null)
    {
        IServiceCollection services = builder.Services;
        services.AddOptions<OrleansRaftClientOptions>().Configure(options => configure?.Invoke(options))
            .Validate(options => options.Validate().Count == 0,
                "The options of AddOrleansRaftClient are invalid; OrleansRaftClientOptions.Validate says how.");
        // A gateway that came back is used again after at most two of these.
        services.Configure<GatewayOptions>(gateways => gateways.GatewayListRefreshPeriod = GatewayRefreshPeriod);
        services.AddSingleton<ClusterConnection>();
        services.AddSingleton<IClusterAdministration, ClusterAdministration>();
        services.AddSingleton(provider =>
            new KvClient(provider.GetRequiredService<ClusterConnection>(), TimeProvider.System, TaskScheduler.Default,
            provider.GetRequiredService<IOptions<OrleansRaftClientOptions>>().Value.Client,
            BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)))));
        services.AddSingleton<IKeyValueStore>(provider => provider.GetRequiredService<KvClient>());
        services.AddHostedService<RouteFollower>();
        return builder;
    }
}
