using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>
/// A node's storage in a database: one opening of a slot. It goes on for as long as no later opening takes the slot: a
/// database that does not answer, or takes no writes, is asked again until it does.
/// </summary>
public sealed class DatabaseStorage : INodeStorage
{
    private readonly SlotSession _session;
    private readonly FlushQueue _queue;
    private readonly SnapshotTable _snapshots;
    private readonly Confirmations _confirmations;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _closing;

    private DatabaseStorage(SlotSession session, FlushQueue queue, SnapshotTable snapshots)
    {
        _session = session;
        _queue = queue;
        _snapshots = snapshots;
        _confirmations = new Confirmations(session);
    }

    public StoreId StoreId => _session.StoreId;

    /// <summary>The number of this opening of the slot.</summary>
    public ulong Incarnation => _session.Incarnation;

    public ReadOnlyMemory<byte>? Formation => _queue.Formation;

    public IReadOnlyList<StoredReplica> Replicas => [.. _queue.Groups.Select(FindReplica)];

    /// <inheritdoc/>
    /// <remarks>A <see cref="FencedException"/> if the slot was opened elsewhere.</remarks>
    public Exception? Failure => Volatile.Read(ref _closing) == 0 ? _session.Ended : null;

    public TimeSpan StalledFor => _queue.Stall.Length > _confirmations.Stall.Length
        ? _queue.Stall.Length
        : _confirmations.Stall.Length;

    /// <inheritdoc/>
    public string? WaitsFor => StalledFor == TimeSpan.Zero ? null
        : Trouble ?? $"{_session.Database.Description} does not answer";

    /// <inheritdoc/>
    /// <remarks>Its log is what is live of it: dead rows are the database's to remove.</remarks>
    public StorageStatus Status => new(
        _queue.LiveBytes, _queue.LiveBytes, _snapshots.RecordedCount, StalledFor, Failure);

    public bool NeedsConfirming => true;

    /// <summary>
    /// Opens a slot, and fences every earlier opening of it. The database is this storage's from here on, and disposed
    /// with it; also if this throws.
    /// </summary>
    /// <exception cref="DatabaseException">The database does not answer, or refuses; another attempt may succeed unless
    /// it is final.</exception>
    /// <exception cref="CorruptionException">What is there is not what was written; nothing was repaired.</exception>
    public static async Task<DatabaseStorage> OpenAsync(ISlotDatabase database, DatabaseStorageOptions options)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(options);
        try
        {
            IReadOnlyList<string> problems = options.Validate();
            if (problems.Count > 0) throw new ArgumentException(string.Join(" ", problems), nameof(options));
            SlotContent content = await database.OpenAsync();
            SortedDictionary<GroupId, GroupRows> groups = SlotRecovery.Check(database.Description, content);
            await database.DeleteUnrecordedAsync(content.Incarnation); // Only where all else is as it was written.
            var session = new SlotSession(database, content, options);
            var snapshots = new SnapshotTable(session);
            foreach (GroupRows group in groups.Values)
            {
                if (group.Row.Snapshot is { } snapshot) snapshots.Recover(snapshot);
            }
            var queue = new FlushQueue(session, content, groups, snapshots);
            session.OnEnd = queue.OnEnd;
            options.Logger.SlotOpened(database.Description, content.StoreId, content.Incarnation, groups.Count,
                content.LastFlush);
            return new DatabaseStorage(session, queue, snapshots);
        }
        catch
        {
            await database.DisposeAsync();
            throw;
        }
    }

    public ValueTask WriteFormationAsync(ReadOnlyMemory<byte> formation) => _queue.WriteFormationAsync(formation);

    public ValueTask RewriteFormationAsync(ReadOnlyMemory<byte> formation) => _queue.RewriteFormationAsync(formation);

    public StoredReplica FindReplica(GroupId group)
    {
        (ReplicaId replica, ReplicaId removed) = _queue.IdentityOf(group);
        return new StoredReplica(group, replica, removed, replica.IsNone ? null : _snapshots.RecordedOf(group));
    }

    public async ValueTask<IReplicaStorage> OpenReplicaAsync(GroupId group, ReplicaId replica) =>
        await _queue.OpenReplicaAsync(group, replica);

    public ValueTask RetireReplicaAsync(GroupId group, ReplicaId replica) => _queue.RetireReplicaAsync(group, replica);

    public ValueTask ConfirmAsync() => _confirmations.ConfirmAsync();

    /// <inheritdoc/>
    /// <remarks>The flush under way may yet be applied, as when a process dies; the next opening finds all of it or
    /// nothing. Calls that await something durable throw <see cref="FencedException"/>: their outcome is
    /// unknown.</remarks>
    public ValueTask CrashAsync() => CloseAsync();

    /// <summary>Writes what is queued, if the database takes it within <see
    /// cref="DatabaseStorageOptions.ClosingLimit"/>,
    /// then closes.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Volatile.Read(ref _closing) == 0 && _session.Ended is null) await DrainWithinLimitAsync();
        await CloseAsync();
    }

    /// <summary>Completes when all that was queued is durable.</summary>
    internal ValueTask DrainAsync() => _queue.DrainAsync();

    /// <summary>What the database said to what is under way; null if nothing is, or nothing is known.</summary>
    internal string? Trouble => _queue.Stall.Trouble ?? _confirmations.Stall.Trouble;

    /// <summary>How many removals of superseded snapshots are under way.</summary>
    internal int Removals => _snapshots.Removals;

    private async ValueTask DrainWithinLimitAsync()
    {
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using ITimer timer = _session.Options.Time.CreateTimer(
            _ => over.TrySetResult(), null, _session.Options.ClosingLimit, Timeout.InfiniteTimeSpan);
        _ = ForwardDrainAsync(over);
        await over.Task;
    }

    private async Task ForwardDrainAsync(TaskCompletionSource over)
    {
        try
        {
            await _queue.DrainAsync();
        }
#pragma warning disable CA1031 // Everyone concerned was told; closing goes on.
        catch (Exception) when (_session.Ended is not null)
#pragma warning restore CA1031
        {
        }
        over.TrySetResult();
    }

    private async ValueTask CloseAsync()
    {
        if (Interlocked.Exchange(ref _closing, 1) == 1)
        {
            await _closed.Task;
            return;
        }
        try
        {
            _session.Close();
            await _session.Database.DisposeAsync(); // Ends what is under way.
            await _queue.QuietAsync();
        }
        finally
        {
            _closed.SetResult();
        }
    }
}
