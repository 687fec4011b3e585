using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.KeyValue.Tests.Ranges;

/// <summary>What goes wrong, again and again, while groups split and merge under load.</summary>
internal static class Disturbances
{
    /// <summary>A share of requests and replies of clients, and of frames, is lost; frames come twice and late.</summary>
    public static Action<StoreCluster, Random> Loss(double share) => (cluster, _) =>
    {
        cluster.ClientLoss = share;
        cluster.ReadsAnywhere = 0.2;
        cluster.Network.Faults = new NetworkFaults
        {
            Loss = share, Duplication = 0.05, Delay = (TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(30)),
        };
    };

    /// <summary>Another node is cut off.</summary>
    public static void Part(StoreCluster cluster, Random random)
    {
        cluster.Network.Heal();
        cluster.Isolate(cluster.Names[random.Next(cluster.Names.Count)]);
    }

    /// <summary>A node loses its power for a moment.</summary>
    public static void Crash(StoreCluster cluster, Random random)
    {
        NodeName node = cluster.Names[random.Next(cluster.Names.Count)];
        cluster.CrashNode(node);
        cluster.RunFor(TimeSpan.FromMilliseconds(random.Next(800)));
        cluster.StartNode(node);
    }
}
