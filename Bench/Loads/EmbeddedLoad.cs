using Orleans.Raft.Core;
using Orleans.Raft.Embedded;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Shell;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Bench;

/// <summary>A cluster in this process, three nodes, on an empty directory that is removed afterwards, or on storage
/// of somebody else.</summary>
internal sealed class EmbeddedLoad : IAsyncDisposable
{
    /// <summary>Groups, unless something else is asked for.</summary>
    public const int DefaultGroups = 4;

    private const int FillCallers = 1024;

    private readonly EmbeddedCluster _cluster;
    private readonly ScratchDirectory _directory;

    private EmbeddedLoad(EmbeddedCluster cluster, ScratchDirectory directory)
    {
        _cluster = cluster;
        _directory = directory;
    }

    /// <param name="openStorage">See <see cref="EmbeddedOptions.OpenStorage"/>.</param>
    public static async Task<EmbeddedLoad> StartAsync(string parentDirectory, CancellationToken cancellationToken,
        int groups = DefaultGroups, Func<NodeName, StorageContext, Task<INodeStorage>>? openStorage = null)
    {
        ScratchDirectory directory = ScratchDirectory.Create(parentDirectory, "embedded");
        EmbeddedCluster cluster = await StartClusterAsync(directory.Path, cancellationToken, groups, openStorage);
        return new EmbeddedLoad(cluster, directory);
    }

    /// <summary>Starts a cluster as all of these measurements use it, and waits until it serves.</summary>
    public static async Task<EmbeddedCluster> StartClusterAsync(string directory, CancellationToken cancellationToken,
        int groups = DefaultGroups, Func<NodeName, StorageContext, Task<INodeStorage>>? openStorage = null)
    {
        EmbeddedCluster cluster = await EmbeddedCluster.StartAsync(
            new EmbeddedOptions { DataDirectory = directory, Groups = groups, OpenStorage = openStorage });
        await cluster.WaitForLeadersAsync(cancellationToken);
        return cluster;
    }

    /// <summary>Writes keys once, from many callers.</summary>
    public static Task FillAsync(IKeyValueStore store, int keys, Func<int, byte[]> keyOf, byte[] value,
        CancellationToken cancellationToken) =>
        Task.WhenAll(Enumerable.Range(0, FillCallers).Select(async caller =>
        {
            for (int number = caller; number < keys; number += FillCallers)
                await store.PutAsync(keyOf(number), value, cancellationToken: cancellationToken);
        }));

    public Task FillAsync(LoadPlan plan, CancellationToken cancellationToken) =>
        FillAsync(_cluster.Client, plan.Keys, LoadKeys.Key, plan.CreateValue(), cancellationToken);

    public async Task<Measurement> RunAsync(LoadKind kind, LoadPlan plan, CancellationToken cancellationToken)
    {
        TimeSpan cost = await LoadRunner.CalibrateAsync(plan, cancellationToken);
        byte[] value = plan.CreateValue();
        KvClient store = _cluster.Client;
        LoadRunner.KeyOperation operation = kind == LoadKind.Put
            ? (_, key) => new ValueTask(store.PutAsync(key, value, cancellationToken: cancellationToken))
            : (_, key) => GetAsync(store, key, value.Length, kind, cancellationToken);
        return await LoadRunner.RunInProcessAsync(plan, operation, cost, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        _directory.Dispose();
    }

    private static async ValueTask GetAsync(KvClient store, byte[] key, int length, LoadKind kind,
        CancellationToken cancellationToken)
    {
        Consistency consistency = kind == LoadKind.LeaseGet ? Consistency.Lease : Consistency.Linearizable;
        ReadOnlyMemory<byte>? found =
            await store.GetAsync(key, new ReadOptions(Consistency: consistency), cancellationToken);
        if (found?.Length != length)
            throw new InvalidDataException($"A value of {length} bytes was written, "
                + $"{found?.Length.ToString() ?? "none"} found.");
    }
}
