using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>
/// What all groups of the slot write. Any thread queues; one turn at a time on the scheduler takes all that is queued
/// and flushes it as one transaction: one round trip, everyone completed, next.
/// </summary>
internal sealed partial class FlushQueue
{
    private readonly SlotSession _session;
    private readonly DatabaseStorageOptions _options;
    private readonly SnapshotTable _snapshots;

    // Guarded by the lock.
    private readonly Lock _lock = new();
    private readonly ReplicaRegister<DatabaseReplica> _replicas = new();
    private readonly SortedSet<GroupId> _knownGroups;
    private readonly List<QueueRequest> _queue = [];
    private readonly TaskCompletionSource _quiet = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _turnRunning;
    private bool _formationTaken;

    // Belong to the turn.
    private readonly SortedDictionary<GroupId, GroupRows> _groups;
    private readonly Queue<QueueRequest> _pending = new();
    private readonly List<QueueRequest> _inFlight = [];
    private readonly SortedDictionary<GroupId, GroupRows> _changed = [];
    private FormationRow? _formation;
    private bool _formationChanged;
    private ulong _lastFlush;

    // Written by the turn, read from any thread.
    private volatile object? _durableFormation;
    private long _liveBytes;

    public FlushQueue(SlotSession session, SlotContent content, SortedDictionary<GroupId, GroupRows> groups,
        SnapshotTable snapshots)
    {
        _session = session;
        _options = session.Options;
        _snapshots = snapshots;
        Stall = new Stall(_options.Time);
        _groups = groups;
        _knownGroups = [.. groups.Keys];
        foreach (GroupRows group in groups.Values) _replicas.Recover(group.Group, group.Row.Replica, group.Row.Removed);
        _formation = content.Formation;
        _durableFormation = _formation;
        _formationTaken = _formation is not null;
        _lastFlush = content.LastFlush;
        _liveBytes = groups.Values.Sum(group => group.TakeGrowth());
    }

    /// <summary>What is durably recorded; null if nothing is.</summary>
    public ReadOnlyMemory<byte>? Formation => ((FormationRow?)_durableFormation)?.Data;

    /// <summary>How long the flush under way has taken.</summary>
    public Stall Stall { get; }

    public long LiveBytes => Interlocked.Read(ref _liveBytes);

    public IReadOnlyList<GroupId> Groups
    {
        get
        {
            lock (_lock) return [.. _knownGroups];
        }
    }

    /// <summary>The replica of a group that has its state here, and the highest that was removed.</summary>
    public (ReplicaId Replica, ReplicaId Removed) IdentityOf(GroupId group)
    {
        lock (_lock) return _replicas.IdentityOf(group);
    }

    /// <summary>Fences the handle before, then queues the opening behind everything that one wrote.</summary>
    public async ValueTask<DatabaseReplica> OpenReplicaAsync(GroupId group, ReplicaId id)
    {
        if (id.IsNone) throw new ArgumentException("A replica's id must not be 0.", nameof(id));
        var replica = new DatabaseReplica(group, id, this, _snapshots);
        await EnqueueAsync(new QueueRequest(QueueRequestKind.Open, replica), () => _replicas.Open(replica));
        return replica;
    }

    public ValueTask WriteFormationAsync(ReadOnlyMemory<byte> formation) =>
        EnqueueAsync(new QueueRequest(QueueRequestKind.Formation, Formation: formation.ToArray()), () =>
        {
            if (_formationTaken)
                throw new InvalidOperationException("A formation is recorded here already; a cluster forms once.");
            _formationTaken = true;
        });

    /// <summary>A later form of what <see cref="WriteFormationAsync"/> recorded.</summary>
    public ValueTask RewriteFormationAsync(ReadOnlyMemory<byte> formation) =>
        EnqueueAsync(new QueueRequest(QueueRequestKind.Formation, Formation: formation.ToArray()), () =>
        {
            if (!_formationTaken) throw new InvalidOperationException("No formation is recorded here yet.");
        });

    /// <summary>Fences the handle, then queues the removal behind everything that one wrote.</summary>
    public ValueTask RetireReplicaAsync(GroupId group, ReplicaId id)
    {
        if (id.IsNone) throw new ArgumentException("A replica's id must not be 0.", nameof(id));
        return EnqueueAsync(new QueueRequest(QueueRequestKind.Retire, Retired: (group, id)),
            () => _replicas.Retire(group, id));
    }

    public ValueTask RecordSnapshotAsync(DatabaseReplica replica, StoredSnapshot snapshot) => EnqueueAsync(
        new QueueRequest(QueueRequestKind.RecordSnapshot, replica, Snapshot: snapshot), replica.ThrowIfNotCurrent);

    /// <summary>Completes when all that was queued is durable.</summary>
    public ValueTask DrainAsync() => EnqueueAsync(new QueueRequest(QueueRequestKind.Drain), () => { });

    public void Submit(DatabaseReplica replica, PersistRequest persist, StoredSnapshot? snapshot,
        IPersistenceObserver observer)
    {
        bool start;
        lock (_lock)
        {
            if (_session.Ended is FencedException || replica.IsFenced) return;
            replica.TakeNumber(persist.Number, observer);
            start = Add(new QueueRequest(QueueRequestKind.Persist, replica, persist, observer, snapshot));
        }
        if (start) StartTurn();
    }

    /// <summary>To be told once the session has ended: no handle is of use any more.</summary>
    public void OnEnd(Exception reason)
    {
        DatabaseReplica[] told;
        bool start;
        lock (_lock)
        {
            told = [.. _replicas.Handles];
            foreach (DatabaseReplica handle in told)
            {
                if (reason is FencedException) handle.Fence();
                else handle.Stop(reason);
            }
            start = !_turnRunning;
            _turnRunning = true; // To refuse what is queued.
            _gathered?.TrySetResult();
        }
        if (start) StartTurn();
        if (reason is FencedException) return; // As if nobody were there any more.
        foreach (DatabaseReplica handle in told) handle.Tell(handle.Observer, reason, _options.Logger);
    }

    /// <summary>Completes once the session has ended and no turn runs any more.</summary>
    public Task QuietAsync() => _quiet.Task;

    /// <param name="check">Runs under the lock; may refuse by throwing.</param>
    private async ValueTask EnqueueAsync(QueueRequest request, Action check)
    {
        var completion = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        bool start;
        lock (_lock)
        {
            _session.ThrowIfEnded();
            check();
            start = Add(request with { Completion = completion });
        }
        if (start) StartTurn();
        await completion.Task;
    }

    /// <summary>Under the lock. True if a turn is to be started.</summary>
    private bool Add(in QueueRequest request)
    {
        _queue.Add(request);
        NoteQueued(request);
        bool start = !_turnRunning;
        _turnRunning = true;
        return start;
    }

    private void StartTurn() => Task.Factory.StartNew(
        RunTurnAsync, CancellationToken.None, TaskCreationOptions.DenyChildAttach, _options.Scheduler);
}
