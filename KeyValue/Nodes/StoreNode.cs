using System.Globalization;
using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// One node of the store: its storage, its place in the cluster, its links to the others, and the replicas opened on
/// it. Hosts feed it frames and time. Any thread may call its members.
/// </summary>
public sealed partial class StoreNode : IAsyncDisposable
{
    private readonly StoreNodeOptions _options;
    private readonly ClusterFormation _formation;
    private readonly long _startTimestamp;
    private readonly Lock _lock = new();
    private readonly FrameIntake _intake;
    private volatile FormationRecord? _record;
    private volatile NodeDirectory? _directory;
    private volatile RangeMap? _ranges;
    private TaskCompletionSource _rangesChanged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile NodeMeta? _meta;
    private PeerLinks? _links;
    private LivenessSender? _liveness;
    private StoreMetrics? _metrics;

    // A lock of its own: the formation draws while it holds its own.
    private readonly Lock _randomLock = new();
    private SplitMix64 _random;
    private long _logBytes;
    private volatile int _openReplicas;

    // Whether what was recorded last is durable is not known.
    private bool _isRecordInDoubt;

    private volatile bool _isDismissed;

    // When last ticked, the disk hung or had failed: all replicas must learn of that, and of its end.
    private bool _wasTroubled;

    private StoreNode(StoreNodeOptions options, FormationPlan plan, INodeStorage storage, INetwork network)
    {
        _options = options;
        Storage = storage;
        Network = network;
        SnapshotPace = new SnapshotPace(options.Replica.SnapshotBytesPerSecond);
        _random = new SplitMix64(options.Seed);
        _startTimestamp = options.Time.GetTimestamp();
        _formation = new ClusterFormation(options.Name, plan, options.Joins, options.JoinsIfFormed, storage,
            network, NextGuid, options.Logger);
        _intake = new FrameIntake(this, options.Logger);
        Liveness = new NodeLiveness(options.Replica.ElectionTimeout);
    }

    public NodeName Name => _options.Name;

    public INodeStorage Storage { get; }

    /// <summary>Completes when this node is part of a formed cluster; fails with <see cref="FormationException"/> if it
    /// cannot be.</summary>
    public Task Formed { get; private set; } = Task.CompletedTask;

    /// <summary>The nodes for which this node waits while the cluster is not formed.</summary>
    public IReadOnlyList<WaitedForNode> WaitingFor => _formation.WaitingFor;

    /// <summary>The cluster's record. Valid once <see cref="Formed"/> completed.</summary>
    public FormationRecord Formation => _record
        ?? throw new InvalidOperationException($"{Name} is not part of a formed cluster yet.");

    /// <summary>The cluster's nodes as this one knows them; see <see cref="SetNodesAsync"/>. Valid once
    /// <see cref="Formed"/> completed.</summary>
    public NodeDirectory Directory => _directory
        ?? throw new InvalidOperationException($"{Name} is not part of a formed cluster yet.");

    /// <summary>Nodes that say hello and are none of this cluster's, with the store that each said last: they wait to be
    /// let in by <see cref="SetNodesAsync"/>.</summary>
    public IReadOnlyList<FormationNode> Joining => _formation.Joining;

    /// <summary>Which group owns which keys, as far as this node has heard. Valid once <see cref="Formed"/>
    /// completed.</summary>
    public RangeMap Ranges => _ranges
        ?? throw new InvalidOperationException($"{Name} is not part of a formed cluster yet.");

    /// <summary>Frames and messages refused because they were damaged, foreign or for nobody here.</summary>
    public long RefusedMessages => _intake.Refused + Replicas.Sum(r => r.RefusedMessages);

    /// <summary>Messages its replicas sent to other nodes so far.</summary>
    public long SentMessages => _links?.Appended ?? 0;

    /// <summary>What its replicas have done.</summary>
    internal StoreCounters Counters { get; } = new();

    internal INetwork Network { get; }

    /// <summary>Which other nodes live.</summary>
    internal NodeLiveness Liveness { get; }

    internal SnapshotPace SnapshotPace { get; }

    internal ReplicaOptions ReplicaOptions => _options.Replica;

