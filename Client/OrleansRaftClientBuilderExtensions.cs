using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Messaging;
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

    /// <summary>
    /// Enters the cluster by any of these hosts that answers; their names are resolved again and again. No database is
    /// needed.
    /// </summary>
    /// <param name="hosts">A list with commas: <c>10.0.0.1:30000,[2001:db8::1]:30000,silo-1.example:30000</c>.</param>
    /// <exception cref="ArgumentException">One is no host and port.</exception>
    public static IClientBuilder UseGatewayHosts(this IClientBuilder builder, string hosts)
    {
        GatewayHost[] list = GatewayHost.ParseList(hosts);
        builder.Services.AddSingleton<IGatewayListProvider>(services =>
            new GatewayHostList(list, services.GetRequiredService<IOptions<GatewayOptions>>()));
        return builder;
    }

    /// <summary>Enters the cluster by whichever of its silos live, as their database says; see the silo's option
    /// <c>--clustering postgresql</c>.</summary>
    /// <param name="connectionString">Npgsql's.</param>
    public static IClientBuilder UseGatewaysOfDatabase(this IClientBuilder builder, string connectionString) =>
        builder.UseAdoNetClustering((AdoNetClusteringClientOptions options) =>
        {
            options.Invariant = "Npgsql";
            options.ConnectionString = connectionString;
        });
}
