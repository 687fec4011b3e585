using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// One replica of one group: drives a <see cref="RaftNode"/>, its storage and its state machine. Everything that
/// happens to it lands in an inbox; one turn at a time, on the injected scheduler, empties it. Any thread may call the
/// public members.
/// </summary>
/// <remarks>
/// Invariant: only the turn touches the node, the state and the lists beside them; asynchronous work (snapshot files)
/// touches only what it was given and reports through the inbox.
/// </remarks>
public sealed partial class Replica : IPersistenceObserver, INodeWatcher
{
    private readonly StoreNode _host;
    private readonly IReplicaStorage _storage;
    private readonly RaftNode _node;
    private readonly TaskScheduler _scheduler;
    private readonly ReplicaOptions _options;
    private readonly ILogger _logger;
    private readonly FaultPoints _faults;

    private readonly Lock _inboxLock = new();
    private List<ReplicaInput> _inbox = [];
    private List<ReplicaInput> _turnInputs = [];
    private bool _turnScheduled;
    private int _pendingRequests;
    private long _pendingBytes;
    private long _inboxBytes;
    private long _droppedMessages;

    private GroupState _state;
    private Configuration _configuration;
    private readonly Dictionary<ReplicaId, NodeName> _formerNodes = [];
    private Role _lastRole;
    private Term _lastTerm;
    private ReplicaId _lastLeader;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string? _stopReason;
    private volatile bool _failed;
    private volatile ReplicaSummary _summary;

    private Replica(StoreNode host, IReplicaStorage storage, RaftNode node, GroupState state, TaskScheduler scheduler)
    {
        _host = host;
        _storage = storage;
        _node = node;
        _state = state;
        _scheduler = scheduler;
        _options = host.ReplicaOptions;
        _logger = host.Logger;
        _faults = host.Faults;
        _snapshotLengthBytes = storage.Snapshot?.LengthBytes ?? 0;
        // Groups that are written alike would else all take their snapshots at the same moment, on all nodes.
        _logBytesAtSnapshot = -(long)(host.NextRandom() % (ulong)host.ReplicaOptions.SnapshotLogBytes);
        _lastTerm = node.Term;
        _configuration = node.Configuration;
        _askAt = host.Now + 2 * host.ReplicaOptions.ElectionTimeout;
        _summary = Summarize();
        TellRange();
    }

    public GroupId Group => _storage.Group;

    public ReplicaId Id => _node.Id;

    /// <summary>For checks; to be touched only while no turn runs.</summary>
    internal RaftNode Core => _node;

    /// <summary>For checks; to be touched only while no turn runs.</summary>
    internal GroupState State => _state;

    /// <summary>For checks: as long as it does not grow, nothing here has changed.</summary>
    internal long Turns { get; private set; }

    /// <summary>See <see cref="IReplicaStorage.Incarnation"/>.</summary>
    public ulong Incarnation => _storage.Incarnation;

    /// <summary>Why it stopped for good; null while it works.</summary>
    public string? StopReason => _stopReason;

    /// <summary>Completes when it has stopped for good.</summary>
    public Task Stopped => _stopped.Task;

    /// <summary>The range and replicas it believes its group to have; none while it waits for its first
    /// snapshot.</summary>
    public GroupDescriptor Descriptor => _summary.Descriptor;

    /// <summary>Estimated heap bytes of its keys and values.</summary>
    public long MemoryBytes => _summary.MemoryBytes;

    /// <summary>Bytes of its keys and values, exactly.</summary>
    public long KeyValueBytes => _summary.KeyValueBytes;

    /// <summary>Payload bytes of the log entries it keeps in memory.</summary>
    internal long LogBytes => _summary.LogBytes;

    /// <summary>It has no state, and nothing that was ever acknowledged waits for one.</summary>
    internal bool HoldsNothing => Descriptor.IsUnknown && !_awaitsBase;

    /// <summary>Messages its core refused, or whose sender was on another node than it said.</summary>
    public long RefusedMessages => _summary.RefusedMessages;

    /// <summary>Messages dropped because they came faster than its turns could take them.</summary>
    public long DroppedMessages => Interlocked.Read(ref _droppedMessages);