    internal ILogger Logger => _options.Logger;

    /// <summary>A group with more is one that the controller may split for it.</summary>
    internal double SplitOperationsPerSecond =>
        _options.Controller?.Placement.SplitOperationsPerSecond ?? double.PositiveInfinity;

    /// <summary>Whether the cluster goes on without this node.</summary>
    internal bool IsDismissed => _isDismissed;

    /// <summary>False if it was known already.</summary>
    internal bool Dismiss() => !Interlocked.Exchange(ref _isDismissed, true);

    internal FaultPoints Faults => _options.Faults;

    internal TimeSpan Now => _options.Time.GetElapsedTime(_startTimestamp);

    /// <summary>Opens the node's storage and begins to join its cluster. Frames and ticks must flow before
    /// <see cref="Formed"/> completes.</summary>
    /// <param name="open">Opens the storage, which belongs to the node from then on; see
    /// <see cref="NodeStorage.OpenOwnedAsync"/>.</param>
    /// <exception cref="ArgumentException">The options are invalid; the message lists every problem. Nothing was
    /// opened.</exception>
    /// <exception cref="FormationException">The storage is another node's or cluster's.</exception>
    public static async Task<StoreNode> StartAsync(StoreNodeOptions options,
        Func<StorageContext, Task<INodeStorage>> open, INetwork network)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(open);
        IReadOnlyList<string> problems = options.Validate();
        if (problems.Count > 0) throw new ArgumentException(string.Join(" ", problems));
        var seeds = new SplitMix64(options.Seed ^ 0x5eed);
        INodeStorage storage = await open(new StorageContext
        {
            Time = options.Time,
            Scheduler = options.Scheduler,
            NewStoreId = () => seeds.NextGuid(),
            LogSegmentBytes = options.LogSegmentBytes,
            Logger = options.Logger,
            Faults = options.Faults,
        });
        try
        {
            var node = new StoreNode(options, MakePlan(options, storage.Formation), storage, network);
            node.Formed = node.WatchFormationAsync();
            node._formation.Start();
            if (options.IsMeasured) node._metrics = new StoreMetrics(node);
            return node;
        }
        catch
        {
            await storage.DisposeAsync();
            throw;
        }
    }

    /// <summary>Lets time pass for the node and for those of its replicas that are awake; called by the host's timer, at
    /// least a few times per heartbeat interval.</summary>
    public void Tick()
    {
        if (_liveness is not { } sender)
        {
            _formation.Tick(Now);
            return;
        }
        TimeSpan now = Now;
        ConfirmWhenDue(now);
        bool hasFailed = Storage.Failure is not null;
        // The others should look for other leaders: nothing here can work any more.
        if (!hasFailed) sender.Tick(now);
        Liveness.Tick(now);
        bool isTroubled = hasFailed || Storage.StalledFor >= _options.Replica.StallLimit;
        _meta?.Tick(now);
        foreach (Replica replica in TakeAwake(all: isTroubled || _wasTroubled)) replica.Tick();
        _wasTroubled = isTroubled;
    }

    /// <summary>Takes a frame from the network; the buffer may be reused on return. Damaged and foreign frames are
    /// counted and dropped.</summary>
    public void Receive(ReadOnlySpan<byte> frame)
    {
        if (FormationMessage.IsFormationFrame(frame)) _formation.Receive(frame);
        else if (_record is not { } record) return;
        else if (LivenessFrame.IsLivenessFrame(frame)) _intake.ReceiveLiveness(frame, record);
        else if (ControlFrame.IsControlFrame(frame)) _intake.ReceiveControl(frame, record);
        else _intake.Receive(frame, record);
    }

    /// <summary>
    /// Takes over which nodes the cluster has: from now on it hears them and no others, and can write to them. Durable
    /// on return. This node must be among them.
    /// </summary>
    public async Task SetNodesAsync(IReadOnlyList<FormationNode> nodes)
    {
        await RecordClusterAsync(nodes, Formation.Meta);
    }

    /// <summary>See <see cref="SetNodesAsync"/>; with them goes where the meta group is.</summary>
    internal async Task RecordClusterAsync(IReadOnlyList<FormationNode> nodes, GroupDescriptor? metaGroup)
    {
        var directory = new NodeDirectory(nodes);
        if (directory.StoreOf(Name) != Storage.StoreId)
            throw new ArgumentException($"{Name} with its store is not among {string.Join(", ", nodes)}.", nameof(nodes));
        ValueTask writing;
        FormationRecord record;
        lock (_lock)
        {
            record = Formation with { Members = directory.Nodes, Meta = metaGroup };
            bool isSame = record.Members.SequenceEqual(Formation.Members) && Equals(record.Meta, Formation.Meta);
            if (isSame && !_isRecordInDoubt) return;
            writing = RewriteRecord(record, directory);
        }
        await writing;
        NoteRecorded(record);
    }

    /// <summary>Keeps the first number that is told; see <see cref="FormationRecord.FirstNewGroup"/>. Durable on
    /// return.</summary>
    private async Task RecordFirstNewGroupAsync(uint nextGroup)
    {
        ValueTask writing;
        FormationRecord record;
        lock (_lock)
        {
            record = Formation with { FirstNewGroup = Formation.FirstNewGroup ?? nextGroup };
            if (record == Formation && !_isRecordInDoubt) return;
            writing = RewriteRecord(record, Directory);
        }
        await writing;
        NoteRecorded(record);
    }

    /// <summary>Under the lock, so that of two changes the later one is the one that stays.</summary>
    private ValueTask RewriteRecord(FormationRecord record, NodeDirectory directory)
    {
        _isRecordInDoubt = true;
        ValueTask writing = Storage.RewriteFormationAsync(record.Encode());
        UseRecord(record, directory);
        return writing;
    }

    private void NoteRecorded(FormationRecord record)
    {
        lock (_lock) _isRecordInDoubt &= !ReferenceEquals(_record, record);
    }

    /// <summary>Takes note of what a group has become; what is not newer than what is known changes nothing.</summary>
    public void Learn(GroupDescriptor descriptor)
    {
        // A new replica knows nothing of its group yet, and group 0 has no part in the range.
        if (descriptor.IsUnknown || descriptor.Group == GroupId.Meta) return;
        TaskCompletionSource changed;
        lock (_lock)
        {
            RangeMap before = Ranges;
            _ranges = before.With(descriptor);
            if (ReferenceEquals(_ranges, before)) return;
            changed = _rangesChanged;
            _rangesChanged = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        changed.SetResult();
    }

    /// <summary>Completes when <see cref="Ranges"/> is another than <paramref name="seen"/>.</summary>
    public Task WaitForRangesAsync(RangeMap seen)
    {
        lock (_lock) return ReferenceEquals(Ranges, seen) ? _rangesChanged.Task : Task.CompletedTask;
    }

    public NodeStatus GetStatus()
    {
        StorageStatus storage = Storage.Status;
        string? problem = storage.Failure?.Message
            ?? (IsDismissed ? "it was removed from the cluster; stop it" : null)
            ?? DescribeStall() ?? Replicas.Select(r => r.SnapshotProblem)
            .FirstOrDefault(p => p is not null);
        return new NodeStatus(Name, IsUp: true, storage.LogBytes, storage.SnapshotFiles,
            Replicas.Sum(r => r.MemoryBytes), problem);
    }

    /// <summary>Says for how long the disk or the database has not answered; null while that is within the
    /// limit.</summary>
    public string? DescribeStall()
    {
        TimeSpan stall = Storage.StalledFor;
        if (stall < _options.Replica.StallLimit) return null;
        return Storage.WaitsFor is { } why
            ? string.Create(CultureInfo.InvariantCulture,
                $"{Name} has waited for its storage for {stall.TotalSeconds:F1} s: {why}")
            : string.Create(CultureInfo.InvariantCulture,
                $"the disk of {Name} has not answered a flush for {stall.TotalSeconds:F1} s");
    }

    /// <summary>Dies as a crashed process does; see <see cref="INodeStorage.CrashAsync"/>.</summary>
    public async Task CrashAsync()
    {
        _metrics?.Dispose();
        StopReplicas("its node was killed");
        await Storage.CrashAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _metrics?.Dispose();
        StopReplicas("its node stops");
        await Storage.DisposeAsync();
    }

    /// <summary>Whether all replicas here together keep more of their logs in memory than
    /// <see cref="ReplicaOptions.NodeLogBytes"/>.</summary>
    internal bool HasLongLogs => Interlocked.Read(ref _logBytes) > _options.Replica.NodeLogBytes;

    /// <summary>What each replica here may then keep.</summary>
    internal long LogBytesShare => _options.Replica.NodeLogBytes / Math.Max(1, _openReplicas);

    internal void NoteLogBytes(long change) => Interlocked.Add(ref _logBytes, change);

    internal void Send(NodeName to, in MessageAddress address, RaftMessage message) =>
        _links!.Append(to, address, message);

    internal void FlushLinks() => _links!.Flush();

    /// <summary>The controller's and the agent's side of this node; null without, or before the cluster
    /// formed.</summary>
    internal NodeMeta? Meta => _meta;

    /// <summary>The meta group as far as this node has heard; null without, or before the cluster formed.</summary>
    public GroupDescriptor? KnownMetaGroup => _meta?.Agent.Meta;

    /// <summary>The meta group's limits are its own.</summary>
    internal StoreLimits LimitsOf(GroupId group) => group == GroupId.Meta ? MetaGroup.Limits : Formation.Limits;

    /// <summary>Serves an administrator, if this replica's node controls the cluster; else tells whom to ask.</summary>
    internal Task<GroupReply> AdministerAsync(Replica asked, GroupRequest request) => _meta is { } meta
        ? meta.AdministerAsync(asked, request)
        : Task.FromResult(GroupReply.Of(GroupReplyStatus.Unavailable));

    /// <summary>A replica here leads, leads no more, or has other members or another range.</summary>
    internal void NoteGroupChanged() => _meta?.NoteGroupChanged();

    internal ulong NextRandom()
    {
        lock (_randomLock) return _random.Next();
    }

    private Guid NextGuid()
    {
        lock (_randomLock) return _random.NextGuid();
    }

    private async Task WatchFormationAsync()
    {
        FormationRecord record = await _formation.Formed;
        var directory = new NodeDirectory(record.Members);
        lock (_lock)
        {
            _links = new PeerLinks(record.Cluster, new FormationNode(Name, Storage.StoreId), Network, directory, Logger);
            _ranges = new RangeMap(record.Groups);
            FindOwnReplicas(record);
            UseRecord(record, directory);
            if (_options.Controller is { } controller)
                _meta = new NodeMeta(this, _options, controller, NextRandom());
        }
    }

    private void UseRecord(FormationRecord record, NodeDirectory directory)
    {
        _links!.Update(directory);
        _formation.Update(record);
        _directory = directory;
        _record = record;
        _liveness ??= new LivenessSender(record.Cluster, new FormationNode(Name, Storage.StoreId), Network, NextRandom(),
            _options.Replica.HeartbeatInterval);
        _liveness.Update(directory);
    }

    private static FormationPlan MakePlan(StoreNodeOptions options, ReadOnlyMemory<byte>? formation)
    {
        FormationRecord? record = formation is { } bytes ? FormationRecord.Decode(bytes) : null;
        // Whatever a node that joins is told: it takes what the others formed.
        if (options.Joins && record is not null) return record.Plan();
        IReadOnlyList<NodeName> nodes =
            options.JoinsIfFormed && record is not null ? record.Plan().Nodes : options.Nodes;
        IReadOnlyList<byte[]>? splitKeys = options.SplitKeys
            ?? (options.Groups is { } groups ? FormationPlan.EvenSplitKeys(groups) : null);
        if (splitKeys is null && record is not null)
            return new FormationPlan([.. nodes.Order()], record.Groups, record.Limits);
        return FormationPlan.Create(nodes, splitKeys ?? FormationPlan.EvenSplitKeys(StoreNodeOptions.DefaultGroups),
            options.Limits, options.ReplicationFactor);
    }
}
