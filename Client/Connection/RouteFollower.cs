using Microsoft.Extensions.Hosting;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Client;

/// <summary>Keeps the client's map of groups as new as the silos' while the application runs.</summary>
internal sealed class RouteFollower(ClusterConnection connection, KvClient client) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        connection.FollowRoutesAsync(client.Learn, stoppingToken);
}