    /// <summary>The node its core believes to lead; null if unknown.</summary>
    public NodeName? Leader => _summary.Leader;

    public ReplicaStatus Status
    {
        get
        {
            ReplicaSummary summary = _summary;
            string role = _failed ? "failed" : _stopReason is not null ? "stopped" : summary.Role switch
            {
                Role.Leader => "leader",
                Role.Candidate => "candidate",
                Role.PreCandidate => "pre-candidate",
                _ => "follower",
            };
            return new ReplicaStatus(Group, _host.Name, role, summary.Term, summary.Commit, summary.Applied, _failed
                ? _stopReason
                : null);
        }
    }

    /// <summary>
    /// Opens the replica's storage, fencing any older instance, and rebuilds its state from snapshot and log. It takes
    /// part as soon as it is ticked.
    /// </summary>
    /// <exception cref="ReplicaRefusedException">It was removed from this node.</exception>
    internal static async Task<Replica> OpenAsync(StoreNode host, OwnReplica own, TaskScheduler scheduler)
    {
        IReplicaStorage storage = await host.Storage.OpenReplicaAsync(own.Group, own.Id);
        // It may have been born while its storage was being opened.
        own = host.FindOwn(own.Group) is { } present && present.Id == own.Id ? present : own;
        GroupState state = await MakeStateAsync(host, own, storage);
        if (storage.Recovered.Snapshot is not null) host.ForgetBase(own.Group);
        var options = new RaftOptions
        {
            Id = own.Id,
            Seed = host.NextRandom(),
            BootNonce = host.NextRandom(),
            ElectionTimeout = host.ReplicaOptions.ElectionTimeout,
            HeartbeatInterval = host.ReplicaOptions.HeartbeatInterval,
            LeaseDriftMargin = host.ReplicaOptions.ElectionTimeout / 10,
            Faults = host.Faults,
        };
        RaftState recovered = storage.Recovered.State with { Configuration = state.Descriptor.ToConfiguration() };
        // What it logged follows a base that is not there; the core never gets to work.
        bool awaitsBase = state.Descriptor.IsUnknown && !recovered.Entries.IsEmpty;
        if (awaitsBase) recovered = RaftState.Empty;
        var node = new RaftNode(options, recovered, host.Now);
        var replica = new Replica(host, storage, node, state, scheduler)
        {
            _awaitsBase = awaitsBase,
            _isNewborn = own.Base is not null && storage.Recovered.Snapshot is null,
        };
        if (FirstCampaignAt(host, own, storage.Recovered) is { } time) replica.ExpectToLead(time);
        return replica;
    }

    private static async Task<GroupState> MakeStateAsync(StoreNode host, OwnReplica own, IReplicaStorage storage)
    {
        if (own.Base is { } start
            && (storage.Recovered.Snapshot is null || host.Faults.Has(FaultPoint.SplitReplayResetsChild)))
            return GroupState.From(start, host.Faults);
        if (storage.Recovered.Snapshot is { } file)
            return await SnapshotFiles.LoadAsync(storage, file, host.LimitsOf(own.Group), host.Faults);
        GroupDescriptor descriptor = own.Start ?? GroupDescriptor.Unknown(own.Group);
        return new GroupState(descriptor, host.LimitsOf(own.Group)) { Faults = host.Faults };
    }

    /// <summary>Lets time pass; called by its node, at least a few times per heartbeat interval, unless it is
    /// asleep.</summary>
    public void Tick() => Post(TickInput.Instance);

    /// <summary>Takes a message from a peer, or drops it if too much waits already.</summary>
    /// <param name="sender">The node it came from.</param>
    public void Deliver(ReplicaId from, NodeName sender, RaftMessage message)
    {
        var input = new PeerMessageInput(from, sender, message);
        if (TryPost(input, input.SizeBytes)) return;
        long dropped = Interlocked.Increment(ref _droppedMessages);
        // A flood of messages must not become a flood of log lines: the first, then every thousandth.
        if (dropped % 1000 == 1) ReplicaLog.Dropped(_logger, _host.Name, Group, Id, dropped, _options.MaxInboxBytes);
    }

