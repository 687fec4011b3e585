using System.CommandLine;
using System.Net;
using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Raft.Chaos;
using Orleans.Raft.Client;
using Orleans.Raft.KeyValue;

var gateways = new Option<string>("--gateways") { Description = "The silos' gateways.", Required = true };
var clients = new Option<int>("--clients") { Description = "Clients with sessions of their own.", Required = true };
var root = new RootCommand("Serves Tests/Chaos over the standard streams.") { gateways, clients };
root.SetAction((parsed, _) => ServeAsync(parsed.GetValue(gateways)!, parsed.GetValue(clients)));
return await root.Parse(args).InvokeAsync();

static async Task ServeAsync(string gateways, int clients)
{
    const string ClusterId = "orleans-raft";
    HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(
        new HostApplicationBuilderSettings { ContentRootPath = AppContext.BaseDirectory });
    builder.Logging.SetMinimumLevel(LogLevel.Warning);
    builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
    builder.UseOrleansClient(client =>
    {
        client.UseStaticClustering([.. gateways.Split(',').Select(IPEndPoint.Parse)]);
        client.Configure<ClusterOptions>(cluster => cluster.ClusterId = cluster.ServiceId = ClusterId);
        client.AddOrleansRaftClient();
    });
    using IHost host = builder.Build();
    await host.StartAsync();
    ClusterConnection connection = host.Services.GetRequiredService<ClusterConnection>();
    IKeyValueStore[] stores = [.. Enumerable.Range(0, clients).Select(i => new KvClient(connection, TimeProvider.System,
        TaskScheduler.Default, ClientOptions.Of(i),
        BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)))))];
    using var server = new PipeServer(stores, host.Services.GetRequiredService<IClusterAdministration>(), faults: null);
    await server.RunAsync();
    // Who held the other end is gone: nobody waits for an orderly end.
    Environment.Exit(0);
}
