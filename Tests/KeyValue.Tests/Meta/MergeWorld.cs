using Orleans.Raft.Core;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Meta;

/// <summary>
/// The real controller over two groups of which nothing is left but what merges are about: entries of their logs and what
/// they remember. Whatever is sent may be lost, doubled and arrive in any order, writes of rows may fail, and controllers
/// take turns.
/// </summary>
internal sealed class MergeWorld : IMetaNode
{
    private const int Chunks = 3;

    private readonly Random _random;
    private readonly Random _writes;
    private readonly SortedDictionary<string, byte[]> _rows = new(StringComparer.Ordinal);
    private readonly List<Action> _flying = [];
    private readonly Dictionary<NodeName, ulong> _numbers = [];
    private MetaController _controller = null!;
    private ulong _term;

    public MergeWorld(int seed, FaultPoints faults = default, double loss = 0.3)
    {
        _random = new Random(seed);
        _writes = new Random(~seed);
        Faults = faults;
        Loss = loss;
        NodeName[] nodes = [new("node-1"), new("node-2"), new("node-3")];
        FormationPlan plan = FormationPlan.Create(nodes, [Bytes.Of("m")], new StoreLimits());
        Formation = new FormationRecord(default,
            [.. nodes.Select((n, i) => new FormationNode(n, new StoreId(new Guid(i + 1, 1, 1, new byte[8]))))],
            plan.Groups, plan.Limits);
        Source = new WorldMergeGroup(plan.Groups[0], nodes[0]);
        Target = new WorldMergeGroup(plan.Groups[1], nodes[1]);
        ChangeController();
    }

    /// <summary>The smaller one.</summary>
    public WorldMergeGroup Source { get; }

    public WorldMergeGroup Target { get; }

    /// <summary>The controller there is now.</summary>
    public MetaController Controller => _controller;

    public double Loss { get; set; }

    /// <summary>The share of writes of rows that fail: all of them is written
    /// all the same, or nothing, or the first of two parts.</summary>
    public double WriteFailures { get; set; }

    public int FailedWrites { get; private set; }

    /// <summary>Decides how many rows of a write are written, if not all.</summary>
    public Func<IReadOnlyList<WriteOperation>, int?>? Cut { get; set; }

    /// <summary>Somebody was told that the source is no more.</summary>
    public bool IsSourceRetired { get; private set; }

    public bool HasLeaders { get; set; } = true;

    public List<string> Log { get; } = [];

    NodeName IMetaNode.Name => new("node-3");

    string IMetaNode.Zone => "";

    public FormationRecord Formation { get; }

    public FaultPoints Faults { get; }

    public TimeSpan Now { get; private set; }

    Term? IMetaNode.MetaTerm => new Term(_term);

    GroupDescriptor? IMetaNode.Meta => MetaGroup.FormedBy(Formation);

    GroupDescriptor IMetaNode.KnownMeta => MetaGroup.FormedBy(Formation);

    NodeName? IMetaNode.MetaLeader => new("node-3");

    public MetaRegistry Registry => _controller.Registry!;