    /// <summary>Runs a batch; see <see cref="GroupReplyStatus"/> for what the reply promises. Never throws.</summary>
    public Task<GroupReply> ExecuteAsync(GroupRequest request)
    {
        if (request.Kind == RequestKind.Administer) return _host.AdministerAsync(this, request);
        // What it holds may be old, and nobody will bring it up to date.
        if (_host.IsDismissed && Report is null) return Task.FromResult(GroupReply.Of(GroupReplyStatus.Unavailable));
        return EnqueueAsync(request, isOwn: false);
    }

    /// <summary>A write of the node itself, which knows what it does: only its own leader writes the meta
    /// group.</summary>
    internal Task<GroupReply> WriteOwnAsync(ReadOnlyMemory<byte> batch) =>
        EnqueueAsync(new GroupRequest(RequestKind.Write, batch), isOwn: true);

    private Task<GroupReply> EnqueueAsync(GroupRequest request, bool isOwn)
    {
        int requests = Interlocked.Increment(ref _pendingRequests);
        long bytes = Interlocked.Add(ref _pendingBytes, request.Batch.Length);
        if (requests > _options.MaxPendingRequests || (requests > 1 && bytes > _options.MaxPendingBytes))
        {
            ReleasePending(request);
            _host.Counters.Add(StoreCount.BusyRequests, 1);
            return Task.FromResult(GroupReply.Of(GroupReplyStatus.Busy));
        }
        var input = new RequestInput(request, isOwn);
        Post(input);
        return input.Reply;
    }

    /// <summary>
    /// A checksum of all the state and the entry it covers: replicas that applied the same entries have the same. Reads
    /// everything within one turn: for checks, not for every day. Null if the replica stopped.
    /// </summary>
    public Task<StateDigest?> DigestAsync() => AskAsync<StateDigest>(static replica =>
        new StateDigest(replica._state.LastApplied, replica._state.Snapshot().Digest()));

    private Task<T?> AskAsync<T>(Func<Replica, T?> question)
        where T : struct
    {
        var input = new QuestionInput<T>(question);
        Post(input);
        return input.Result;
    }

    /// <summary>
    /// Asks the replica to hand its group's leadership to the one on <paramref name="target"/>. That takes one
    /// election; until it is over, but not longer than an election timeout, writes are answered Busy. <see cref="Leader"/> and
    /// <see cref="Status"/> tell what became of it. Never throws.
    /// </summary>
    public Task<TransferStatus> TransferLeadershipAsync(NodeName target)
    {
        var input = new TransferInput(target);
        Post(input);
        return input.Result;
    }

    /// <summary>Stops for good: pending writes are answered Unknown, everything else Unavailable. Nothing durable
    /// changes.</summary>
    public void Stop(string reason) => Post(new ContinuationInput(replica => replica.Halt(reason, failed: false)));

    void IPersistenceObserver.Persisted(ulong number) => Post(new PersistedInput(number));

    void INodeWatcher.NodeChanged() => Post(NodeChangedInput.Instance);

    void IPersistenceObserver.StorageFailed(Exception failure) => Post(new StorageFailedInput(failure));

    internal void Post(ReplicaInput input) => TryPost(input, 0);

    /// <summary>False, and nothing happens, if that many bytes more would exceed the inbox.</summary>
    private bool TryPost(ReplicaInput input, long bytes)
    {
        lock (_inboxLock)
        {
            if (bytes > 0 && _inboxBytes > 0 && _inboxBytes + bytes > _options.MaxInboxBytes) return false;
            _inboxBytes += bytes;
            _inbox.Add(input);
            if (_turnScheduled) return true;
            _turnScheduled = true;
        }
        ScheduleTurn();
        return true;
    }

    private void ScheduleTurn() => Task.Factory.StartNew(static replica => ((Replica)replica!).RunTurn(), this,
        CancellationToken.None, TaskCreationOptions.DenyChildAttach | TaskCreationOptions.PreferFairness, _scheduler);

