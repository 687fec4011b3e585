using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Raft.Grains;
using Orleans.Raft.Storage;
using Orleans.Runtime.MembershipService;

namespace Orleans.Raft.Silo;

/// <summary>Puts a silo together from its settings.</summary>
internal static class SiloHost
{
    public static IHost Build(SiloSettings settings, SiloEndpoints endpoints, IConfiguration configuration)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(
            new HostApplicationBuilderSettings { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.AddConfiguration(configuration);
        builder.Logging.AddConfiguration(configuration.GetSection("Logging"));
        builder.Logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "HH:mm:ss.fff ";
        });
        // Standard output is for who drives the silo.
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.AddSingleton<IHostLifetime, SilentLifetime>();
        // Started before the silo, and stopped after it.
        if (endpoints.Health is { } health)
            builder.Services.AddHostedService(services =>
                new HealthServer(health, services.GetRequiredService<SiloNodes>));
        if (settings.Collector is { } collector)
            builder.Services.AddHostedService(_ => new TelemetryExport(collector, settings.Name, settings.ClusterId));
        builder.UseOrleans(silo => Configure(silo, settings, endpoints));
        return builder.Build();
    }

    private static void Configure(ISiloBuilder silo, SiloSettings settings, SiloEndpoints endpoints)
    {
        silo.Configure<ClusterOptions>(cluster =>
        {
            cluster.ClusterId = settings.ClusterId;
            cluster.ServiceId = settings.ClusterId;
        });
        silo.Configure<SiloOptions>(options => options.SiloName = settings.Name.Value);
        silo.Configure<EndpointOptions>(options =>
        {
            options.AdvertisedIPAddress = endpoints.Advertised;
            options.SiloPort = settings.SiloPort;
            options.GatewayPort = settings.GatewayPort;
            options.SiloListeningEndpoint = endpoints.Silo;
            options.GatewayListeningEndpoint = endpoints.Gateway;
        });
        silo.Configure<ClusterMembershipOptions>(membership =>
        {
            // Elections do not wait for Orleans; a silo that joins probes all others, and does wait for the dead to be
            // declared dead.
            membership.ProbeTimeout = TimeSpan.FromSeconds(2);
            membership.NumMissedProbesLimit = 5;
            membership.IAmAliveTablePublishTimeout = SiloEntrance.AlivePeriod;
        });
        // A frame to a silo that is gone fails fast and is dropped; the next try should find it back soon.
        silo.Configure<ConnectionOptions>(connections =>
        {
            connections.ConnectionRetryDelay = TimeSpan.FromMilliseconds(200);
            connections.OpenConnectionTimeout = TimeSpan.FromSeconds(1);
        });
        if (settings.Database is { } database)
            silo.Configure<AdoNetClusteringSiloOptions>(options =>
            {
                options.Invariant = ClusterDatabase.Invariant;
                options.ConnectionString = database;
            });
        silo.Services.AddSingleton<IMembershipTable>(services => new OneNameMembershipTable(settings.Database is null
            ? new FileMembershipTable(settings.Membership)
            : ActivatorUtilities.CreateInstance<AdoNetClusteringTable>(services)));
        silo.AddOrleansRaft(raft =>
        {
            raft.Nodes = settings.FormsWithAllSlots ? [] : settings.Nodes;
            raft.Joins = settings.Joins;
            raft.Zone = settings.Zone;
            raft.Groups = settings.Groups;
            raft.SplitKeys = settings.SplitKeys;
            raft.LogSegmentBytes = settings.LogSegmentBytes;
            raft.Controller = settings.Controller;
            raft.Replica = raft.Replica with { SnapshotLogBytes = settings.SnapshotLogBytes };
            raft.OpenStorage = settings.Slots is { } slots
                ? new SlotDatabases(slots).OpenAsync
                : (name, context) => NodeStorage.OpenOwnedAsync(
                    new LocalDisk(Path.Combine(Path.GetFullPath(settings.Data), name.Value),
                        new LocalDiskOptions { FlushToDisk = settings.FlushToDisk }), context);
            raft.Slots = settings.Slots?.Select(slot => new SlotOptions(slot.Name, slot.Zone)).ToArray();
        });
        if (settings is { Slots: not null, Database: { } registry })
            silo.AddAdoNetGrainStorage(OrleansRaftOptions.SlotStorage, options =>
            {
                options.Invariant = ClusterDatabase.Invariant;
                options.ConnectionString = registry;
            });
    }
}
