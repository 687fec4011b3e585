using Xunit;
using Xunit.Abstractions;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>The cases of TinyKV 3B: replicas that come and go, and groups that split meanwhile.</summary>
[Trait("Raft", "§6")]
public class TinyKvShardTests(ITestOutputHelper output)
{
    private static readonly ShardOptions OneClient = new();
    private static readonly ShardOptions FiveClients = new() { Clients = 5 };
    private static readonly ShardOptions Splitting = FiveClients with { HasSplits = true, LogLimitBytes = 8 << 10 };

    [Fact]
    public void Configuration_changes_with_one_client() => ShardRun.Require(OneClient, output);

    [Fact]
    public void Configuration_changes_with_many_clients() => ShardRun.Require(FiveClients, output);

    [Fact]
    public void Configuration_changes_and_restarts_with_one_client() =>
        ShardRun.Require(OneClient with { HasRestarts = true }, output);

    [Fact]
    public void Configuration_changes_and_restarts_with_many_clients() =>
        ShardRun.Require(FiveClients with { HasRestarts = true }, output);

    [Fact]
    public void Configuration_changes_over_an_unreliable_network() =>
        ShardRun.Require(FiveClients with { IsUnreliable = true }, output);

    [Fact]
    public void Configuration_changes_and_restarts_over_an_unreliable_network() =>
        ShardRun.Require(FiveClients with { IsUnreliable = true, HasRestarts = true }, output);

    [Fact]
    public void Configuration_changes_and_snapshots_over_an_unreliable_network() =>
        ShardRun.Require(FiveClients with { IsUnreliable = true, LogLimitBytes = 8 << 10 }, output);

    [Fact]
    public void Configuration_changes_snapshots_and_restarts_over_an_unreliable_network() => ShardRun.Require(
        FiveClients with { IsUnreliable = true, LogLimitBytes = 8 << 10, HasRestarts = true }, output);

    [Fact]
    public void Configuration_changes_snapshots_restarts_and_partitions_over_an_unreliable_network() =>
        ShardRun.Require(FiveClients with
        {
            IsUnreliable = true, LogLimitBytes = 8 << 10, HasRestarts = true, HasPartitions = true,
        }, output);

    [Fact]
    public void Splits_and_configuration_changes() => ShardRun.Require(Splitting, output);

    [Fact]
    public void Splits_configuration_changes_and_restarts_over_an_unreliable_network() =>
        ShardRun.Require(Splitting with { IsUnreliable = true, HasRestarts = true }, output);

    [Fact]
    public void Splits_configuration_changes_restarts_and_partitions_over_an_unreliable_network() => ShardRun.Require(
        Splitting with { IsUnreliable = true, HasRestarts = true, HasPartitions = true }, output);
}
