using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue.Tests.Meta;

/// <summary>A node of which a test decides everything; work runs at once, until it waits for something.</summary>
internal sealed class FakeMetaNode : IMetaNode
{
    private TaskCompletionSource<bool>? _held;

    public FakeMetaNode(int nodes)
    {
        NodeName[] names = [.. Enumerable.Range(1, nodes).Select(i => new NodeName($"node-{i}"))];
        FormationPlan plan = FormationPlan.Create([.. names.Take(3)], [], new StoreLimits());
        Formation = new FormationRecord(default, [.. names.Select((n, i) => new FormationNode(n, Store(i + 1)))],
            plan.Groups, plan.Limits);
        KnownMeta = MetaGroup.FormedBy(Formation);
    }

    public NodeName Name { get; init; } = new("node-1");

    public string Zone => "";

    public FormationRecord Formation { get; set; }

    public TimeSpan Now { get; set; }

    public Term? MetaTerm { get; set; }

    public GroupDescriptor? Meta { get; set; }

    public NodeName? MetaLeader { get; set; }

    public GroupDescriptor KnownMeta { get; set; }

    public bool IsDismissed { get; private set; }

    public List<KeyValueEntry> Rows { get; } = [];

    public List<WriteOperation> Written { get; } = [];

    public List<(NodeName To, ControlMessage Message)> Sent { get; } = [];

    public List<ReplicaSighting> Leaderless { get; } = [];

    public List<FormationNode> Waiting { get; } = [];

    /// <summary>Thrown by reading rows.</summary>
    public Exception? ReadFailure { get; set; }

    public int Reads { get; private set; }

    public static StoreId Store(int number) => new(new Guid(number, 1, 1, new byte[8]));

    /// <summary>Writes wait from now on.</summary>
    public void HoldWrites() => _held = new TaskCompletionSource<bool>();

    public void EndWrites(bool written)
    {
        TaskCompletionSource<bool> held = _held!;
        _held = null;
        held.SetResult(written);
    }

    public Task<IReadOnlyList<KeyValueEntry>?> ReadRowsAsync()
    {
        Reads++;
        return ReadFailure is { } failure
            ? Task.FromException<IReadOnlyList<KeyValueEntry>?>(failure)
            : Task.FromResult<IReadOnlyList<KeyValueEntry>?>(Rows);
    }

    public Task<bool> WriteRowsAsync(IReadOnlyList<WriteOperation> rows)
    {
        Written.AddRange(rows);
        return _held?.Task ?? Task.FromResult(true);
    }

    public void Send(NodeName to, ControlMessage message) => Sent.Add((to, message));

    public void Start(Func<Task> work) => _ = work();

    public IReadOnlyList<GroupReport> LedGroups() => [];

    public IReadOnlyList<ReplicaSighting> LeaderlessReplicas() => Leaderless;

    public IReadOnlyList<FormationNode> Joining() => Waiting;

    public Task<string> ObeyAsync(Order order) => Task.FromResult("done");

    public void NoteDismissed(NodeName from) => IsDismissed = true;

    FaultPoints IMetaNode.Faults => default;

    public IReadOnlyList<MergeTrouble> MergeTroubles() => [];

    public void Learn(Orders orders, bool isWhole)
    {
    }
}