    private void RunTurn()
    {
        lock (_inboxLock)
        {
            (_inbox, _turnInputs) = (_turnInputs, _inbox);
            _inboxBytes = 0;
        }
        int done = 0;
        try
        {
            StopIfNotCurrent();
            _node.MayFallSilent = _options.SilenceAfter is not null && IsIdle;
            for (; done < _turnInputs.Count && _stopReason is null; done++) _turnInputs[done].Apply(this);
            if (_stopReason is null)
            {
                RequestReadIndex();
                DrainNode();
            }
        }
        // Whatever went wrong, this replica must not go on: it stops, says so, and the node's other replicas live.
#pragma warning disable CA1031
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Halt(failure.Message, failed: true, failure);
        }
        // Nothing of a stopped replica's inbox was proposed.
        for (; done < _turnInputs.Count; done++) _turnInputs[done].Abandon(this);
        _turnInputs.Clear();
        Turns++;
        ReplicaSummary before = _summary;
        _summary = Summarize();
        CountTurn(before, _summary);
        TellRange();
        UpdateReport();
        NoteLogBytes();
        NoteSilence();
        lock (_inboxLock)
        {
            if (_inbox.Count == 0)
            {
                _turnScheduled = false;
                return;
            }
        }
        ScheduleTurn();
    }

    /// <summary>A fenced replica does nothing any more, not even for those who only wait.</summary>
    private void StopIfNotCurrent()
    {
        if (_stopReason is not null || _storage.IsCurrent) return;
        if (_host.Storage.Status.Failure is { } failure)
            Halt($"its storage failed: {failure.Message}", failed: true, failure);
        else Halt("another instance of this replica was opened, or its node stops", failed: false);
    }

    private void Halt(string reason, bool failed, Exception? failure = null)
    {
        if (_stopReason is not null) return;
        _failed = failed;
        _stopReason = reason;
        // That another silo has taken over a slot is what slots are for.
        LogLevel level = failure is FencedException ? LogLevel.Warning : LogLevel.Critical;
        if (failed) ReplicaLog.Failed(_logger, level, failure, _host.Name, Group, Id, _node.Term, reason);
        AbandonWrites();
        AbandonReads();
        StopSnapshotWork();
        _stopped.TrySetResult();
    }

    internal void Answer(RequestInput request, GroupReply reply)
    {
        if (request.TryComplete(reply)) ReleasePending(request.Request);
    }

    private void ReleasePending(in GroupRequest request)
    {
        Interlocked.Decrement(ref _pendingRequests);
        Interlocked.Add(ref _pendingBytes, -request.Batch.Length);
    }

    private ReplicaSummary Summarize() =>
        new(_node.Role, _node.Term, _node.CommitIndex, _node.LastApplied, NodeOf(_node.Leader),
        _state.Descriptor, _state.MemoryBytes, _state.KeyValueBytes, _node.LogBytes, _node.RefusedMessages + _misplaced,
        _state.Merges);

    /// <summary>The replica on a node that may lead: no learner, and none that is leaving.</summary>
    private ReplicaId? ReplicaOn(NodeName node)
    {
        foreach (Member voter in _node.Configuration.Voters)
            if (voter.Node == node) return voter.Id;
        return null;
    }

    /// <summary>By the configuration in force; one that it leaves out is still told so.</summary>
    private NodeName? NodeOf(ReplicaId replica)
    {
        if (_node.Configuration.TryFind(replica, out Member member)) return member.Node;
        if (_formerNodes.TryGetValue(replica, out NodeName former)) return former;
        return null;
    }

    private void NoteConfiguration(ConfigurationInForce change)
    {
        foreach (Member member in _configuration.Members) _formerNodes[member.Id] = member.Node;
        _configuration = change.Configuration;
        _strangers.Clear();
        ReplicaLog.ConfigurationChanged(_logger, _host.Name, Group, Id, change.Configuration, change.Index,
            change.IsCommitted ? "committed" : "not committed");
    }

    private sealed record ReplicaSummary(Role Role, Term Term, LogIndex Commit, LogIndex Applied, NodeName? Leader,
        GroupDescriptor Descriptor, long MemoryBytes, long KeyValueBytes, long LogBytes, long RefusedMessages,
        MergeState Merges);
}

/// <summary>What <see cref="Replica.DigestAsync"/> found.</summary>
public readonly record struct StateDigest(EntryId LastApplied, uint Checksum);

