using System.Net.Sockets;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Raft.Grains;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Silo;

/// <summary>Puts a silo together from its settings.</summary>
internal static class SiloHost
{
    public static IHost Build(SiloSettings settings, IConfiguration configuration)
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
        builder.UseOrleans(silo => Configure(silo, settings));
        return builder.Build();
    }

    /// <summary>Says in words which of the silo's ports is taken; null if none is.</summary>
    public static string? FindPortInUse(SiloSettings settings)
    {
        foreach ((string key, string argument, int port) in new[] { ("SiloPort", "--silo-port", settings.SiloPort),
            ("GatewayPort", "--gateway-port", settings.GatewayPort) })
        {
            using var listener = new TcpListener(settings.Address, port);
            try
            {
                listener.Start();
            }
            catch (SocketException failure)
            {
                return $"{SiloSettings.Section}:{key} ({argument}) is {port}, and {settings.Address}:{port} cannot be "
                    + $"listened on ({failure.Message}); stop what uses it or take another port.";
            }
        }
        return null;
    }

    private static void Configure(ISiloBuilder silo, SiloSettings settings)
    {
        silo.Configure<ClusterOptions>(cluster =>
        {
            cluster.ClusterId = settings.ClusterId;
            cluster.ServiceId = settings.ClusterId;
        });
        silo.Configure<SiloOptions>(options => options.SiloName = settings.Name.Value);
        silo.ConfigureEndpoints(settings.Address, settings.SiloPort, settings.GatewayPort,
            listenOnAnyHostAddress: false);
        silo.Configure<ClusterMembershipOptions>(membership =>
        {
            // Elections do not wait for Orleans; a silo that joins probes all others, and does wait for the dead to be
            // declared dead.
            membership.ProbeTimeout = TimeSpan.FromSeconds(2);
            membership.NumMissedProbesLimit = 5;
        });
        // A frame to a silo that is gone fails fast and is dropped; the next try should find it back soon.
        silo.Configure<ConnectionOptions>(connections =>
        {
            connections.ConnectionRetryDelay = TimeSpan.FromMilliseconds(200);
            connections.OpenConnectionTimeout = TimeSpan.FromSeconds(1);
        });
        silo.Services.AddSingleton<IMembershipTable>(_ => new FileMembershipTable(settings.Membership));
        silo.AddOrleansRaft(raft =>
        {
            raft.Nodes = settings.Nodes;
            raft.Joins = settings.Joins;
            raft.Zone = settings.Zone;
            raft.Groups = settings.Groups;
            raft.SplitKeys = settings.SplitKeys;
            raft.LogSegmentBytes = settings.LogSegmentBytes;
            raft.Controller = settings.Controller;
            raft.Replica = raft.Replica with { SnapshotLogBytes = settings.SnapshotLogBytes };
            raft.OpenStorage = (name, context) => NodeStorage.OpenOwnedAsync(
                new LocalDisk(Path.Combine(Path.GetFullPath(settings.Data), name.Value),
                    new LocalDiskOptions { FlushToDisk = settings.FlushToDisk }), context);
        });
    }
}