    /// <summary>Another begins with the rows; what the one before sent is still under way.</summary>
    public void ChangeController()
    {
        _term++;
        _controller = new MetaController(
            this, new ControllerOptions { IsBalanceOn = false }, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        BeginAgain();
    }

    /// <summary>A controller that could not write reads the rows anew.</summary>
    private void BeginAgain()
    {
        while (_controller.Registry is null)
        {
            Now += Seconds(0.5);
            _controller.Tick(Now);
        }
    }

    public AdministrationStatus Ask(bool isRepeat = false)
    {
        Task<GroupReply> asked = _controller.AdministerAsync(
            new MergeGroupsRequest(Source.Descriptor.Group, Target.Descriptor.Group) { IsRepeat = isRepeat });
        Assert.True(asked.IsCompletedSuccessfully);
        if (asked.Result.Status == GroupReplyStatus.Unknown && FailedWrites > 0)
        {
            BeginAgain();
            return AdministrationStatus.UnderWay;
        }
        Assert.Equal(GroupReplyStatus.Answered, asked.Result.Status);
        Assert.True(AdministrationCodec.TryDecodeAnswer(asked.Result.Answers.Span, out AdministrationAnswer answer));
        Log.Add($"{Now.TotalSeconds:F1} asked: {answer.Text}");
        return answer.Status;
    }

    /// <summary>Lets time pass, reports, and delivers some of what is under way.</summary>
    public void Step()
    {
        Now += Seconds(0.5);
        if (HasLeaders) foreach (WorldMergeGroup group in new[] { Source, Target }) Report(group);
        else Report(Source with { Leader = new("node-3") }, leads: false);
        int count = _flying.Count;
        for (int i = 0; i < count; i++)
        {
            if (_random.Next(3) == 0) continue;
            int chosen = _random.Next(_flying.Count);
            Action one = _flying[chosen];
            if (_random.NextDouble() >= Loss / 2) _flying.RemoveAt(chosen);
            if (_random.NextDouble() >= Loss) one();
            Require();
        }
        _controller.Tick(Now);
        BeginAgain();
        Require();
    }

    /// <summary>What must hold at any time.</summary>
    public void Require()
    {
        string story = string.Join("\n", Log.TakeLast(30));
        Assert.False(Target.HasTaken && Source.IsThawed, $"the target took what the source goes on with:\n{story}");
        Assert.False(IsSourceRetired && !Target.HasTaken, $"the source ended and nobody took it:\n{story}");
    }

    private void Report(WorldMergeGroup group, bool leads = true)
    {
        ulong number = _numbers[group.Leader] = _numbers.GetValueOrDefault(group.Leader) + 1;
        GroupReport[] groups = leads && !(group.Descriptor.Group == Source.Descriptor.Group && IsSourceRetired)
            ? [new GroupReport(group.Descriptor, new Term(1), group.Bytes, 10, 0, null, []) { Merges = group.Marks }]
            : [];
        var sighting = new ReplicaSighting(group.Descriptor.Group, new ReplicaId(1), 1);
        bool isSource = group.Descriptor.Group == Source.Descriptor.Group;
        var report = new NodeReport(1, number, default, "", IsFull: true, groups, [], isSource ? [sighting] : [], []);
        if (_random.NextDouble() >= Loss) _controller.Receive(group.Leader, report);
    }

    void IMetaNode.Send(NodeName to, ControlMessage message)
    {
        if (message is not Orders orders) return;
        foreach (Order order in orders.ToDo)
        {
            Log.Add($"{Now.TotalSeconds:F1} t{_term} {order}");
            _flying.Add(() => Obey(order));
        }
    }

    private void Obey(Order order)
    {
        Log.Add($"{Now.TotalSeconds:F1} obeyed: {order}");
        switch (order)
        {
            case MergeOrder merge when Source.Freeze(merge.Merge): _flying.Add(() => Absorb(merge.Merge, 0)); break;
            case AbandonOrder abandon: Target.Abandon(abandon.Merge); break;
            case ThawOrder thaw: Source.Thaw(thaw.Merge); break;
            case RetireOrder: IsSourceRetired = true; break;
        }
    }

    private void Absorb(MergeId merge, uint chunk)
    {
        Log.Add($"{Now.TotalSeconds:F1} chunk {chunk} of {merge}");
        if (Target.Absorb(merge, chunk) is not { } next) return;
        if (next < Chunks) _flying.Add(() => Absorb(merge, next));
        else _flying.Add(() => Target.TakeOver(merge, Source.Descriptor, Chunks));
    }

    Task<IReadOnlyList<KeyValueEntry>?> IMetaNode.ReadRowsAsync() => Task.FromResult<IReadOnlyList<KeyValueEntry>?>(
        [.. _rows.Select(row => new KeyValueEntry(Bytes.Of(row.Key), row.Value))]);

    Task<bool> IMetaNode.WriteRowsAsync(IReadOnlyList<WriteOperation> rows)
    {
        int written = Cut?.Invoke(rows) ?? rows.Count;
        bool fails = written < rows.Count || _writes.NextDouble() < WriteFailures;
        if (fails && written == rows.Count && _writes.Next(3) > 0) written = _writes.Next(written + 1);
        if (fails)
        {
            Log.Add($"{Now.TotalSeconds:F1} t{_term}: a write of {rows.Count} rows fails, {written} are written");
            FailedWrites++;
        }
        foreach (WriteOperation row in rows.Take(written))
        {
            string key = Bytes.Text(row.Key.Span);
            if (row.Value is { } value) _rows[key] = value.ToArray();
            else _rows.Remove(key);
        }
        return Task.FromResult(!fails);
    }

    void IMetaNode.Start(Func<Task> work) => Assert.True(work().IsCompletedSuccessfully);

    IReadOnlyList<GroupReport> IMetaNode.LedGroups() => [];

    IReadOnlyList<ReplicaSighting> IMetaNode.LeaderlessReplicas() => [];

    IReadOnlyList<MergeTrouble> IMetaNode.MergeTroubles() => [];

    IReadOnlyList<FormationNode> IMetaNode.Joining() => [];

    Task<string> IMetaNode.ObeyAsync(Order order) => Task.FromResult("");

    void IMetaNode.NoteDismissed(NodeName from)
    {
    }

    void IMetaNode.Learn(Orders orders, bool isWhole)
    {
    }
}

/// <summary>A group as far as merges are concerned: what its entries leave behind.</summary>
internal sealed record WorldMergeGroup(GroupDescriptor Formed, NodeName Leader)
{
    private MergeId _last;
    private MergeId _frozen;
    private MergeId _incoming;
    private uint _chunks;

    public GroupDescriptor Descriptor { get; private set; } = Formed;

    public bool HasTaken { get; private set; }

    /// <summary>It was frozen, and goes on.</summary>
    public bool IsThawed { get; private set; }

    public bool IsFrozen => _frozen != default;

    public long Bytes { get; set; } = Formed.Group.Value * 1000;

    public MergeMarks Marks => new(_last, HasTaken, _frozen, _incoming);

    public bool Freeze(MergeId merge)
    {
        if (merge <= _last || (_frozen != default && _frozen != merge) || _incoming != default) return false;
        _frozen = merge;
        return true;
    }

    public uint? Absorb(MergeId merge, uint chunk)
    {
        if (merge <= _last || _frozen != default || (_incoming != default && _incoming != merge)) return null;
        if (chunk == 0 && _incoming == default) (_incoming, _chunks) = (merge, 0);
        if (_incoming == merge && chunk == _chunks) _chunks++;
        return _incoming == merge ? _chunks : null;
    }

    public void TakeOver(MergeId merge, GroupDescriptor source, uint count)
    {
        if (_incoming != merge || _chunks != count || HasTaken) return;
        (_last, HasTaken, _incoming, _chunks) = (merge, true, default, 0);
        Descriptor = Descriptor with { Start = source.Start, RangeVersion = 2 };
    }

    public void Abandon(MergeId merge)
    {
        if (merge <= _last) return;
        (_last, _incoming, _chunks) = (merge, default, 0);
    }

    public void Thaw(MergeId merge)
    {
        if (merge <= _last) return;
        _last = merge;
        if (_frozen != merge) return;
        _frozen = default;
        IsThawed = true;
    }
}
