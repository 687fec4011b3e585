using System.Runtime.CompilerServices;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell.Tests;

/// <summary>A store in one sorted dictionary, with the limits, groups and faults of a real one.</summary>
internal sealed class FakeCluster : IKeyValueStore, IClusterAdministration, IFaultControl, INodeControl
{
    private readonly Lock _lock = new();
    private readonly HashSet<NodeName> _down = [];
    private readonly HashSet<NodeName> _isolated = [];
    private readonly SortedDictionary<(ColumnFamily Family, byte[] Key), byte[]> _rows = new(
        Comparer<(ColumnFamily Family, byte[] Key)>.Create((left, right) => left.Family != right.Family
            ? left.Family.CompareTo(right.Family)
            : left.Key.AsSpan().SequenceCompareTo(right.Key)));

    public FakeCluster() => Controller = new FakeController([new("node-1"), new("node-2"), new("node-3")],
        [Bytes("8"), Bytes("O"), Bytes("g")], BytesOf);

    public FakeController Controller { get; }

    /// <summary>Runs before every put; may throw.</summary>
    public Func<byte[], Task> BeforePut { get; set; } = _ => Task.CompletedTask;

    public int Puts { get; private set; }

    public Func<Task<ClusterStatus>>? Status { get; set; }

    public async Task PutAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value,
        ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default)
    {
        byte[] keyCopy = key.ToArray();
        byte[] valueCopy = value.ToArray();
        Check(keyCopy, valueCopy);
        await BeforePut(keyCopy);
        RequireMajority();
        lock (_lock)
        {
            Puts++;
            _rows[(family, keyCopy)] = valueCopy;
        }
    }

    public Task AppendAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> suffix,
        ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default) => Run(() =>
    {
        Check(key.ToArray(), suffix.ToArray());
        byte[] value = [.. _rows.GetValueOrDefault((family, key.ToArray()), []), .. suffix.Span];
        if (value.Length > 1 << 20) throw new ValueLimitException("the value would have more than 1 MiB");
        _rows[(family, key.ToArray())] = value;
        return true;
    });

    public Task DeleteAsync(ReadOnlyMemory<byte> key, ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default) => Run(() =>
    {
        Check(key.ToArray(), []);
        return _rows.Remove((family, key.ToArray()));
    });

    public Task<CompareAndSetResult> CompareAndSetAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? expected,
        ReadOnlyMemory<byte>? replacement, ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default) => Run(() =>
    {
        Check(key.ToArray(), replacement?.ToArray() ?? []);
        byte[]? current = _rows.GetValueOrDefault((family, key.ToArray()));
        bool matches = expected is null ? current is null : current is not null &&
            expected.Value.Span.SequenceEqual(current);
        if (!matches) return new CompareAndSetResult(false, current is null ? default(ReadOnlyMemory<byte>?)
            : current.AsMemory());
        Set(family, key, replacement);
        return new CompareAndSetResult(true, null);
    });

    public Task BatchAsync(IReadOnlyList<WriteOperation> operations, CancellationToken cancellationToken = default) =>
        Run(() =>
    {
        foreach (WriteOperation operation in operations) Check(operation.Key.ToArray(),
            operation.Value?.ToArray() ?? []);
        if (operations.Select(operation => GroupOf(operation.Key.Span)).Distinct().Count() > 1)
        {
            throw new CrossGroupException("the keys lie in several groups; write them apart");
        }
        foreach (WriteOperation operation in operations) Set(operation.Family, operation.Key, operation.Value);
        return true;
    });

    public Task<ReadOnlyMemory<byte>?> GetAsync(ReadOnlyMemory<byte> key, ReadOptions options = default,
        CancellationToken cancellationToken = default) => Run(() =>
    {
        Check(key.ToArray(), []);
        return _rows.TryGetValue((options.Family, key.ToArray()), out byte[]? value) ? value.AsMemory()
            : default(ReadOnlyMemory<byte>?);
    });

    public async IAsyncEnumerable<KeyValueEntry> ScanAsync(ReadOnlyMemory<byte> start, ReadOnlyMemory<byte> end,
        ScanOptions options = default, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        KeyValueEntry[] entries = await Run(() => _rows
            .Where(row => row.Key.Family == options.Family && row.Key.Key.AsSpan().SequenceCompareTo(start.Span) >= 0 &&
                (end.IsEmpty || row.Key.Key.AsSpan().SequenceCompareTo(end.Span) < 0))
            .Select(row => new KeyValueEntry(row.Key.Key, row.Value)).ToArray());
        IEnumerable<KeyValueEntry> ordered = options.Reverse ? entries.Reverse() : entries;
        foreach (KeyValueEntry entry in options.Limit > 0 ? ordered.Take(options.Limit) : ordered) yield return entry;
    }

    public Task<ClusterStatus> GetStatusAsync(CancellationToken cancellationToken = default)
    {
        if (Status is not null) return Status();
        lock (_lock)
        {
            IReadOnlyList<GroupOverview> known = Controller.Groups;
            var groups = known.Select(group => new GroupStatus(group.Descriptor.Group, group.Descriptor.Start,
                group.Descriptor.End, group.Leader, new Term(3), new LogIndex(17)));
            var replicas = known.SelectMany(group => group.Descriptor.Replicas.Select(replica => new ReplicaStatus(
                group.Descriptor.Group, replica.Node, replica.Node == group.Leader ? "leader" : "follower",
                new Term(3), new LogIndex(17), new LogIndex(17))));
            var nodes = Controller.Nodes.Select(node => new NodeStatus(node, !_down.Contains(node), 4096, 1, 100));
            return Task.FromResult(new ClusterStatus([.. groups], [.. replicas], [.. nodes]));
        }
    }

    /// <summary>Answers administrators' requests instead of <see cref="Controller"/>.</summary>
    public Func<AdministrationRequest, Task<AdministrationAnswer>>? Administration { get; set; }

    public Task<AdministrationAnswer> AdministerAsync(AdministrationRequest request,
        CancellationToken cancellationToken = default) =>
        Administration is { } answer ? answer(request) : Run(() => Controller.Answer(request));

    /// <summary>Runs before a node is started.</summary>
    public Func<Task> BeforeAdd { get; set; } = () => Task.CompletedTask;

    public async Task AddAsync(NodeName node, CancellationToken cancellationToken = default)
    {
        await BeforeAdd();
        lock (_lock) Controller.Join(node);
    }

    public Task KillAsync(NodeName node, CancellationToken cancellationToken = default)
    {
        lock (_lock)
        {
            if (!_down.Add(node)) throw new InvalidOperationException("it is down already; start it first");
            Controller.NoteDown(node);
        }
        return Task.CompletedTask;
    }

    public Task StartAsync(NodeName node, CancellationToken cancellationToken = default)
    {
        lock (_lock)
        {
            if (_down.Remove(node)) Controller.NoteUp(node);
        }
        return Task.CompletedTask;
    }

    public Task IsolateAsync(NodeName node, CancellationToken cancellationToken = default) =>
        Task.FromResult(_isolated.Add(node));

    public Task HealAsync(CancellationToken cancellationToken = default)
    {
        _isolated.Clear();
        return Task.CompletedTask;
    }

    private static byte[] Bytes(string text) => System.Text.Encoding.UTF8.GetBytes(text);

    private GroupId GroupOf(ReadOnlySpan<byte> key)
    {
        foreach (GroupOverview group in Controller.Groups)
        {
            if (group.Descriptor.Contains(key)) return group.Descriptor.Group;
        }
        throw new InvalidOperationException("the groups leave a gap");
    }

    private long BytesOf(byte[] start, byte[] end) => _rows
        .Where(row => row.Key.Key.AsSpan().SequenceCompareTo(start) >= 0
            && (end.Length == 0 || row.Key.Key.AsSpan().SequenceCompareTo(end) < 0))
        .Sum(row => (long)row.Key.Key.Length + row.Value.Length);

    private static void Check(byte[] key, byte[] value)
    {
        if (key.Length == 0) throw new KeyValueArgumentException("EmptyKey",
            "the key is empty; give it a byte at least");
        if (key.Length > 4096) throw new KeyValueArgumentException("KeyTooLarge",
            "the key has more than 4096 bytes; shorten it");
        if (value.Length > 1 << 20) throw new KeyValueArgumentException("ValueTooLarge",
            "the value has more than 1 MiB; split it");
    }

    private async Task<T> Run<T>(Func<T> action)
    {
        await Task.Yield();
        RequireMajority();
        lock (_lock) return action();
    }

    private void RequireMajority()
    {
        NodeName[] nodes = [.. Controller.Nodes];
        int alive = nodes.Count(node => !_down.Contains(node) && !_isolated.Contains(node));
        if (alive <= nodes.Length / 2) throw new UnavailableException("no group has a majority; start its nodes");
    }

    private void Set(ColumnFamily family, ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? value)
    {
        if (value is { } bytes) _rows[(family, key.ToArray())] = bytes.ToArray();
        else _rows.Remove((family, key.ToArray()));
    }
}
