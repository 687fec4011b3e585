using System.Text;
using Orleans.Raft.Core;
using Orleans.Raft.Grains;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.Histories;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;
using Xunit.Abstractions;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Nodes that are slots, and move from silo to silo.</summary>
public sealed class SlotTests(ITestOutputHelper output)
{
    private const int Operations = 6_000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_slot_whose_silo_dies_lives_on_another_and_comes_back_and_the_history_is_linearizable(
        bool inDirectories)
    {
        await using SlotTestCluster cluster = await SlotTestCluster.StartAsync(silos: 3, inDirectories);
        NodeName[] silos = cluster.Silos.SiloNames;
        Assert.Equal([1, 1, 1], cluster.Counts(silos));
        var options = HistoryLoadOptions.For(
            await cluster.Silos.Administration.GetStatusAsync(), "W", "X", "Y", "x", "z");
        var load = new HistoryLoad(cluster.Silos.Store, options);
        await load.RunWhileAsync(Operations, async answeredAsync =>
        {
            await answeredAsync(1_000);
            // The registry is on the first.
            foreach (NodeName victim in silos[..2])
            {
                NodeName slot = cluster.Silos.NodesOf(victim).Hosted.Single().Name;
                NodeName[] others = [.. silos.Where(silo => silo != victim)];
                await cluster.KillAsync(victim);
                TimeSpan moved = await RaftTestCluster.WaitAsync("the slot is elsewhere",
                    () => cluster.HostsOf(slot, others).Length == 1);
                TimeSpan live = await RaftTestCluster.WaitAsync("all replicas live", cluster.AllLiveAsync);
                output.WriteLine($"{slot} of {victim}: elsewhere after {moved.TotalMilliseconds:F0} ms, all replicas "
                    + $"live {live.TotalMilliseconds:F0} ms later");
                await answeredAsync(1_000);
                await cluster.Silos.StartAsync(victim);
                await RaftTestCluster.WaitAsync("the slots are even again",
                    () => cluster.Counts(silos).SequenceEqual([1, 1, 1]));
                await RaftTestCluster.WaitAsync("all replicas live", cluster.AllLiveAsync);
                await answeredAsync(500);
            }
        });
        output.WriteLine($"time {load.Judge("slots")}");
        IReadOnlyList<HistoryEntry> entries = load.History.Entries();
        Assert.InRange(entries.Count(entry => entry.Outcome == OperationOutcome.Unknown), 0, entries.Count / 10);
    }

    [Fact]
    public async Task Of_two_silos_that_host_a_slot_at_once_one_is_left_and_the_history_is_linearizable()
    {
        await using SlotTestCluster cluster = await SlotTestCluster.StartAsync(silos: 3);
        output.WriteLine($"time {await HostTwiceAsync(cluster, Operations)}");
    }

    /// <summary>Lets a second silo host each slot in turn, under load, and judges the history.</summary>
    internal static async Task<string> HostTwiceAsync(SlotTestCluster cluster, int operations)
    {
        NodeName[] silos = cluster.Silos.SiloNames;
        var options = HistoryLoadOptions.For(
            await cluster.Silos.Administration.GetStatusAsync(), "W", "X", "Y", "x", "z");
        var load = new HistoryLoad(cluster.Silos.Store, options);
        await load.RunWhileAsync(operations, async answeredAsync =>
        {
            await answeredAsync(500);
            foreach (NodeName slot in SlotTestCluster.Slots)
            {
                NodeName holder = Assert.Single(cluster.HostsOf(slot, silos));
                SiloNode first = cluster.Silos.NodesOf(holder).Find(slot)!;
                NodeName intruder = silos.First(silo => silo != holder);
                await cluster.Silos.NodesOf(intruder).HostAsync(slot);
                await RaftTestCluster.WaitAsync("the first one is fenced and has ended", () => first.Ended.IsCompleted);
                await RaftTestCluster.WaitAsync("so have its replicas",
                    () => first.Store!.Replicas.All(replica => replica.StopReason is not null));
                // The registry never took the slot from its holder.
                await RaftTestCluster.WaitAsync("the holder alone hosts the slot",
                    () => cluster.HostsOf(slot, silos).SequenceEqual([holder]));
                await RaftTestCluster.WaitAsync("all replicas live", cluster.AllLiveAsync);
                await answeredAsync(500);
            }
        });
        return load.Judge("slots held twice");
    }

