using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>
/// The node's log, shared by all its groups. Any thread queues; one turn at a time on the scheduler takes all that is
/// queued and writes it as one batch: one write, one flush, everyone completed, next.
/// </summary>
internal sealed partial class WriteAheadLog
{
    private readonly NodeStorageOptions _options;
    private readonly FaultPoints _faults;
    private readonly string _description;
    private readonly ActivityGate _gate;
    private readonly SnapshotStore _snapshots;
    private readonly SegmentSupply _supply;
    private readonly LogBuffer _batch;
    private readonly StoreId _store;

    // Guarded by the lock.
    private readonly Lock _lock = new();
    private readonly ReplicaRegister<ReplicaStorage> _replicas;
    private readonly SortedSet<GroupId> _knownGroups;
    private readonly List<LogRequest> _queue = [];
    private bool _turnRunning;
    private bool _closed;
    private bool _formationTaken;

    // Belong to the turn.
    private readonly SortedDictionary<GroupId, GroupLog> _groups;
    private readonly List<LogSegment> _segments;
    private readonly Queue<LogRequest> _pending = new();
    private readonly List<LogRequest> _inFlight = [];
    private readonly List<LogSegment> _released = [];
    private LogSegment? _formationSegment;
    private ReadOnlyMemory<byte>? _formation;
    private ulong _nextSequence;
    private long _liveBytes;

    // Written by the turn, read from any thread.
    private volatile Exception? _failure;
    private volatile object? _durableFormation;
    private long _batchStarted;
    private long _publishedLogBytes;
    private long _publishedLiveBytes;

    public WriteAheadLog(
        IDisk disk, StoreId store, NodeStorageOptions options, RecoveredLog recovered, SnapshotStore snapshots,
        ActivityGate gate)
    {
        _options = options;
        _faults = options.Faults;
        _replicas = new ReplicaRegister<ReplicaStorage>(options.Faults);
        _description = disk.Description;
        _gate = gate;
        _snapshots = snapshots;
        _supply = new SegmentSupply(disk, store, options.SegmentBytes, gate);
        if (recovered.Prepared is not null) _supply.Adopt(recovered.Prepared);
        _store = store;
        _batch = new LogBuffer(LogFormat.Seed(store));
        _batch.Follow(recovered.LastPage);
        _groups = recovered.Groups;
        _knownGroups = [.. recovered.Groups.Keys];
        _segments = recovered.Segments;
        _nextSequence = recovered.NextSequence;
        foreach (GroupLog group in _groups.Values)
        {
            _liveBytes += group.LiveBytes;
            _replicas.Recover(group.Group, group.Meta.Replica, group.Meta.Removed);
        }
        if (recovered.Formation is not null) TakeFormation(recovered.Formation, recovered.FormationSegment!);
        _durableFormation = _formation;
        _formationTaken = _formation is not null;
        PublishSizes();
    }

    /// <summary>What is durably recorded; null if nothing is.</summary>
    public ReadOnlyMemory<byte>? Formation => (ReadOnlyMemory<byte>?)_durableFormation;

    public Exception? Failure => _failure;

    public long LogBytes => Interlocked.Read(ref _publishedLogBytes) + _supply.DeletingBytes;

    public long LiveBytes => Interlocked.Read(ref _publishedLiveBytes);

    /// <summary>How long the batch under way has taken; zero if none is.</summary>
    public TimeSpan StalledFor => Interlocked.Read(ref _batchStarted) is not 0 and var started
        ? _options.Time.GetElapsedTime(started - 1)
        : TimeSpan.Zero;

    public IReadOnlyList<GroupId> Groups
    {
        get
        {
            lock (_lock) return [.. _knownGroups];
        }
    }

    private LogSegment Head => _segments[^1];

    /// <summary>The replica of a group that has its state here, and the highest that was removed.</summary>
    public (ReplicaId Replica, ReplicaId Removed) IdentityOf(GroupId group)
    {
        lock (_lock) return _replicas.IdentityOf(group);
    }

    /// <summary>Fences the handle before, then queues the opening behind everything that one wrote.</summary>
    public async ValueTask<ReplicaStorage> OpenReplicaAsync(GroupId group, ReplicaId id)
    {
        if (id.IsNone) throw new ArgumentException("A replica's id must not be 0.", nameof(id));
        var replica = new ReplicaStorage(group, id, this, _snapshots);
        var completion = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Enqueue(new LogRequest(LogRequestKind.Open, replica, Completion: completion), () => _replicas.Open(replica));
        await completion.Task;
        return replica;
    }

    public async ValueTask WriteFormationAsync(ReadOnlyMemory<byte> formation)
    {
        var completion = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Enqueue(new LogRequest(LogRequestKind.Formation, Formation: formation.ToArray(), Completion: completion), () =>
        {
            if (_formationTaken)
                throw new InvalidOperationException("A formation is recorded here already; a cluster forms once.");
            _formationTaken = true;
        });
        await completion.Task;
    }

