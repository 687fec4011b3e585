using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using Xunit.Abstractions;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>The cases of MIT lab 3A (4A of 6.5840): a store on one group, without snapshots.</summary>
public class MitStoreTests(ITestOutputHelper output)
{
    private static readonly SuiteOptions Once = new() { Workload = SuiteWorkload.Appends };
    private static readonly SuiteOptions Many = Once with { Clients = 5 };

    [Fact]
    public void One_client() => SuiteRun.Require(Once, output);

    /// <summary>Over a network and disks that take their time; a third of a heartbeat interval each.</summary>
    [Fact]
    public void A_thousand_appends_one_after_the_other_take_less_than_33_ms_each() =>
        output.WriteLine(SuiteSpeed.Require(logLimitBytes: null));

    [Fact]
    public void Many_clients() => SuiteRun.Require(Many, output);

    [Fact]
    public void Unreliable_net_many_clients() => SuiteRun.Require(Many with { IsUnreliable = true }, output);

    [Fact]
    public void Concurrent_append_to_one_key_over_an_unreliable_net()
    {
        const int Clients = 5, Appends = 10;
        var shared = new SharedKey(nodes: 3, Clients, unreliable: true);
        Running<bool>[] running = [.. Enumerable.Range(0, Clients).Select(i => shared.Cluster.Begin(async () =>
        {
            for (int j = 0; j < Appends; j++)
                await shared.Clients[i].AppendAsync(Bytes.Of("k"), Bytes.Of($"x {i} {j} y"));
            return true;
        }))];
        shared.Cluster.RunUntil(() => running.All(client => client.HasEnded), Seconds(60), "all appends ended");
        Assert.All(running, client => Assert.True(client.Result));
        string value = shared.Get(0) ?? "";
        Assert.Equal(Clients * Appends * "x 0 0 y".Length, value.Length);
        for (int i = 0; i < Clients; i++)
        {
            int[] places = [.. Enumerable.Range(0, Appends)
                .Select(j => value.IndexOf($"x {i} {j} y", StringComparison.Ordinal))];
            Assert.DoesNotContain(-1, places);
            Assert.Equal(places.Order(), places);
        }
        Assert.True(shared.Lost > Clients, $"only {shared.Lost} requests and replies were lost");
        Assert.True(shared.Cluster.Network.Dropped > Clients, $"{shared.Cluster.Network.Dropped} frames were lost");
    }

    [Fact]
    public void Progress_in_majority()
    {
        var parted = new PartedStore();
        parted.Put(PartedStore.InMajority, "14");
        Assert.Equal("14", parted.Get(PartedStore.InMajority));
        Assert.Contains(parted.Cluster.Leader(), parted.Majority);
    }

    [Fact]
    public void No_progress_in_minority()
    {
        var parted = new PartedStore();
        parted.BeginInMinority();
        parted.Cluster.RunFor(Seconds(3));
        parted.RequireNothingEnded();
        parted.Put(PartedStore.InMajority, "16");
        Assert.Equal("16", parted.Get(PartedStore.InMajority));
        parted.Cluster.RunFor(Seconds(1));
        parted.RequireNothingEnded();
        Assert.All(parted.Minority, node => Assert.Equal("13", TinyKvStoreTests.StaleOn(parted.Cluster, node, "1")));
    }

    [Fact]
    public void Completion_after_heal()
    {
        var parted = new PartedStore();
        parted.BeginInMinority();
        parted.Cluster.RunFor(Seconds(1));
        parted.Put(PartedStore.InMajority, "16");
        parted.RequireNothingEnded();
        parted.Heal();
        parted.RequireAllEnded();
        Assert.Equal("15", parted.Get(PartedStore.InMajority));
    }

    [Fact]
    public void Partitions_one_client() => SuiteRun.Require(Once with { HasPartitions = true }, output);

    [Fact]
    public void Partitions_many_clients() => SuiteRun.Require(Many with { HasPartitions = true }, output);

    [Fact]
    public void Restarts_one_client() => SuiteRun.Require(Once with { HasRestarts = true }, output);

    [Fact]
    public void Restarts_many_clients() => SuiteRun.Require(Many with { HasRestarts = true }, output);

    [Fact]
    public void Unreliable_net_restarts_many_clients() =>
        SuiteRun.Require(Many with { IsUnreliable = true, HasRestarts = true }, output);

    [Fact]
    public void Restarts_partitions_many_clients() =>
        SuiteRun.Require(Many with { HasRestarts = true, HasPartitions = true }, output);

    [Fact]
    public void Unreliable_net_restarts_partitions_many_clients() =>
        SuiteRun.Require(Many with { IsUnreliable = true, HasRestarts = true, HasPartitions = true }, output);

    [Fact]
    public void Unreliable_net_restarts_partitions_random_keys_many_clients_seven_servers() => SuiteRun.Require(new()
    {
        Workload = SuiteWorkload.RandomKeys,
        Nodes = 7,
        Clients = 15,
        Round = Seconds(10),
        IsUnreliable = true,
        HasRestarts = true,
        HasPartitions = true,
    }, output);
}
