using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// The client of the store: checks arguments, routes by key, joins calls of a group into batches, repeats what got no
/// answer in one session per group, and ends every call by its deadline. May be used by any number of callers at once;
/// one per process is enough.
/// </summary>
public sealed partial class KvClient : IKeyValueStore, IAsyncDisposable
{
    private const string RangeMoved = "the group asked does not own the keys any more";

    private static readonly TimeSpan SweepPeriod = TimeSpan.FromMilliseconds(50);

    private readonly TimeProvider _time;
    private readonly long _startTimestamp;
    private readonly ITimer _sweeper;
    private readonly Lock _lock = new();
    private readonly Dictionary<(GroupId Group, RequestKind Kind), GroupLane> _lanes = [];
    private SplitMix64 _random;
    private volatile StoreRoutes? _routes;
    private int _queued;
    private volatile bool _disposed;

    /// <param name="scheduler">Where the client's own work runs.</param>
    /// <param name="seed">Seeds the jitter of retries.</param>
    /// <exception cref="ArgumentException">The options are invalid; the message lists every problem.</exception>
    public KvClient(IStoreConnection connection, TimeProvider time, TaskScheduler scheduler, KvClientOptions options,
        ulong seed)
    {
        IReadOnlyList<string> problems = options.Validate();
        if (problems.Count > 0) throw new ArgumentException(string.Join(" ", problems), nameof(options));
        Connection = connection;
        Scheduler = scheduler;
        Options = options;
        _time = time;
        _startTimestamp = time.GetTimestamp();
        _random = new SplitMix64(seed);
        if (connection.IsRemote) Convoy = new Convoy(time);
        _sweeper = time.CreateTimer(static client => ((KvClient)client!).Sweep(), this, SweepPeriod, SweepPeriod);
    }

    public KvClientOptions Options { get; }

    internal IStoreConnection Connection { get; }

    internal TaskScheduler Scheduler { get; }

    /// <summary>Null: batches of several groups leave as they like.</summary>
    internal Convoy? Convoy { get; }

    internal StoreLimits Limits => _routes!.Limits;

    /// <summary>The map as this client knows it; null before anyone told.</summary>
    internal RangeMap? Ranges => _routes?.Ranges;

    internal TimeSpan Now => _time.GetElapsedTime(_startTimestamp);