    /// <summary>A later form of what <see cref="WriteFormationAsync"/> recorded.</summary>
    public async ValueTask RewriteFormationAsync(ReadOnlyMemory<byte> formation)
    {
        var completion = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Enqueue(new LogRequest(LogRequestKind.Formation, Formation: formation.ToArray(), Completion: completion), () =>
        {
            if (!_formationTaken) throw new InvalidOperationException("No formation is recorded here yet.");
        });
        await completion.Task;
    }

    /// <summary>Fences the handle, then queues the removal behind everything that one wrote.</summary>
    public async ValueTask RetireReplicaAsync(GroupId group, ReplicaId id)
    {
        if (id.IsNone) throw new ArgumentException("A replica's id must not be 0.", nameof(id));
        var completion = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Enqueue(new LogRequest(LogRequestKind.Retire, Retired: (group, id), Completion: completion),
            () => _replicas.Retire(group, id));
        await completion.Task;
    }

    public async ValueTask RecordSnapshotAsync(ReplicaStorage replica, SnapshotFile file)
    {
        var completion = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var request = new LogRequest(LogRequestKind.RecordSnapshot, replica, Snapshot: file, Completion: completion);
        Enqueue(request, replica.ThrowIfNotCurrent);
        await completion.Task;
    }

    public void Submit(ReplicaStorage replica, PersistRequest persist, SnapshotFile? snapshot,
        IPersistenceObserver observer)
    {
        bool start;
        lock (_lock)
        {
            if (_closed || replica.IsFenced) return;
            replica.TakeNumber(persist.Number, observer);
            _queue.Add(new LogRequest(LogRequestKind.Persist, replica, persist, observer, snapshot));
            start = !_turnRunning;
            _turnRunning = true;
        }
        if (start) StartTurn();
    }

    /// <summary>Completes when all that was queued is durable, or the storage failed.</summary>
    public async ValueTask DrainAsync()
    {
        if (_failure is not null) return;
        var completion = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            Enqueue(new LogRequest(LogRequestKind.Drain, Completion: completion), () => { });
            await completion.Task;
            await _supply.SettleAsync();
        }
        catch (Exception) when (_failure is not null || _closed)
        {
            // Everyone concerned was told; closing goes on.
        }
    }

    /// <summary>Drops what is queued and fences every handle; nothing is queued any more.</summary>
    public void Close()
    {
        List<LogRequest> dropped;
        lock (_lock)
        {
            _closed = true;
            foreach (ReplicaStorage handle in _replicas.Handles) handle.Fence();
            dropped = [.. _queue];
            _queue.Clear();
        }
        foreach (LogRequest request in dropped) Abandon(request);
    }

    /// <summary>To be called when nothing is under way any more.</summary>
    public async ValueTask CloseFilesAsync()
    {
        foreach (LogRequest request in _pending) Abandon(request);
        foreach (LogRequest request in _inFlight) Abandon(request);
        foreach (LogSegment segment in _segments) await segment.File.DisposeAsync();
        foreach (LogSegment segment in _released) await segment.File.DisposeAsync();
        await _supply.CloseFilesAsync();
    }

    private static void Abandon(in LogRequest request) => request.Completion?.TrySetException(
        new FencedException("The storage was closed or crashed before this was durable; its outcome is unknown."));

    /// <param name="check">Runs under the lock; may refuse by throwing.</param>
    private void Enqueue(in LogRequest request, Action check)
    {
        bool start;
        lock (_lock)
        {
            if (_failure is { } failure) throw failure;
            if (_closed) throw new FencedException("The storage was closed or crashed; open it again.");
            check();
            _queue.Add(request);
            start = !_turnRunning;
            _turnRunning = true;
        }
        if (start) StartTurn();
    }

    private void StartTurn() => Task.Factory.StartNew(
        RunTurnAsync, CancellationToken.None, TaskCreationOptions.DenyChildAttach, _options.Scheduler);

    private void TakeFormation(ReadOnlyMemory<byte> formation, LogSegment segment)
    {
        if (_formationSegment is null) _liveBytes += LogFormat.FormationHeaderBytes;
        else _formationSegment.Pins--;
        _liveBytes += formation.Length - (_formation?.Length ?? 0);
        _formation = formation;
        _formationSegment = segment;
        segment.Pins++;
    }

    private void PublishSizes()
    {
        long bytes = FileBytes;
        foreach (LogSegment segment in _released) bytes += segment.LengthBytes;
        Interlocked.Exchange(ref _publishedLogBytes, bytes);
        Interlocked.Exchange(ref _publishedLiveBytes, _liveBytes);
    }
}
