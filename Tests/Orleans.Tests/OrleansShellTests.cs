using Orleans.Raft.KeyValue;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>The shell over a cluster of silos; one cluster serves all tests, emptied before each.</summary>
[Collection(nameof(SharedCluster))]
public sealed class OrleansShellTests(RaftTestCluster cluster) : ShellContract
{
    protected override async Task<ShellHost> StartHostAsync()
    {
        await SharedCluster.EmptyAsync(cluster.Store);
        return new ShellHost(cluster.Store, cluster.Administration, Faults: null, Nodes: null);
    }

    protected override Task StopHostAsync() => Task.CompletedTask;
}

/// <summary>Its commands for the controller; what they change, they change back.</summary>
[Collection(nameof(SharedCluster))]
public sealed class OrleansControllerTests(RaftTestCluster cluster) : ShellControllerContract
{
    protected override async Task<ShellHost> StartHostAsync()
    {
        await SharedCluster.EmptyAsync(cluster.Store);
        return new ShellHost(cluster.Store, cluster.Administration, Faults: null, Nodes: null);
    }

    protected override Task StopHostAsync() => Task.CompletedTask;
}

/// <summary>Its commands that split groups, on a cluster of its own.</summary>
public sealed class OrleansSplitTests : ShellSplitContract
{
    private readonly RaftTestCluster _cluster = new();

    protected override async Task<ShellHost> StartHostAsync()
    {
        await _cluster.InitializeAsync();
        return new ShellHost(_cluster.Store, _cluster.Administration, Faults: null, Nodes: null);
    }

    protected override Task StopHostAsync() => _cluster.DisposeAsync();
}

/// <summary>Its commands that merge groups, on a cluster of its own.</summary>
public sealed class OrleansMergeTests : ShellMergeContract
{
    private readonly RaftTestCluster _cluster = new();

    protected override async Task<ShellHost> StartHostAsync()
    {
        await _cluster.InitializeAsync();
        return new ShellHost(_cluster.Store, _cluster.Administration, Faults: null, Nodes: null);
    }

    protected override Task StopHostAsync() => _cluster.DisposeAsync();
}

/// <summary>Test classes that share a cluster none of them breaks.</summary>
[CollectionDefinition(nameof(SharedCluster))]
public sealed class SharedCluster : ICollectionFixture<RaftTestCluster>
{
    public static async Task EmptyAsync(IKeyValueStore store)
    {
        foreach (ColumnFamily family in Enum.GetValues<ColumnFamily>())
        {
            var deletions = new List<Task>();
            await foreach (KeyValueEntry row in store.ScanAsync(default, default, new ScanOptions(family)))
                deletions.Add(store.DeleteAsync(row.Key, family));
            await Task.WhenAll(deletions);
        }
    }
}
