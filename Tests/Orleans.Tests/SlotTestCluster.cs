using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Raft.Core;
using Orleans.Raft.Grains;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;
using Orleans.Raft.Storage.PostgreSql;
using Orleans.Raft.Testing;
using Orleans.Runtime;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Silos that share slots, whose storage and registry outlive any of them.</summary>
internal sealed class SlotTestCluster : IAsyncDisposable
{
    public static readonly NodeName[] Slots = [new("slot-1"), new("slot-2"), new("slot-3")];

    private readonly Func<NodeName, ISlotDatabase>? _connect;

    private SlotTestCluster(int silos, bool inDirectories, Func<NodeName, ISlotDatabase>? connect)
    {
        Databases = Slots.Select((slot, i) => (slot, i)).ToDictionary(pair => pair.slot,
            pair => new SimulatedDatabase(pair.i + 1) { Description = $"the database of {pair.slot}" });
        if (!inDirectories) _connect = connect ?? (slot => Databases[slot].Connect());
        Silos = new RaftTestCluster
        {
            Silos = silos,
            Configure = raft =>
            {
                raft.Nodes = [];
                raft.Slots = [.. Databases.Keys.Select(slot => new SlotOptions(slot, $"db-{slot}"))];
                raft.OpenStorage = OpenAsync;
            },
            ConfigureSilo = silo =>
            {
                Registry.AddTo(silo);
                // Who is dead, the test says: on a slow machine all silos stand still now and then.
                silo.Configure<ClusterMembershipOptions>(membership =>
                    membership.ProbeTimeout = membership.MaxProbeTimeout = RaftTestCluster.Deadline);
            },
        };
    }

    public RaftTestCluster Silos { get; }

    public SharedGrainStorage Registry { get; } = new();

    /// <summary>What an opening of a slot waits for.</summary>
    public Task OpeningGate { get; set; } = Task.CompletedTask;

    /// <summary>One of each slot, unless the slots are elsewhere. Silos that start have slots of these names.</summary>
    public Dictionary<NodeName, SimulatedDatabase> Databases { get; }

    /// <param name="inDirectories">The slots are directories, which one silo at a time can lock, instead of databases.</param>
    /// <param name="connect">Connects to a slot's database; null: to a simulated one.</param>
    public static async Task<SlotTestCluster> StartAsync(int silos, bool inDirectories = false,
        Func<NodeName, ISlotDatabase>? connect = null)
    {
        var cluster = new SlotTestCluster(silos, inDirectories, connect);
        try
        {
            await cluster.Silos.InitializeAsync();
            // The first silo to start may have taken all slots.
            await RaftTestCluster.WaitAsync("the slots are even",
                () => cluster.Counts(cluster.Silos.SiloNames) is var counts && counts.Sum() == Slots.Length
                    && counts[^1] - counts[0] <= 1);
            await RaftTestCluster.WaitAsync("all replicas of all slots live", cluster.AllLiveAsync);
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
        return cluster;
    }

    public async ValueTask DisposeAsync() => await Silos.DisposeAsync();

    /// <summary>Ends a silo without time to clean up, and lets the others take it for dead.</summary>
    public async Task KillAsync(NodeName silo)
    {
        SiloAddress address = Silos.AddressOf(silo);
        await Silos.KillAsync(silo);
        await Silos.BuryAsync(address);
    }

    /// <summary>The silos of those given that host a slot.</summary>
    public NodeName[] HostsOf(NodeName slot, IEnumerable<NodeName> silos) =>
        [.. silos.Where(silo => Silos.NodesOf(silo).Find(slot) is not null)];

    /// <summary>How many slots each silo hosts, from the fewest on.</summary>
    public int[] Counts(IEnumerable<NodeName> silos) =>
        [.. silos.Select(silo => Silos.NodesOf(silo).Hosted.Count).Order()];

    public async Task<bool> AllLiveAsync() => AreAllLive(await Silos.Administration.GetStatusAsync());

    /// <summary>Whether every slot answers, and each of its replicas follows a leader or leads.</summary>
    public static bool AreAllLive(ClusterStatus status) => status.Nodes.Count(node => node.IsUp) == Slots.Length
        && status.Groups.All(group => group.Leader is not null && status.Replicas.Count(replica =>
            replica.Group == group.Group && replica.Role is "leader" or "follower") == Slots.Length);

    private async Task<INodeStorage> OpenAsync(NodeName slot, StorageContext context)
    {
        await OpeningGate;
        if (_connect is null) return await NodeStorage.OpenOwnedAsync(Silos.OpenDisk(slot), context);
        return await DatabaseStorage.OpenAsync(_connect(slot), new DatabaseStorageOptions
        {
            Scheduler = context.Scheduler,
            Time = context.Time,
            Logger = context.Logger,
        });
    }
}
