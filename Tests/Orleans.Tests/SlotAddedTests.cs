using System.Text;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>A slot is added to those of a cluster that has formed.</summary>
public sealed class SlotAddedTests
{
    private static readonly NodeName s_added = new("slot-0");

    /// <summary>Its name sorts first: that of the slot which would decide if the cluster formed now.</summary>
    [Fact]
    public async Task A_slot_that_is_added_joins_while_silos_are_restarted_one_after_the_other()
    {
        await using SlotTestCluster cluster = await SlotTestCluster.StartAsync(silos: 3);
        NodeName[] silos = cluster.Silos.SiloNames;
        IKvGrain grain = cluster.Silos.Client.GetGrain<IKvGrain>(0);
        await grain.Put("k"u8.ToArray(), "before"u8.ToArray());
        cluster.Databases[s_added] = new SimulatedDatabase(9) { Description = $"the database of {s_added}" };
        foreach (NodeName silo in silos)
        {
            await cluster.KillAsync(silo);
            await cluster.Silos.StartAsync(silo);
            await RaftTestCluster.WaitAsync("all slots live, with the new one", AreAllUpAsync);
        }
        await RaftTestCluster.WaitAsync("all silos have a slot, and one two",
            () => cluster.Counts(silos).SequenceEqual([1, 1, 2]));
        Assert.Equal("before", Encoding.UTF8.GetString((await grain.Get("k"u8.ToArray()))!));
        await grain.Put("k"u8.ToArray(), "after"u8.ToArray());

        async Task<bool> AreAllUpAsync()
        {
            ClusterStatus status = await cluster.Silos.Administration.GetStatusAsync();
            return status.Groups.All(group => group.Leader is not null)
                && status.Nodes.Where(node => node.IsUp).Select(node => node.Node)
                    .SequenceEqual([s_added, .. SlotTestCluster.Slots]);
        }
    }
}
