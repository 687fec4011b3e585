using System.Globalization;
using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// One node of the store: its storage, its place in the cluster, its links to the others, and the replicas opened on
/// it. Hosts feed it frames and time. Any thread may call its members.
/// </summary>
public sealed class StoreNode : IAsyncDisposable
{
    private readonly StoreNodeOptions _options;
    private readonly IDisk _disk;
    private readonly ClusterFormation _formation;
    private readonly long _startTimestamp;
    private readonly Lock _lock = new();
    private readonly SortedDictionary<GroupId, Replica> _replicas = [];
    private readonly FrameIntake _intake;
    private FormationRecord? _record;
    private RangeMap? _ranges;
    private PeerLinks? _links;
    private LivenessSender? _liveness;
    private SplitMix64 _random;

    private long _logBytes;
    private volatile int _openReplicas;

    // Of _replicas; null: to be found out anew.
    private Replica[]? _awake;

    // When last ticked, the disk hung or had failed: all replicas must learn of that, and of its end.
    private bool _wasTroubled;

    private StoreNode(StoreNodeOptions options, FormationPlan plan, IDisk disk, INodeStorage storage, INetwork network)
    {
        _options = options;
        _disk = disk;
        Storage = storage;
        Network = network;
        _random = new SplitMix64(options.Seed);
        _startTimestamp = options.Time.GetTimestamp();
        _formation = new ClusterFormation(options.Name, plan, storage, network, NextGuid, options.Logger);
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

    /// <summary>Which group owns which keys. Valid once <see cref="Formed"/> completed.</summary>
    public RangeMap Ranges => _ranges
        ?? throw new InvalidOperationException($"{Name} is not part of a formed cluster yet.");

    /// <summary>The groups with a replica on this node.</summary>
    public IEnumerable<GroupDescriptor> OwnGroups => Formation.Groups.Where(g => g.Replicas.Any(r => r.Node == Name));

    /// <summary>Frames and messages refused because they were damaged, foreign or for nobody here.</summary>
    public long RefusedMessages => _intake.Refused + Replicas.Sum(r => r.RefusedMessages);

    /// <summary>Messages its replicas sent to other nodes so far.</summary>
    public long SentMessages => _links?.Appended ?? 0;

    public IReadOnlyList<Replica> Replicas
    {
        get
        {
            lock (_lock) return [.. _replicas.Values];
        }
    }

    internal INetwork Network { get; }

    /// <summary>Which other nodes live.</summary>
    internal NodeLiveness Liveness { get; }

    internal ReplicaOptions ReplicaOptions => _options.Replica;

    internal ILogger Logger => _options.Logger;

    internal FaultPoints Faults => _options.Faults;

    internal TimeSpan Now => _options.Time.GetElapsedTime(_startTimestamp);

    /// <summary>Opens the node's storage and begins to join its cluster. Frames and ticks must flow before
    /// <see cref="Formed"/> completes.</summary>
    /// <param name="disk">Belongs to the node from here on, also if it throws.</param>
    /// <exception cref="ArgumentException">The options are invalid; the message lists every problem.</exception>
    /// <exception cref="FormationException">The directory is another node's or cluster's.</exception>
    public static async Task<StoreNode> StartAsync(StoreNodeOptions options, IDisk disk, INetwork network)
    {
        try
        {
            return await StartOnAsync(options, disk, network);
        }
        catch
        {
            await disk.DisposeAsync();
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
        bool hasFailed = Storage.Failure is not null;
        // The others should look for other leaders: nothing here can work any more.
        if (!hasFailed) sender.Tick(now);
        Liveness.Tick(now);
        bool isTroubled = hasFailed || Storage.StalledFor >= _options.Replica.StallLimit;
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
        else _intake.Receive(frame, record);
    }

    /// <summary>Opens this node's replica of a group. An instance opened before is fenced and can do nothing any
    /// more.</summary>
    /// <param name="scheduler">Where its turns run.</param>
    public async Task<Replica> OpenReplicaAsync(GroupId group, TaskScheduler scheduler)
    {
        GroupDescriptor placement = OwnGroups.FirstOrDefault(g => g.Group == group)
            ?? throw new ArgumentException($"{Name} has no replica of {group}.", nameof(group));
        Replica replica = await Replica.OpenAsync(this, placement, scheduler);
        Adopt(replica);
        return replica;
    }

    /// <summary>The replica of a group open here, or null.</summary>
    public Replica? Find(GroupId group)
    {
        lock (_lock) return _replicas.GetValueOrDefault(group);
    }

    public NodeStatus GetStatus()
    {
        StorageStatus storage = Storage.Status;
        string? problem = storage.Failure?.Message ?? DescribeStall() ?? Replicas.Select(r => r.SnapshotProblem)
            .FirstOrDefault(p => p is not null);
        return new NodeStatus(Name, IsUp: true, storage.LogBytes, storage.SnapshotFiles,
            Replicas.Sum(r => r.MemoryBytes), problem);
    }

    /// <summary>Says for how long the disk has not answered a flush; null while that is within the limit.</summary>
    internal string? DescribeStall() => Storage.StalledFor is var stall && stall >= _options.Replica.StallLimit
        ? string.Create(CultureInfo.InvariantCulture,
        $"the disk of {Name} has not answered a flush for {stall.TotalSeconds:F1} s")
        : null;

    /// <summary>Dies as a crashed process does; see <see cref="INodeStorage.CrashAsync"/>.</summary>
    public async Task CrashAsync()
    {
        StopReplicas("its node was killed");
        await Storage.CrashAsync();
        await _disk.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        StopReplicas("its node stops");
        await Storage.DisposeAsync();
        await _disk.DisposeAsync();
    }

    /// <summary>From now on frames and callers find this instance instead of the one before.</summary>
    internal void Adopt(Replica replica)
    {
        Replica? fenced;
        lock (_lock)
        {
            // Two openings may end in any order; the younger incarnation is the one that lives.
            if (!_replicas.TryGetValue(replica.Group, out fenced) || fenced.Incarnation < replica.Incarnation)
                _replicas[replica.Group] = replica;
            else fenced = replica;
            _openReplicas = _replicas.Count;
            _awake = null;
        }
        // Fenced it is already; nobody may tick it any more, and those who wait for it must hear of it.
        fenced?.Stop("another instance of this replica was opened");
    }

    /// <summary>A replica fell asleep or woke.</summary>
    internal void NoteAsleep()
    {
        lock (_lock) _awake = null;
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

    internal ulong NextRandom()
    {
        lock (_lock) return _random.Next();
    }

    private Guid NextGuid()
    {
        lock (_lock) return _random.NextGuid();
    }

    private static async Task<StoreNode> StartOnAsync(StoreNodeOptions options, IDisk disk, INetwork network)
    {
        IReadOnlyList<string> problems = options.Validate();
        if (problems.Count > 0) throw new ArgumentException(string.Join(" ", problems));
        var seeds = new SplitMix64(options.Seed ^ 0x5eed);
        NodeStorage storage = await NodeStorage.OpenAsync(disk, new NodeStorageOptions
        {
            Time = options.Time,
            Scheduler = options.Scheduler,
            NewStoreId = () => seeds.NextGuid(),
            SegmentBytes = options.LogSegmentBytes,
            Logger = options.Logger,
            Faults = options.Faults,
        });
        try
        {
            var node = new StoreNode(options, MakePlan(options, storage.Formation), disk, storage, network);
            node.Formed = node.WatchFormationAsync();
            node._formation.Start();
            return node;
        }
        catch
        {
            await storage.DisposeAsync();
            throw;
        }
    }

    private Replica[] TakeAwake(bool all)
    {
        lock (_lock)
        {
            if (all) return [.. _replicas.Values.Where(replica => replica.StopReason is null)];
            return _awake ??= [.. _replicas.Values.Where(replica => !replica.IsAsleep)];
        }
    }

    private void StopReplicas(string reason)
    {
        foreach (Replica replica in Replicas) replica.Stop(reason);
    }

    private async Task WatchFormationAsync()
    {
        FormationRecord record = await _formation.Formed;
        _links = new PeerLinks(record, Name, Network, Logger);
        _ranges = new RangeMap(record.Groups);
        _record = record;
        _liveness = new LivenessSender(record, Name, Network, NextRandom(), _options.Replica.HeartbeatInterval);
    }

    private static FormationPlan MakePlan(StoreNodeOptions options, ReadOnlyMemory<byte>? formation)
    {
        IReadOnlyList<byte[]>? splitKeys = options.SplitKeys
            ?? (options.Groups is { } groups ? FormationPlan.EvenSplitKeys(groups) : null);
        if (splitKeys is null && formation is { } bytes)
        {
            FormationRecord record = FormationRecord.Decode(bytes);
            return new FormationPlan([.. options.Nodes.Order()], record.Groups, record.Limits);
        }
        return FormationPlan.Create(options.Nodes, splitKeys
            ?? FormationPlan.EvenSplitKeys(StoreNodeOptions.DefaultGroups), options.Limits, options.ReplicationFactor);
    }
}