    public Task PutAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default)
    {
        // The call made most often is its operation's task: no state machine of its own.
        return _routes is { } routes
            ? Put(routes, NextDeadline(), key, value, family, cancellationToken)
            : PutFirstAsync(Copy(key), Copy(value), family, cancellationToken);
    }

    private async Task PutFirstAsync(
        ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, ColumnFamily family, CancellationToken cancellationToken)
    {
        TimeSpan deadline = NextDeadline();
        await Put(await LoadRoutesAsync(deadline, cancellationToken), deadline, key, value, family, cancellationToken);
    }

    private Task Put(StoreRoutes routes, TimeSpan deadline, ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value,
        ColumnFamily family, CancellationToken cancellationToken)
    {
        try
        {
            Arguments.CheckKey(key, family, routes.Limits);
            Arguments.CheckValue(value, routes.Limits);
            return Write(routes, deadline, key, Operation.Put(family, key.Span, value.Span), AnswerStatus.Ok, cancellationToken);
        }
        catch (Exception refused) when (refused is KeyValueException or ObjectDisposedException)
        {
            return Task.FromException(refused);
        }
        catch (OperationCanceledException)
        {
            return Task.FromCanceled(cancellationToken);
        }
    }

    public async Task AppendAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> suffix,
        ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default)
    {
        TimeSpan deadline = NextDeadline();
        if (_routes is null) (key, suffix) = (Copy(key), Copy(suffix));
        StoreRoutes routes = _routes ?? await LoadRoutesAsync(deadline, cancellationToken);
        Arguments.CheckKey(key, family, routes.Limits);
        Arguments.CheckValue(suffix, routes.Limits);
        byte[] operation = Operation.Append(family, key.Span, suffix.Span);
        OperationAnswer answer = await Write(routes, deadline, key, operation, expected: null, cancellationToken);
        if (answer.Status == AnswerStatus.ValueTooLarge)
            throw new ValueLimitException($"The value would grow beyond {routes.Limits.MaxValueBytes} bytes; nothing "
                + "was appended.");
        Require(answer, AnswerStatus.Ok);
    }

    public async Task DeleteAsync(ReadOnlyMemory<byte> key, ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default)
    {
        TimeSpan deadline = NextDeadline();
        if (_routes is null) key = Copy(key);
        StoreRoutes routes = _routes ?? await LoadRoutesAsync(deadline, cancellationToken);
        Arguments.CheckKey(key, family, routes.Limits);
        await Write(routes, deadline, key, Operation.Delete(family, key.Span), AnswerStatus.Ok, cancellationToken);
    }

    public async Task<CompareAndSetResult> CompareAndSetAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? expected,
        ReadOnlyMemory<byte>? replacement, ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default)
    {
        TimeSpan deadline = NextDeadline();
        if (_routes is null) (key, expected, replacement) = (Copy(key), Copy(expected), Copy(replacement));
        StoreRoutes routes = _routes ?? await LoadRoutesAsync(deadline, cancellationToken);
        Arguments.CheckKey(key, family, routes.Limits);
        if (expected is { } old) Arguments.CheckValue(old, routes.Limits);
        if (replacement is { } next) Arguments.CheckValue(next, routes.Limits);
        byte[] operation = Operation.CompareAndSet(family, key.Span, expected?.ToArray(), replacement?.ToArray());
        OperationAnswer answer = await Write(routes, deadline, key, operation, expected: null, cancellationToken);
        if (answer.Status == AnswerStatus.Mismatch) return new CompareAndSetResult(Applied: false, answer.Value);
        Require(answer, AnswerStatus.Ok);
        return new CompareAndSetResult(Applied: true, Current: null);
    }

    public async Task BatchAsync(IReadOnlyList<WriteOperation> operations,
        CancellationToken cancellationToken = default)
    {
        TimeSpan deadline = NextDeadline();
        if (_routes is null)
            operations = [.. operations.Select(static o => o with { Key = Copy(o.Key), Value = Copy(o.Value) })];
        StoreRoutes routes = _routes ?? await LoadRoutesAsync(deadline, cancellationToken);
        if (operations.Count == 0)
            throw new KeyValueArgumentException("BadArgument", "A batch needs at least one write.");
        foreach (WriteOperation operation in operations)
        {
            Arguments.CheckKey(operation.Key, operation.Family, routes.Limits);
            if (operation.Value is { } value) Arguments.CheckValue(value, routes.Limits);
        }
        byte[] encoded = Operation.Batch(operations);
        if (encoded.Length > routes.Limits.MaxBatchBytes)
            throw new KeyValueArgumentException("BatchTooLarge", $"The batch has {encoded.Length} bytes; at most {routes.Limits.MaxBatchBytes} are allowed.");
        if (routes.Ranges.OwnersOf(encoded, routes.Limits).Other is not null)
        {
            // Perhaps they lay in two groups and lie in one now.
            await RefreshRoutesAsync(deadline);
            routes = _routes!;
        }
        if (routes.Ranges.OwnersOf(encoded, routes.Limits) is (var first, { } other)) throw CrossGroup(first, other);
        await Write(routes, deadline, operations[0].Key, encoded, AnswerStatus.Ok, cancellationToken);
    }

    public async Task<ReadOnlyMemory<byte>?> GetAsync(ReadOnlyMemory<byte> key, ReadOptions options = default,
        CancellationToken cancellationToken = default)
    {
        TimeSpan deadline = NextDeadline();
        if (_routes is null) key = Copy(key);
        StoreRoutes routes = _routes ?? await LoadRoutesAsync(deadline, cancellationToken);
        Arguments.CheckKey(key, options.Family, routes.Limits);
        RequestKind kind = KindOf(options.Consistency);
        var read = new ReadBatchWriter();
        read.AddGet(options.Family, key.Span);
        GroupId group = routes.Ranges.Find(key.Span).Group;
        OperationAnswer answer = await Send(group, kind, read.ToArray(), deadline, expected: null, canMove: true, cancellationToken);
        if (answer.Status == AnswerStatus.NotFound) return null;
        Require(answer, AnswerStatus.Value);
        return answer.Value;
    }

    /// <summary>Takes over what somebody told unasked of where groups are.</summary>
    public void Learn(StoreRoutes routes) => Adopt(routes);

    /// <summary>Stops; calls still waiting end as if their deadline had come, and what was sent may still
    /// happen.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        await _sweeper.DisposeAsync();
        Convoy?.Dispose();
        foreach (GroupLane lane in AllLanes()) lane.Sweep(TimeSpan.MaxValue);
    }

    internal Task BackOffAsync(int failures) => BackOffAsync(failures, TimeSpan.MaxValue);

    /// <summary>Asks where groups are, once: for whoever has been refused again and again.</summary>
    internal async Task LookForRoutesAsync()
    {
        if (await GetRoutesAsync(NextDeadline()) is { } fresh) Adopt(fresh);
    }

    private async Task BackOffAsync(int failures, TimeSpan deadline)
    {
        double limit = Math.Min(Options.MaxBackoff.TotalMilliseconds,
            Options.FirstBackoff.TotalMilliseconds * Math.Pow(2, Math.Min(failures, 20)));
        double unit;
        lock (_lock) unit = _random.NextUnit();
        var wait = TimeSpan.FromMilliseconds(limit * (0.5 + unit / 2));
        TimeSpan left = deadline - Now;
        if (left > TimeSpan.Zero) await Task.Delay(wait < left ? wait : left, _time);
    }

    /// <summary>Takes note of what a group said of itself.</summary>
    internal void Learn(GroupDescriptor descriptor)
    {
        lock (_lock) _routes = _routes! with { Ranges = _routes.Ranges.With(descriptor) };
    }

    /// <summary>Sends a call again after a group said that the key is not its own: to whoever owns it now.</summary>
    internal void Reroute(PendingOperation operation, GroupId from, RequestKind kind) =>
        _ = RerouteAsync(operation, from, kind);

    private async Task RerouteAsync(PendingOperation operation, GroupId from, RequestKind kind)
    {
        try
        {
            (GroupDescriptor owner, GroupDescriptor? other) = OwnersOf(operation, kind);
            if (owner.Group == from || other is not null)
            {
                await RefreshRoutesAsync(operation.Deadline);
                (owner, other) = OwnersOf(operation, kind);
            }
            if (other is not null) operation.Fail(CrossGroup(owner, other));
            // No lane holds it now, so no sweep would end it.
            else if (Now >= operation.Deadline) operation.Expire(kind == RequestKind.Write, RangeMoved);
            else Enqueue(owner.Group, kind, operation);
        }
#pragma warning disable CA1031 // Whatever it is, the caller must hear of it; nobody else waits for this.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            operation.Fail(failure);
        }
    }

    /// <summary>Who has a call's keys, as far as is known; of a scan, those that it asks for first.</summary>
    internal (GroupDescriptor Owner, GroupDescriptor? Other) OwnersOf(PendingOperation operation, RequestKind kind)
    {
        RangeMap ranges = _routes!.Ranges;
        if (kind == RequestKind.Write) return ranges.OwnersOf(operation.Encoded, Limits);
        var read = new ReadBatchReader(operation.Encoded);
        read.MoveNext();
        if (!read.IsScan) return (ranges.Find(read.Key), null);
        return (read.IsReverse ? ranges.FindBefore(read.End) : ranges.Find(read.Start), null);
    }

    private static CrossGroupException CrossGroup(GroupDescriptor one, GroupDescriptor other) =>
        new($"The batch's keys lie in {one.Group} and {other.Group}; a batch is atomic within one group only. Nothing was "
            + "changed.");

    /// <summary>The lowest key that a group is known to have, or to have had.</summary>
    internal byte[]? LeastStart(GroupId group, byte[]? known)
    {
        foreach (GroupDescriptor slice in _routes!.Ranges.Groups)
        {
            if (slice.Group == group && (known is null || slice.Start.AsSpan().SequenceCompareTo(known) < 0))
                known = slice.Start;
        }
        return known;
    }

    internal GroupId OwnerOf(ReadOnlySpan<byte> key) => _routes!.Ranges.Find(key).Group;

    internal void Enqueue(GroupId group, RequestKind kind, PendingOperation operation)
    {
        GroupLane lane = LaneOf(group, kind);
        lane.Enqueue(operation);
        // The last sweep may have gone by already.
        if (_disposed) lane.Sweep(TimeSpan.MaxValue);
    }

    private async Task RefreshRoutesAsync(TimeSpan deadline)
    {
        await BackOffAsync(1, deadline);
        if (await GetRoutesAsync(deadline) is { } fresh) Adopt(fresh);
    }

    /// <summary>Whoever told may know less than some group has told since.</summary>
    private StoreRoutes Adopt(StoreRoutes fresh)
    {
        lock (_lock)
            return _routes = _routes is { } known ? fresh with { Ranges = known.Ranges.With(fresh.Ranges) } : fresh;
    }

    private Task<StoreRoutes?> GetRoutesAsync(TimeSpan deadline) =>
        Attempt.WithinAsync(Connection.GetRoutesAsync().AsTask(), null, deadline - Now, _time);

    private Task<OperationAnswer> Write(StoreRoutes routes, TimeSpan deadline, ReadOnlyMemory<byte> key, byte[] operation,
        AnswerStatus? expected, CancellationToken token) =>
        Send(routes.Ranges.Find(key.Span).Group, RequestKind.Write, operation, deadline, expected, canMove: true, token);

    /// <summary>Hands an operation to its group's lane; throws what is wrong before anything is sent.</summary>
    /// <inheritdoc cref="PendingOperation(KvClient, byte[], TimeSpan, AnswerStatus?, bool)"/>
    private Task<OperationAnswer> Send(GroupId group, RequestKind kind, byte[] encoded, TimeSpan deadline, AnswerStatus? expected,
        bool canMove, CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Interlocked.Increment(ref _queued) > Options.MaxQueuedOperations)
        {
            NoteEnded();
            throw new UnavailableException($"{Options.MaxQueuedOperations} calls wait in this client already; nothing was sent. Send fewer at a time.");
        }
        var operation = new PendingOperation(this, encoded, deadline, expected, canMove);
        operation.Observe(token);
        Enqueue(group, kind, operation);
        return operation.Task;
    }

    /// <summary>A call has ended and makes room for another.</summary>
    internal void NoteEnded() => Interlocked.Decrement(ref _queued);

    private GroupLane LaneOf(GroupId group, RequestKind kind)
    {
        lock (_lock)
        {
            if (_lanes.TryGetValue((group, kind), out GroupLane? lane)) return lane;
            lane = kind == RequestKind.Write ? new WriteLane(this, group) : new ReadLane(this, group, kind);
            _lanes[(group, kind)] = lane;
            return lane;
        }
    }

    private GroupLane[] AllLanes()
    {
        lock (_lock) return [.. _lanes.Values];
    }

    private void Sweep()
    {
        // An idle client has lanes to many groups, and nobody waits in them.
        if (Volatile.Read(ref _queued) == 0) return;
        TimeSpan now = Now;
        foreach (GroupLane lane in AllLanes()) lane.Sweep(now);
    }

    /// <summary>One for all that a call does.</summary>
    private TimeSpan NextDeadline() => Now + Options.Timeout;

    private async Task<StoreRoutes> LoadRoutesAsync(TimeSpan deadline, CancellationToken token)
    {
        for (int failures = 1; ; failures++)
        {
            token.ThrowIfCancellationRequested();
            if (await GetRoutesAsync(deadline) is { } routes) return Adopt(routes);
            if (Now >= deadline)
                throw new UnavailableException("Nobody told which groups there are before the deadline; nothing was "
                    + "sent. Check that a node can be reached, and try again.");
            await BackOffAsync(failures, deadline);
        }
    }

    private static ReadOnlyMemory<byte> Copy(ReadOnlyMemory<byte> bytes) => bytes.ToArray();

    private static ReadOnlyMemory<byte>? Copy(ReadOnlyMemory<byte>? bytes) =>
        bytes is { } given ? new ReadOnlyMemory<byte>(given.ToArray()) : default(ReadOnlyMemory<byte>?);

    /// <summary>No other answer may pass for success.</summary>
    private static void Require(in OperationAnswer answer, AnswerStatus expected)
    {
        if (answer.Status != expected) throw Refused(answer.Status);
    }

    internal static KeyValueArgumentException Refused(AnswerStatus status) =>
        new("BadArgument", $"The group refused the operation ({status}); nothing was changed.");

    private static RequestKind KindOf(Consistency consistency) => consistency switch
    {
        Consistency.Linearizable => RequestKind.LinearizableRead,
        Consistency.Lease => RequestKind.LeaseRead,
        Consistency.Stale => RequestKind.StaleRead,
        _ => throw new KeyValueArgumentException("BadArgument", $"There is no consistency {consistency}."),
    };
}
