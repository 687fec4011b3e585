using System.Runtime.CompilerServices;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Fuzz;

/// <summary>A store that answers everything at once; every key is its own value.</summary>
internal sealed class FuzzStore : IKeyValueStore, IClusterAdministration, IFaultControl, INodeControl
{
    private static readonly ClusterStatus s_status = new(
        [new GroupStatus(new GroupId(1), default, default, new NodeName("node-1"), new Term(1), new LogIndex(1))], [],
        [new NodeStatus(new NodeName("node-1"), IsUp: true, 1, 1, 1)]);

    /// <summary>Of all requests at once; with names and texts that must not break a line.</summary>
    private static readonly AdministrationAnswer s_answer = new(AdministrationStatus.Done, "done")
    {
        Groups =
        [
            new GroupOverview(new GroupDescriptor(new GroupId(1), [], [0, 10], RangeVersion: 1, ConfigVersion: 1,
                [new ReplicaPlacement(new ReplicaId(1), new NodeName("a b\n"), ReplicaRole.Learner)]), Bytes: 1,
                Keys: 1, Leader: null, double.NaN, "moves\n"),
            new GroupOverview(new GroupDescriptor(new GroupId(2), [0, 10], [], RangeVersion: 1, ConfigVersion: 1, []),
                Bytes: 1, Keys: 1, new NodeName(""), 1, Operation: null),
        ],
        Nodes = [new NodeOverview(new NodeName("a b\n"), "\t", NodeState.Removed, Replicas: 1, Leaders: 0, Bytes: 1)],
        Balance = new BalanceOverview(IsOn: true, ["moves\nmuch"], ["moved\tmuch"]),
    };

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
        Task.FromResult(s_answer);

    public Task KillAsync(NodeName node, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(NodeName node, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task IsolateAsync(NodeName node, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task HealAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task AddAsync(NodeName node, CancellationToken cancellationToken) => Task.CompletedTask;

    private static Task Taken(ReadOnlyMemory<byte> key) => key.IsEmpty
        ? Task.FromException(new KeyValueArgumentException("EmptyKey", "the key is empty"))
        : Task.CompletedTask;
}
