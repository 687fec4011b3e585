using Orleans.Raft.Core;
using Orleans.Raft.Grains;
using Orleans.Raft.Grains.Interfaces;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>A slot whose storage takes its time to open.</summary>
public sealed class SlotOpeningTests
{
    /// <summary>The registry never gave it to that silo, which gives it up: but not before it is there to be given up,
    /// and not only half of it.</summary>
    [Fact]
    public async Task A_slot_that_is_not_to_be_here_is_ended_as_a_whole_once_it_is_open()
    {
        await using SlotTestCluster cluster = await SlotTestCluster.StartAsync(silos: 2);
        NodeName[] silos = cluster.Silos.SiloNames;
        NodeName slot = SlotTestCluster.Slots[0];
        NodeName holder = cluster.HostsOf(slot, silos).Single();
        NodeName other = silos.Single(silo => silo != holder);
        SiloNodes intruder = cluster.Silos.NodesOf(other);
        var gate = new TaskCompletionSource();
        cluster.OpeningGate = gate.Task;
        Task hosting = intruder.HostAsync(slot);
        await RaftTestCluster.WaitAsync("the slot is not to be ended there", () => intruder.Find(slot) is null);
        gate.SetResult();
        await hosting;
        await RaftTestCluster.WaitAsync("the holder alone hosts the slot",
            () => cluster.HostsOf(slot, silos).SequenceEqual([holder]));
        IRouterGrain router = cluster.Silos.GrainsOf(other).GetGrain<IRouterGrain>(0);
        await RaftTestCluster.WaitAsync("the other silo finds it where it is", async () =>
            (await router.GetStatus()).Silos.Single(view => view.Silo == slot.Value) is { Node: not null } view
                && view.Host == holder.Value);
        await RaftTestCluster.WaitAsync("all replicas live", cluster.AllLiveAsync);
    }
}
