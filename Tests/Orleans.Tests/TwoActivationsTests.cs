using Orleans.Raft.Core;
using Orleans.Raft.Histories;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;
using Orleans.Raft.PostgreSql;
using Orleans.Raft.Storage.PostgreSql;
using Xunit.Abstractions;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Two activations of one replica under load, on real storage: a disk, where one silo may activate twice, and
/// PostgreSQL, where two silos may.</summary>
public sealed class TwoActivationsTests(PostgresFixture server, ITestOutputHelper output)
    : IClassFixture<PostgresFixture>
{
    private const int Operations = 4_000;

    [PostgresFact]
    public async Task Of_two_silos_that_host_a_slot_in_PostgreSQL_one_is_left_and_the_history_is_linearizable()
    {
        var databases = new Dictionary<NodeName, PostgresOptions>();
        foreach (NodeName slot in SlotTestCluster.Slots)
        {
            databases[slot] = new PostgresOptions
            {
                ConnectionString = await server.CreateDatabaseAsync(),
                Slot = slot.Value,
            };
            await new SlotSchema(databases[slot]).PrepareAsync(Guid.NewGuid);
        }
        await using SlotTestCluster cluster = await SlotTestCluster.StartAsync(silos: 3,
            connect: slot => new PostgresSlotDatabase(databases[slot]));
        output.WriteLine($"time {await SlotTests.HostTwiceAsync(cluster, Operations)}");
    }

    [Fact]
    public async Task Of_two_activations_on_one_disk_one_is_left_and_the_history_is_linearizable()
    {
        var silos = new RaftTestCluster();
        await silos.InitializeAsync();
        try
        {
            var options = HistoryLoadOptions.For(await silos.Administration.GetStatusAsync(), "W", "X", "Y", "x", "z");
            var load = new HistoryLoad(silos.Store, options);
            await load.RunWhileAsync(Operations, async answeredAsync =>
            {
                foreach (NodeName silo in RaftTestCluster.Names)
                {
                    await answeredAsync(500);
                    await Task.WhenAll(silos.NodeOf(silo).Store!.OwnGroups
                        .Select(group => ActivateTwiceAsync(silos.NodeOf(silo).Store!, group)));
                }
            });
            output.WriteLine($"time {load.Judge("two activations on a disk")}");
        }
        finally
        {
            await silos.DisposeAsync();
        }
    }

    /// <summary>The second one goes as an activation goes, or because the silo was faster and has made a third; it
    /// makes one anyway.</summary>
    private static async Task ActivateTwiceAsync(StoreNode store, GroupId group)
    {
        Replica first = store.Find(group)!;
        Replica second = await store.OpenReplicaAsync(group, TaskScheduler.Default);
        await RaftTestCluster.WaitAsync("the first activation's replica has stopped",
            () => first.StopReason is not null);
        await RaftTestCluster.WaitAsync("the second one leads, follows or has stopped",
            () => second.Leader is not null || second.StopReason is not null);
        second.Stop("its grain was deactivated");
        await RaftTestCluster.WaitAsync("the silo activated the replica again",
            () => store.Find(group) is { StopReason: null, Leader: not null } third
                && third.Incarnation > second.Incarnation);
    }
}
