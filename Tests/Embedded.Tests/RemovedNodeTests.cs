using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Embedded.Tests;

/// <summary>Nodes that left the cluster for good, and their folders.</summary>
public sealed class RemovedNodeTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly NodeName Removed = new("node-4");

    private readonly TemporaryCluster _temporary = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _temporary.DisposeAsync();

    [Fact]
    public async Task A_cluster_starts_again_without_the_folder_of_a_node_that_was_removed()
    {
        EmbeddedCluster cluster = await StartAndRemoveAsync();
        await cluster.KillAsync(Removed);
        await _temporary.StopAsync();
        Directory.Delete(Path.Combine(_temporary.Directory, Removed.Value), recursive: true);
        cluster = await _temporary.StartAsync(o => o with { Nodes = 4 });
        ClusterStatus status = await cluster.GetStatusAsync();
        Assert.False(Assert.Single(status.Nodes, node => node.Node == Removed).IsUp);
        Assert.All(status.Groups, group => Assert.NotNull(group.Leader));
    }

    [Fact]
    public async Task A_node_that_was_removed_is_not_added_with_its_old_folder()
    {
        EmbeddedCluster cluster = await StartAndRemoveAsync();
        await RequireRefusedAsync(cluster);
        await cluster.KillAsync(Removed);
        await RequireRefusedAsync(cluster);
        Assert.Null(cluster.Find(Removed));
    }

    private static async Task RequireRefusedAsync(EmbeddedCluster cluster)
    {
        var refused = await Assert.ThrowsAsync<AdministrationRefusedException>(() => cluster.AddAsync(Removed));
        Assert.Contains("node-4 was removed", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>Four nodes, of which one was removed and all others know it.</summary>
    private async Task<EmbeddedCluster> StartAndRemoveAsync()
    {
        EmbeddedCluster cluster = await _temporary.StartAsync(o => o with { Nodes = 4, Groups = 2 });
        using var deadline = new CancellationTokenSource(Deadline);
        await cluster.CompleteAsync(new RemoveNodeRequest(Removed), TimeProvider.System,
            cancellationToken: deadline.Token);
        NodeName[] others = [new("node-1"), new("node-2"), new("node-3")];
        while (others.Any(node => cluster.Find(node)!.Directory.Contains(Removed)))
            await Task.Delay(TimeSpan.FromMilliseconds(20), deadline.Token);
        return cluster;
    }
}