    /// <summary>It moves with every silo that comes and is first by name, and nobody goes on asking the one
    /// before.</summary>
    [Fact]
    public async Task Every_silo_finds_the_registry_on_whichever_silo_is_first()
    {
        await using SlotTestCluster cluster = await SlotTestCluster.StartAsync(silos: 3);
        NodeName[] silos = cluster.Silos.SiloNames;
        await cluster.KillAsync(silos[0]);
        await cluster.KillAsync(silos[1]);
        await RaftTestCluster.WaitAsync("all slots are on the last silo",
            () => cluster.Silos.NodesOf(silos[2]).Hosted.Count == SlotTestCluster.Slots.Length);
        foreach (NodeName silo in (NodeName[])[silos[1], silos[0]])
        {
            await cluster.Silos.StartAsync(silo);
            await RaftTestCluster.WaitAsync($"{silo} has a slot",
                () => cluster.Silos.NodesOf(silo).Hosted.Count > 0);
        }
        await RaftTestCluster.WaitAsync("all replicas live", cluster.AllLiveAsync);
        Assert.Equal([1, 1, 1], cluster.Counts(silos));
    }

    [Fact]
    public async Task The_registry_of_a_silo_that_is_not_the_first_tells_and_changes_nothing()
    {
        await using SlotTestCluster cluster = await SlotTestCluster.StartAsync(silos: 2);
        NodeName[] silos = cluster.Silos.SiloNames;
        var newcomer = new SlotCandidate(new SlotHolder("newcomer", "nowhere"), [new SlotRow("slot-4", "")]);
        ISlotRegistryGrain RegistryOf(NodeName silo) =>
            cluster.Silos.GrainsOf(silos[1]).GetGrain<ISlotRegistryGrain>(silo.Value);
        Assert.Null(await RegistryOf(silos[1]).WaitForTable(newcomer, seen: 0));
        SlotTable before = await TableAsync();
        SlotRow row = before.Slots.First(slot => slot.Holder!.Silo == silos[1].Value);
        await RegistryOf(silos[1]).Leave(row.Holder!);
        SlotTable after = await TableAsync();
        Assert.Equal(before.Slots, after.Slots);
        Assert.Equal(before.Version, after.Version);

        async Task<SlotTable> TableAsync() => Assert.IsType<SlotTable>(
            await RegistryOf(silos[0]).WaitForTable(newcomer with { Slots = [] }, seen: 0));
    }

    [Fact]
    public async Task A_registry_that_lost_its_table_makes_another_that_all_silos_take()
    {
        await using SlotTestCluster cluster = await SlotTestCluster.StartAsync(silos: 3);
        NodeName[] left = cluster.Silos.SiloNames[1..];
        cluster.Registry.Forget();
        await cluster.KillAsync(cluster.Silos.SiloNames[0]);
        await RaftTestCluster.WaitAsync("the slots are on the other silos",
            () => cluster.Counts(left).SequenceEqual([1, 2]));
        await RaftTestCluster.WaitAsync("all replicas live", cluster.AllLiveAsync);
        await PutAllAsync(cluster.Silos.GrainsOf(left[0]).GetGrain<IKvGrain>(0), "with another table");
    }

    [Fact]
    public async Task A_silo_without_a_slot_serves_clients_and_administrators()
    {
        await using SlotTestCluster cluster = await SlotTestCluster.StartAsync(silos: 4);
        NodeName[] silos = cluster.Silos.SiloNames;
        Assert.Equal([0, 1, 1, 1], cluster.Counts(silos));
        NodeName gateway = silos.Single(silo => cluster.Silos.NodesOf(silo).Hosted.Count == 0);
        IGrainFactory grains = cluster.Silos.GrainsOf(gateway);
        await PutAllAsync(grains.GetGrain<IKvGrain>(0), "by the gateway");
        Assert.Equal("by the gateway", await GetAsync(grains.GetGrain<IKvGrain>(0), "Ya"));
        ClusterViewMessage view = await grains.GetGrain<IRouterGrain>(0).GetStatus();
        Assert.Equal(SlotTestCluster.Slots.Select(slot => slot.Value), view.Silos.Select(silo => silo.Silo));
        Assert.All(view.Silos, silo => Assert.NotNull(silo.Node));
        // What the meta group answers.
        AdministrationAnswer answer = new(AdministrationStatus.UnderWay, "");
        await RaftTestCluster.WaitAsync("a split that the gateway is asked for is done", async () =>
        {
            answer = await new AdministrationClient(new GatewayConnection(grains), TimeProvider.System,
                RaftTestCluster.Deadline).AskAsync(
                new SplitRequest("split"u8.ToArray()) { IsRepeat = answer.Text.Length > 0 }, CancellationToken.None);
            return answer.Status != AdministrationStatus.UnderWay;
        });
        Assert.Equal(AdministrationStatus.Done, answer.Status);
        await RaftTestCluster.WaitAsync("the gateway knows the new group", async () =>
            (await grains.GetGrain<IRouterGrain>(0).GetRoutes()).Groups.Any(group =>
                Encoding.UTF8.GetString(GroupDescriptor.Decode(group).Start) == "split"));
        await PutAllAsync(grains.GetGrain<IKvGrain>(0), "after the split");
    }

