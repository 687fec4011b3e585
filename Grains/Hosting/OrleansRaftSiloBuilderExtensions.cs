using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Runtime.Hosting;

namespace Orleans.Raft.Grains;

/// <summary>Adds the store to a silo.</summary>
public static class OrleansRaftSiloBuilderExtensions
{
    /// <summary>Makes the silo a node of the store; the silo's name is the node's name.</summary>
    public static ISiloBuilder AddOrleansRaft(this ISiloBuilder builder, Action<OrleansRaftOptions> configure)
    {
        IServiceCollection services = builder.Services;
        services.Configure(configure);
        services.AddSingleton<SiloAddresses>();
        services.AddSingleton<SiloTransportClient>();
        services.AddSingleton<SiloNetwork>();
        services.AddSingleton(s => new SiloNode(s.GetRequiredService<IOptions<OrleansRaftOptions>>(),
            s.GetRequiredService<ILocalSiloDetails>(),
            s.GetRequiredService<IGrainFactory>(), s.GetRequiredService<SiloNetwork>(),
            s.GetRequiredService<ILogger<SiloNode>>()));
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(s => s.GetRequiredService<SiloNode>());
        services.AddSingleton<SiloStore>();
        services.AddSingleton<SiloRoutes>();
        services.AddGrainDirectory<NoDirectory>(NoDirectory.Name, (_, _) => new NoDirectory());
        builder.AddPlacementDirector<SiloNamePlacement, SiloNamePlacementDirector>();
        builder.AddGrainService<SiloTransport>();
        return builder;
    }
}
