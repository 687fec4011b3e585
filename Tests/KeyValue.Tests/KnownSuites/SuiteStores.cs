using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>One group on all nodes, and clients that are cut off from nodes one by one.</summary>
internal class SharedKey
{
    private readonly SuiteConnection[] _connections;

    public SharedKey(int nodes, int clients, bool unreliable = false, int? logLimitBytes = null)
    {
        Cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Nodes = nodes,
            RandomOrder = true,
            PerNode = options => options with { ReplicationFactor = nodes },
            LogSegmentBytes = logLimitBytes is null ? 1 << 20 : 4 << 10,
            Replica = logLimitBytes is { } limit
                ? new ReplicaOptions { SnapshotLogBytes = limit, SnapshotChunkBytes = 1 << 10 }
                : new ReplicaOptions(),
        });
        if (unreliable) Cluster.Network.Faults = SuiteRun.Unreliable;
        _connections = [.. Enumerable.Range(0, clients)
            .Select(i => new SuiteConnection(Cluster, new Random(i)) { IsUnreliable = unreliable })];
        Clients = [.. _connections.Select((connection, i) => new KvClient(connection, Cluster.Time, Cluster.Scheduler,
            new KvClientOptions { Timeout = Seconds(60) }, (ulong)i + 1))];
    }

    public StoreCluster Cluster { get; }

    public KvClient[] Clients { get; }

    public int Lost => _connections.Sum(connection => connection.Lost);

    public void Put(int client, string key, string value) => Cluster.Put(Clients[client], key, value);

    public string? Get(int client, string key = "k") => Cluster.Get(Clients[client], key);

    /// <summary>Parts the nodes in two.</summary>
    public void Part(IReadOnlyCollection<NodeName> side)
    {
        Cluster.Network.Heal();
        Cluster.Network.Part(side, Cluster.Names.Except(side));
    }

    public void Restrict(int client, IReadOnlyCollection<NodeName>? reach) => _connections[client].Reach = reach;
}

/// <summary>Five nodes parted in two: the leader is left with one other, and every client reaches its own side
/// only.</summary>
internal sealed class PartedStore : SharedKey
{
    public const int InMajority = 0;
    private const int Writer = 1, Reader = 2;

    private Running<bool>? _write;
    private Running<string?>? _read;

    public PartedStore() : base(nodes: 5, clients: 3)
    {
        for (int i = 0; i < 3; i++) Put(i, "1", "13");
        Cluster.WaitForEqualReplicas();
        Minority = [Cluster.Leader(), Cluster.Followers()[0]];
        Majority = [.. Cluster.Names.Except(Minority)];
        Part(Minority);
        Restrict(InMajority, Majority);
        Restrict(Writer, Minority);
        Restrict(Reader, Minority);
    }

    public NodeName[] Majority { get; }

    public NodeName[] Minority { get; }

    public void Put(int client, string value) => Put(client, "1", value);

    public string? Get(int client) => Get(client, "1");

    /// <summary>Lets a write and a read wait on the side of the old leader.</summary>
    public void BeginInMinority()
    {
        _write = Cluster.Begin(async () =>
        {
            await Clients[Writer].PutAsync(Bytes.Of("1"), Bytes.Of("15"));
            return true;
        });
        // Until the old leader's lease is over it may answer from what it has; the read comes after that.
        Cluster.RunFor(Seconds(1));
        _read = Cluster.Begin(async () =>
            await Clients[Reader].GetAsync(Bytes.Of("1")) is { } value ? Bytes.Text(value.Span) : null);
    }

    public void RequireNothingEnded() => Assert.Equal((false, false), (_write!.HasEnded, _read!.HasEnded));

    public void Heal()
    {
        Cluster.Network.Heal();
        for (int i = 0; i < 3; i++) Restrict(i, null);
    }

    public void RequireAllEnded()
    {
        Cluster.RunUntil(() => _write!.HasEnded && _read!.HasEnded, Seconds(10), "the waiting calls ended");
        Assert.True(_write!.Result);
        Assert.Contains(_read!.Result, new[] { "15", "16" });
    }
}

/// <summary>One client's appends, one after the other, on a network and disks that take their time.</summary>
internal static class SuiteSpeed
{
    private const int Appends = 1000;
    private const double BoundMilliseconds = 33;

    public static string Require(int? logLimitBytes)
    {
        var store = new SharedKey(nodes: 3, clients: 1, logLimitBytes: logLimitBytes);
        store.Cluster.Network.Faults = new NetworkFaults { Delay = (Seconds(0.001), Seconds(0.003)) };
        foreach (SimulatedDisk disk in store.Cluster.Disks.Values)
        {
            disk.Latency = operation => operation.Kind == DiskOperationKind.Flush
                ? new ValueTask(Task.Delay(TimeSpan.FromMilliseconds(2), store.Cluster.Time)) : ValueTask.CompletedTask;
        }
        TimeSpan start = store.Cluster.Time.Now;
        for (int i = 0; i < Appends; i++)
            store.Cluster.Run(() => store.Clients[0].AppendAsync(Bytes.Of("k"), Bytes.Of($"x 0 {i} y")));
        double each = (store.Cluster.Time.Now - start).TotalMilliseconds / Appends;
        Assert.Equal(string.Concat(Enumerable.Range(0, Appends).Select(i => $"x 0 {i} y")), store.Get(0));
        Assert.InRange(each, 2, BoundMilliseconds);
        Assert.All(store.Cluster.Nodes.Values,
            node => Assert.Equal(logLimitBytes is null ? 0 : 1, node.GetStatus().Snapshots));
        return $"{each:F1} ms of virtual time each";
    }
}
