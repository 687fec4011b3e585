using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Replication;

/// <summary>No acknowledgement without the data being safe, whatever fails in the next instant.</summary>
public class DurabilityTests
{
    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 25).Select(seed => (ulong)seed)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void What_was_acknowledged_survives_when_the_power_of_a_majority_fails_that_very_moment(ulong seed)
    {
        StoreCluster cluster = Start(seed);
        var random = new Random((int)seed);
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 6; i++)
        {
            cluster.Put(client, $"k{i}", $"v{i}");
            int crashed = random.Next(2, 4);
            NodeName leader = cluster.Leader();
            // The leader and whoever else: what is left behind is at best one other disk.
            foreach (NodeName node in cluster.Names.OrderBy(n => n == leader ? -1 : random.Next()).Take(crashed))
                cluster.CrashNode(node);
            foreach (NodeName node in cluster.Names) cluster.StartNode(node);
            cluster.RunUntil(cluster.AllGroupsHaveLeaders, Seconds(30), "there is a leader again");
            for (int k = 0; k <= i; k++)
                Assert.True($"v{k}" == cluster.Get(client, $"k{k}"), $"seed {seed}: k{k} is lost after crash {i}");
        }
        Assert.Empty(cluster.StartFailure);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Torn_and_lost_writes_of_a_single_node_take_nothing_acknowledged(ulong seed)
    {
        StoreCluster cluster = Start(seed, nodes: 1);
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 10; i++)
        {
            cluster.Put(client, $"k{i}", $"v{i}");
            // One more is under way when the power fails.
            _ = cluster.Begin(() => client.CompareAndSetAsync(Bytes.Of("other"), null, Bytes.Of("x")));
            cluster.RunFor(TimeSpan.FromMilliseconds(i));
            cluster.CrashNode(cluster.Names[0], i % 2 == 0 ? CrashLoss.Everything : CrashLoss.Random);
            cluster.StartNode(cluster.Names[0]);
            for (int k = 0; k <= i; k++)
                Assert.True($"v{k}" == cluster.Get(client, $"k{k}"), $"seed {seed}: k{k} is lost after crash {i}");
        }
    }

    private static StoreCluster Start(ulong seed, int nodes = 3)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Seed = seed,
            Nodes = nodes,
            RandomOrder = true,
            LogSegmentBytes = 64 << 10,
            Replica = new ReplicaOptions { SnapshotLogBytes = 1024 },
            Client = new KvClientOptions { Timeout = TimeSpan.FromSeconds(20) },
        });
        var random = new Random((int)seed);
        // Flushes take their time, so that there is always something not yet durable.
        foreach (SimulatedDisk disk in cluster.Disks.Values)
            disk.Latency = operation => operation.Kind == DiskOperationKind.Flush
                ? new ValueTask(Task.Delay(TimeSpan.FromMilliseconds(random.Next(1, 12)), cluster.Time))
                : ValueTask.CompletedTask;
        return cluster;
    }
}
