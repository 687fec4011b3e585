using System.Globalization;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Shell;

namespace Orleans.Raft.Client;

/// <summary>The <c>kv</c> tool: the shell over a cluster of silos.</summary>
internal static class KvTool
{
    public const string DefaultGateways = "127.0.0.1:30000,127.0.0.1:30001,127.0.0.1:30002";
    public const int BadStart = 2;

    /// <summary>As long as a call of the store may take.</summary>
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ConnectRetry = TimeSpan.FromMilliseconds(250);

    /// <summary>Runs one command, or the shell if there is none.</summary>
    /// <exception cref="ArgumentException">A gateway is no address and port.</exception>
    public static async Task<int> RunAsync(
        IReadOnlyList<string> command, string gateways, string clusterId, bool verbose,
        CancellationToken cancellationToken)
    {
        IPEndPoint[] endpoints = ParseGateways(gateways);
        using IHost host = Build(endpoints, clusterId, verbose);
        try
        {
            await host.StartAsync(cancellationToken);
        }
        catch (Exception failure) when (failure is OrleansException or TimeoutException or IOException)
        {
            await Console.Error.WriteLineAsync($"ERR Start: no silo of cluster {clusterId} can be reached at "
                + $"{gateways} ({failure.Message}). Start one, or name its gateway with --gateways.");
            return BadStart;
        }
        var session = new ShellSession(host.Services.GetRequiredService<IKeyValueStore>(),
            host.Services.GetRequiredService<IClusterAdministration>(), faults: null, new ShellOptions());
        int code = command.Count > 0
            ? await session.ExecuteAsync(command, cancellationToken: cancellationToken)
            : await session.RunAsync(cancellationToken);
        await host.StopAsync(CancellationToken.None);
        return code;
    }

    private static IHost Build(IPEndPoint[] gateways, string clusterId, bool verbose)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(
            new HostApplicationBuilderSettings { ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.SetMinimumLevel(verbose ? LogLevel.Information : LogLevel.None);
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.UseOrleansClient(client =>
        {
            client.UseStaticClustering(gateways);
            client.Configure<ClusterOptions>(cluster =>
            {
                cluster.ClusterId = clusterId;
                cluster.ServiceId = clusterId;
            });
            long start = TimeProvider.System.GetTimestamp();
            client.UseConnectionRetryFilter(async (_, cancellationToken) =>
            {
                await Task.Delay(ConnectRetry, cancellationToken);
                return TimeProvider.System.GetElapsedTime(start) < ConnectTimeout;
            });
            client.AddOrleansRaftClient();
        });
        return builder.Build();
    }

    /// <exception cref="ArgumentException">One is no address and port.</exception>
    internal static IPEndPoint[] ParseGateways(string list) =>
        [.. list.Split(',', StringSplitOptions.TrimEntries).Select(ParseGateway)];

    private static IPEndPoint ParseGateway(string text)
    {
        int colon = text.LastIndexOf(':');
        if (colon > 0
            && int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port)
            && port is > 0 and <= IPEndPoint.MaxPort)
        {
            string address = text[..colon];
            if (address == "localhost") return new IPEndPoint(IPAddress.Loopback, port);
            if (IPAddress.TryParse(address, out IPAddress? ip)) return new IPEndPoint(ip, port);
        }
        throw new ArgumentException($"--gateways: '{text}' is no gateway; write IP addresses and ports, such as "
            + $"{DefaultGateways}.");
    }
}
