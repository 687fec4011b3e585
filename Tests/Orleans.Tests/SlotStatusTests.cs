using Orleans.Raft.Core;
using Orleans.Raft.Grains;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>What an operator is told of slots.</summary>
public sealed class SlotStatusTests
{
    [Fact]
    public async Task The_status_says_which_silo_hosts_which_slot_and_which_database_does_not_answer()
    {
        await using SlotTestCluster cluster = await SlotTestCluster.StartAsync(silos: 3);
        NodeName[] silos = cluster.Silos.SiloNames;
        ClusterStatus status = await cluster.Silos.Administration.GetStatusAsync();
        Assert.Equal(SlotTestCluster.Slots.Select(slot => cluster.HostsOf(slot, silos).Single().Value),
            status.Nodes.Select(node => node.Silo));
        Assert.All(status.Nodes, node => Assert.Null(node.Problem));

        NodeName slot = SlotTestCluster.Slots[0];
        SiloNodes host = cluster.Silos.NodesOf(cluster.HostsOf(slot, silos).Single());
        cluster.Databases[slot].IsDown = true;
        string expected = $"{slot} has waited for its storage for ";
        await RaftTestCluster.WaitAsync("the silo says why it is not ready", () =>
            host.WhyNotReady is { } why && why.StartsWith(expected, StringComparison.Ordinal)
                && why.Contains($"the database of {slot}", StringComparison.Ordinal));
        Assert.Null(host.WhyNotLive);
        string? problem = (await cluster.Silos.Administration.GetStatusAsync()).Nodes.Single(node => node.Node == slot)
            .Problem;
        Assert.StartsWith(expected, problem, StringComparison.Ordinal);
        cluster.Databases[slot].IsDown = false;
        await RaftTestCluster.WaitAsync("the silo is ready again", () => host.WhyNotReady is null);
    }

    [Fact]
    public async Task Silos_that_are_nodes_themselves_are_named_once()
    {
        var silos = new RaftTestCluster();
        await silos.InitializeAsync();
        Assert.All((await silos.Administration.GetStatusAsync()).Nodes, node => Assert.Null(node.Silo));
        await silos.DisposeAsync();
    }
}