    [Fact]
    public async Task Fewer_silos_than_slots_host_several_each()
    {
        await using SlotTestCluster cluster = await SlotTestCluster.StartAsync(silos: 2);
        Assert.Equal([1, 2], cluster.Counts(cluster.Silos.SiloNames));
        await PutAllAsync(cluster.Silos.Client.GetGrain<IKvGrain>(0), "two silos");
        NodeName victim = cluster.Silos.SiloNames[1];
        NodeName left = cluster.Silos.SiloNames[0];
        await cluster.KillAsync(victim);
        await RaftTestCluster.WaitAsync("all slots are on one silo",
            () => cluster.Silos.NodesOf(left).Hosted.Count == SlotTestCluster.Slots.Length);
        IKvGrain grain = cluster.Silos.GrainsOf(left).GetGrain<IKvGrain>(0);
        await RaftTestCluster.WaitAsync("all replicas live", cluster.AllLiveAsync);
        Assert.Equal("two silos", await GetAsync(grain, "za"));
        await PutAllAsync(grain, "one silo");
    }

    [Fact]
    public async Task A_lost_registry_stops_nothing_and_goes_on_when_it_is_back()
    {
        await using SlotTestCluster cluster = await SlotTestCluster.StartAsync(silos: 3);
        NodeName[] silos = cluster.Silos.SiloNames;
        IKvGrain grain = cluster.Silos.Client.GetGrain<IKvGrain>(0);
        ulong[][] incarnations = Incarnations(silos);
        cluster.Registry.IsLost = true;
        cluster.Registry.Touch();
        // With the first silo goes the registry itself: the next one cannot even read its table.
        await cluster.KillAsync(silos[0]);
        await RaftTestCluster.WaitAsync("the dead silo is found dead", async () =>
            (await cluster.Silos.Administration.GetStatusAsync()).Nodes.Count(node => node.IsUp) == 2);
        await PutAllAsync(cluster.Silos.GrainsOf(silos[1]).GetGrain<IKvGrain>(0), "without a registry");
        Assert.Equal(incarnations[1..], Incarnations(silos[1..]));
        cluster.Registry.IsLost = false;
        await RaftTestCluster.WaitAsync("the slot of the dead silo lives", cluster.AllLiveAsync);
        Assert.Equal([1, 2], cluster.Counts(silos[1..]));
        // Nothing that worked was disturbed, though the table was read anew.
        Assert.All(incarnations[1..].Zip(silos[1..]), pair => Assert.Subset(
            Incarnations([pair.Second])[0].ToHashSet(), pair.First.ToHashSet()));
        Assert.Equal("without a registry", await GetAsync(grain, "!a"));

        ulong[][] Incarnations(IEnumerable<NodeName> of) => [.. of.Select(silo => cluster.Silos.NodesOf(silo).Hosted
            .SelectMany(node => node.Store!.Replicas.Select(replica => replica.Incarnation)).ToArray())];
    }

    private static Task PutAllAsync(IKvGrain grain, string value) => Task.WhenAll(new[] { "!a", "Aa", "Ya", "za" }
        .Select(key => grain.Put(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(value))));

    private static async Task<string?> GetAsync(IKvGrain grain, string key) =>
        await grain.Get(Encoding.UTF8.GetBytes(key)) is { } value ? Encoding.UTF8.GetString(value) : null;

    /// <summary>A client that enters by one silo alone.</summary>
    private sealed class GatewayConnection(IGrainFactory grains) : IStoreConnection
    {
        public ValueTask<StoreRoutes?> GetRoutesAsync() => throw new NotSupportedException();

        public async Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request)
        {
            GroupReplyMessage reply = await grains.GetGrain<IKvGrain>(0)
                .Execute(group.Value, (byte)request.Kind, Payload.Of(request.Batch));
            return new GroupReply((GroupReplyStatus)reply.Status, reply.Answers,
                reply.LeaderHint is { } leader ? new NodeName(leader) : null, reply.Reason);
        }
    }
}
