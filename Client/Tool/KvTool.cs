using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Orleans.Configuration;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Shell;

namespace Orleans.Raft.Client;

/// <summary>The <c>kv</c> tool: the shell over a cluster of silos.</summary>
internal static class KvTool
{
    private const int BadStart = 2;

    /// <summary>As long as a call of the store may take.</summary>
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ConnectRetry = TimeSpan.FromMilliseconds(250);

    /// <summary>Runs one command, or the shell if there is none.</summary>
    public static async Task<int> RunAsync(KvRequest request, CancellationToken cancellationToken)
    {
        using IHost host = Build(request);
        try
        {
            await host.StartAsync(cancellationToken);
        }
        catch (Exception failure) when (failure is OrleansException or TimeoutException or IOException or NpgsqlException
            or ArgumentException)
        {
            string ways = request.Database is null ? $"at {string.Join(',', request.Gateways)}"
                : "by what its database says";
            string advice = request.Database is null ? "Start one, or name its gateway with --gateways."
                : "Start one, and check that --database is the one the silos use.";
            await Console.Error.WriteLineAsync($"ERR Start: no silo of cluster {request.ClusterId} can be reached {ways} "
                + $"({failure.Message}). {advice}");
            return BadStart;
        }
        var session = new ShellSession(host.Services.GetRequiredService<IKeyValueStore>(),
            host.Services.GetRequiredService<IClusterAdministration>(), faults: null, nodes: null, new ShellOptions());
        int code = request.Command.Count > 0
            ? await session.ExecuteAsync(request.Command, cancellationToken: cancellationToken)
            : await session.RunAsync(cancellationToken);
        await host.StopAsync(CancellationToken.None);
        return code;
    }

    private static IHost Build(KvRequest request)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(
            new HostApplicationBuilderSettings { ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.SetMinimumLevel(request.Verbose ? LogLevel.Information : LogLevel.None);
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.UseOrleansClient(client =>
        {
            if (request.Database is { } database) client.UseGatewaysOfDatabase(database);
            else client.UseGatewayHosts(string.Join(',', request.Gateways));
            client.Configure<ClusterOptions>(cluster =>
            {
                cluster.ClusterId = request.ClusterId;
                cluster.ServiceId = request.ClusterId;
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
}
