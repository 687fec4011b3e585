using System.Runtime.CompilerServices;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Fuzz;

/// <summary>A store that answers everything at once; every key is its own value.</summary>
internal sealed class FuzzStore : IKeyValueStore, IClusterAdministration, IFaultControl
{
    private static readonly ClusterStatus s_status = new(
        [new GroupStatus(new GroupId(1), default, default, new NodeName("node-1"), new Term(1), new LogIndex(1))], [],
        [new NodeStatus(new NodeName("node-1"), IsUp: true, 1, 1, 1)]);

    public Task PutAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, ColumnFamily family,
        CancellationToken cancellationToken) => Taken(key);

    public Task AppendAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> suffix, ColumnFamily family,
        CancellationToken cancellationToken) => Taken(key);

    public Task DeleteAsync(ReadOnlyMemory<byte> key, ColumnFamily family, CancellationToken cancellationToken) =>
        Taken(key);

    public async Task<CompareAndSetResult> CompareAndSetAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? expected,
        ReadOnlyMemory<byte>? replacement, ColumnFamily family, CancellationToken cancellationToken)
    {
        await Taken(key);
        return new CompareAndSetResult(expected is null, key);
    }

    public Task BatchAsync(IReadOnlyList<WriteOperation> operations, CancellationToken cancellationToken) =>
        Taken(operations[0].Key);

    public async Task<ReadOnlyMemory<byte>?> GetAsync(ReadOnlyMemory<byte> key, ReadOptions options,
        CancellationToken cancellationToken)
    {
        await Taken(key);
        return key;
    }

    public async IAsyncEnumerable<KeyValueEntry> ScanAsync(ReadOnlyMemory<byte> start, ReadOnlyMemory<byte> end,
        ScanOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        if (!start.IsEmpty) yield return new KeyValueEntry(start, end);
    }

    public Task<ClusterStatus> GetStatusAsync(CancellationToken cancellationToken) => Task.FromResult(s_status);

    public Task<AdministrationAnswer> AdministerAsync(
        AdministrationRequest request, CancellationToken cancellationToken) =>
        Task.FromResult(new AdministrationAnswer(AdministrationStatus.Done, "done"));

    public Task KillAsync(NodeName node, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(NodeName node, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task IsolateAsync(NodeName node, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task HealAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static Task Taken(ReadOnlyMemory<byte> key) => key.IsEmpty
        ? Task.FromException(new KeyValueArgumentException("EmptyKey", "the key is empty"))
        : Task.CompletedTask;
}
