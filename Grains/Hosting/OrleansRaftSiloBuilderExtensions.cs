using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Runtime.Hosting;

namespace Orleans.Raft.Grains;

/// <summary>Adds the store to a silo.</summary>
public static class OrleansRaftSiloBuilderExtensions
{
    /// <summary>Makes the silo a node of the store, of the silo's name; or a host of its slots.</summary>
    public static ISiloBuilder AddOrleansRaft(this ISiloBuilder builder, Action<OrleansRaftOptions> configure)
    {
        IServiceCollection services = builder.Services;
        services.Configure(configure);
        services.AddOptions<ClusterMembershipOptions>().Configure<IOptions<OrleansRaftOptions>>(TuneMembership);
        services.AddSingleton<SiloAddresses>();
        services.AddSingleton<NodePlaces>();
        services.AddSingleton<SiloTransportClient>();
        services.AddSingleton<SiloNetwork>();
        services.AddSingleton(s => new SiloNodes(s.GetRequiredService<IOptions<OrleansRaftOptions>>(),
            s.GetRequiredService<ILocalSiloDetails>(),
            s.GetRequiredService<IGrainFactory>(), s.GetRequiredService<SiloNetwork>(),
            s.GetRequiredService<NodePlaces>(), s.GetRequiredService<ILogger<SiloNode>>()));
        services.AddSingleton<SlotHost>();
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(s => s.GetRequiredService<SiloNodes>());
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(s => s.GetRequiredService<SlotHost>());
        services.AddTransient<SlotTableStore>();
        services.AddSingleton<SiloStore>();
        services.AddSingleton<SiloRoutes>();
        services.AddGrainDirectory<NoDirectory>(NoDirectory.Name, (_, _) => new NoDirectory());
        builder.AddPlacementDirector<SiloNamePlacement, SiloNamePlacementDirector>();
        builder.AddPlacementDirector<SiloKeyPlacement, SiloKeyPlacementDirector>();
        builder.AddGrainService<SiloTransport>();
        return builder;
    }

    /// <summary>
    /// A slot goes on elsewhere as soon as Orleans has found its silo dead, and its replicas are missing until then. Three
    /// probes must fail, each after half a second or less; that takes about a second where the silo's process has ended,
    /// which closes its connections. While a connection is open, Orleans waits besides until nothing has come by it for
    /// three times the longest probe, hence for three seconds where a host is cut off or without power; a silo that
    /// stands still for that long is taken for dead as well, and ends. Later configuration may say otherwise.
    /// </summary>
    private static void TuneMembership(ClusterMembershipOptions membership, IOptions<OrleansRaftOptions> options)
    {
        if (options.Value.Slots is null) return;
        membership.ProbeTimeout = TimeSpan.FromMilliseconds(500);
        membership.MaxProbeTimeout = TimeSpan.FromSeconds(1);
        membership.NumMissedProbesLimit = 3;
        membership.TableRefreshTimeout = TimeSpan.FromSeconds(5);
    }
}
