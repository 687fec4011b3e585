using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Raft.Client;
using Orleans.Raft.Core;
using Orleans.Raft.Grains;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;
using Orleans.Runtime;
using Orleans.TestingHost;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Three silos in one process, each with the real storage in a temporary directory, and a client.</summary>
public sealed class RaftTestCluster : IAsyncLifetime
{
    /// <summary>What has not happened by then never will, however slow the machine is.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);

    private static readonly TimeSpan StopDeadline = Deadline;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    private readonly string _directory = Directory.CreateTempSubdirectory("orleans-").FullName;

    private InProcessTestCluster? _cluster;

    /// <summary>The silos' names as the test host gives them.</summary>
    public static IReadOnlyList<NodeName> Names { get; } = [new("Silo_0"), new("Silo_1"), new("Silo_2")];

    /// <summary>How many there are; more than <see cref="Names"/> have no replica of some groups.</summary>
    internal int Silos { get; init; } = Names.Count;

    /// <summary>Changes what every silo's part in the store is given.</summary>
    internal Action<OrleansRaftOptions>? Configure { get; init; }

    /// <summary>Changes every silo.</summary>
    internal Action<ISiloBuilder>? ConfigureSilo { get; init; }

    /// <summary>The directory of a node.</summary>
    internal IDisk OpenDisk(NodeName node) => new LocalDisk(Path.Combine(_directory, node.Value));

    public IKeyValueStore Store => Client.ServiceProvider.GetRequiredService<IKeyValueStore>();

    public IClusterAdministration Administration => Client.ServiceProvider.GetRequiredService<IClusterAdministration>();

    public IClusterClient Client => Cluster.Client;

    private InProcessTestCluster Cluster => _cluster
        ?? throw new InvalidOperationException("The cluster is not started.");

    internal NodeName[] SiloNames => [.. Enumerable.Range(0, Silos).Select(i => new NodeName($"Silo_{i}"))];

    public async Task InitializeAsync()
    {
        var builder = new InProcessTestClusterBuilder((short)Silos);
        builder.Options.AssumeHomogenousSilosForTesting = false;
        builder.Options.ConfigureFileLogging = false;
        builder.ConfigureSilo((_, silo) =>
        {
            silo.AddOrleansRaft(raft =>
            {
                raft.Nodes = SiloNames;
                raft.OpenStorage = (name, context) => NodeStorage.OpenOwnedAsync(OpenDisk(name), context);
                Configure?.Invoke(raft);
            });
            ConfigureSilo?.Invoke(silo);
        });
        builder.ConfigureClient(client =>
        {
            client.AddOrleansRaftClient();
            client.Configure<GatewayOptions>(gateways =>
                gateways.GatewayListRefreshPeriod = TimeSpan.FromMilliseconds(500));
        });
        _cluster = builder.Build();
        await _cluster.DeployAsync();
        foreach (NodeName name in SiloNames) await NodesOf(name).Serving.WaitAsync(Deadline);
    }

    public async Task DisposeAsync()
    {
        // Silos that cannot stop fail the test, instead of ending all tests.
        await Cluster.StopAllSilosAsync().WaitAsync(StopDeadline);
        await Cluster.DisposeAsync().AsTask().WaitAsync(StopDeadline);
        Directory.Delete(_directory, recursive: true);
    }

    /// <summary>The nodes that a silo hosts.</summary>
    internal SiloNodes NodesOf(NodeName silo) => HandleOf(silo).SiloHost.Services.GetRequiredService<SiloNodes>();

    /// <summary>The node of a silo's name.</summary>
    internal SiloNode NodeOf(NodeName silo) => NodesOf(silo).Find(silo)!;

    internal SiloRoutes RoutesOf(NodeName silo) => HandleOf(silo).SiloHost.Services.GetRequiredService<SiloRoutes>();

    internal IGrainFactory GrainsOf(NodeName silo) =>
        HandleOf(silo).SiloHost.Services.GetRequiredService<IGrainFactory>();

    internal SiloAddress AddressOf(NodeName silo) => HandleOf(silo).SiloAddress;

    /// <summary>The incarnations of a silo's replicas: they grow with every activation.</summary>
    internal ulong[] IncarnationsOf(NodeName silo) => [.. NodeOf(silo).Store!.Replicas.Select(r => r.Incarnation)];

    /// <summary>Ends a silo without time to clean up; its store crashes.</summary>
    public Task KillAsync(NodeName silo)
    {
        _killed.Add(silo);
        return Cluster.KillSiloAsync(HandleOf(silo));
    }

    /// <summary>A silo that lives says of a killed one that it is dead, without waiting until probes find it.</summary>
    internal Task BuryAsync(SiloAddress dead) => HandleOf(SiloNames.First(silo => !_killed.Contains(silo)))
        .SiloHost.Services.GetRequiredService<IClusterMembershipService>().TryKill(dead);

    /// <summary>Starts a silo that was killed; it serves when this returns.</summary>
    public async Task StartAsync(NodeName silo)
    {
        InProcessSiloHandle handle = await InProcessTestCluster.StartSiloAsync(Cluster, IndexOf(silo), Cluster.Options);
        _restarted[silo] = handle;
        _killed.Remove(silo);
        await NodesOf(silo).Serving.WaitAsync(Deadline);
    }

    /// <summary>Waits for a condition.</summary>
    /// <returns>How long it took.</returns>
    public static async Task<TimeSpan> WaitAsync(string what, Func<Task<bool>> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Deadline, $"not within {Deadline.TotalSeconds} s: {what}");
            await Task.Delay(Poll);
        }
        return Stopwatch.GetElapsedTime(start);
    }

    public static Task<TimeSpan> WaitAsync(string what, Func<bool> condition) =>
        WaitAsync(what, () => Task.FromResult(condition()));

    private readonly Dictionary<NodeName, InProcessSiloHandle> _restarted = [];
    private readonly HashSet<NodeName> _killed = [];

    private InProcessSiloHandle HandleOf(NodeName silo) => _restarted.GetValueOrDefault(silo)
        ?? Cluster.Silos.First(s => s.Name == silo.Value);

    private int IndexOf(NodeName silo) => Array.IndexOf(SiloNames, silo);
}