internal static partial class ReplicaLog
{
    [LoggerMessage(20, LogLevel.Information, "{Node} {Group} {Replica}: {Role} in {Term} at {Index}, leader {Leader}")]
    public static partial void RoleChanged(ILogger logger, NodeName node, GroupId group, ReplicaId replica, Role role,
        Term term, LogIndex index, ReplicaId leader);

    [LoggerMessage(29, LogLevel.Information, "{Node} {Group} {Replica}: {Configuration} at {Index}, {State}")]
    public static partial void ConfigurationChanged(ILogger logger, NodeName node, GroupId group, ReplicaId replica,
        Configuration configuration, LogIndex index, string state);

    [LoggerMessage(30, LogLevel.Information, "{Node} {Group} {Replica}: leaving its group for good: {Why}")]
    public static partial void Leaving(ILogger logger, NodeName node, GroupId group, ReplicaId replica, string why);

    [LoggerMessage(EventId = 21, Message = "{Node} {Group} {Replica}: stopped in {Term}: {Reason}")]
    public static partial void Failed(ILogger logger, LogLevel level, Exception? failure, NodeName node, GroupId group,
        ReplicaId replica, Term term, string reason);

    [LoggerMessage(22, LogLevel.Warning, "{Node} {Group} {Replica}: {Stall}; giving up leadership, callers get Busy")]
    public static partial void Stalled(ILogger logger, NodeName node, GroupId group, ReplicaId replica, string stall);

    [LoggerMessage(23, LogLevel.Information, "{Node} {Group} {Replica}: snapshot at {Last}, {Bytes} bytes")]
    public static partial void SnapshotTaken(ILogger logger, NodeName node, GroupId group, ReplicaId replica,
        EntryId last, long bytes);

    [LoggerMessage(24, LogLevel.Information, "{Node} {Group} {Replica}: sending snapshot {Last} to {To}")]
    public static partial void SendingSnapshot(ILogger logger, NodeName node, GroupId group, ReplicaId replica,
        EntryId last, ReplicaId to);

    [LoggerMessage(25, LogLevel.Warning, "{Node} {Group} {Replica}: snapshot work ended early: {Reason}")]
    public static partial void SnapshotEnded(ILogger logger, NodeName node, GroupId group, ReplicaId replica,
        string reason);

    [LoggerMessage(27, LogLevel.Error,
        "{Node} {Group} {Replica}: no snapshot at {Last}: {Problem}; next try in {Wait}: {Reason}")]
    public static partial void SnapshotNotWritten(ILogger logger, NodeName node, GroupId group, ReplicaId replica,
        EntryId last, string problem, TimeSpan wait, string reason);

    [LoggerMessage(28, LogLevel.Warning,
        "{Node} {Group} {Replica}: {Count} messages of peers dropped so far: more than {Bound} bytes of them waited")]
    public static partial void Dropped(ILogger logger, NodeName node, GroupId group, ReplicaId replica, long count,
        long bound);

    [LoggerMessage(49, LogLevel.Information, "{Node} {Group} {Replica}: split at {Index} into {Left} and {Right}")]
    public static partial void Split(ILogger logger, NodeName node, GroupId group, ReplicaId replica, LogIndex index,
        GroupDescriptor left, GroupDescriptor right);

    [LoggerMessage(56, LogLevel.Information,
        "{Node} {Group} {Replica}: frozen at {Index}: in {Merge}, {Target} is to take it over")]
    public static partial void Frozen(ILogger logger, NodeName node, GroupId group, ReplicaId replica, LogIndex index,
        MergeId merge, GroupId target);

    [LoggerMessage(57, LogLevel.Information, "{Node} {Group} {Replica}: {Merge} at {Index}: {Outcome}; now {Descriptor}")]
    public static partial void MergeEnded(ILogger logger, NodeName node, GroupId group, ReplicaId replica, LogIndex index,
        MergeId merge, MergeOutcome outcome, GroupDescriptor descriptor);

    [LoggerMessage(26, LogLevel.Information, "{Node} {Group} {Replica}: installed snapshot {Last}")]
    public static partial void SnapshotInstalled(ILogger logger, NodeName node, GroupId group, ReplicaId replica,
        EntryId last);
}
