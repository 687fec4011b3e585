using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>One incarnation's handle to a replica's storage.</summary>
internal sealed class DatabaseReplica(GroupId group, ReplicaId id, FlushQueue queue, SnapshotTable snapshots)
    : IReplicaStorage
{
    // One statement's parameters have less than 1 GiB.
    private const long MaxWriteBytes = 256 << 20;

    private volatile bool _fenced;
    private volatile Exception? _stopped;
    private volatile RecoveredReplica? _recovered;
    private ulong _lastNumber;
    private IPersistenceObserver? _told;

    public GroupId Group => group;

    public ReplicaId Replica => id;

    public ulong Incarnation { get; private set; }

    public bool IsCurrent => !_fenced && _stopped is null;

    public RecoveredReplica Recovered => _recovered
        ?? throw new InvalidOperationException("The opening has not completed, or a write was submitted already.");

    public SnapshotFile? Snapshot =>
        snapshots.RecordedOf(group) is { } file && file.Replica == id ? file : null;

    /// <summary>A newer handle exists, or the storage crashed or was closed.</summary>
    internal bool IsFenced => _fenced;

    /// <summary>Why queued requests of this handle must not be written; null if they may. A fenced handle's may: they
    /// came before.</summary>
    internal Exception? Refusal => _stopped;

    /// <summary>The observer of the last write; hears of a failure even when nothing is under way.</summary>
    internal IPersistenceObserver? Observer { get; private set; }

    public void Submit(PersistRequest request, IPersistenceObserver observer)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(observer);
        CheckContiguous(request);
        // The core has taken it over; kept here, it would outlive every compaction.
        _recovered = null;
        StoredSnapshot? installed = null;
        if (request.Snapshot is { } snapshot && !_fenced)
        {
            installed = snapshots.FindFinished(group, snapshot);
            Invariant.Require(installed is not null,
                $"{group} would install snapshot {snapshot}, but there is no finished file of it");
        }
        queue.Submit(this, request, installed, observer);
    }

    public ValueTask<ISnapshotWriter> CreateSnapshotAsync(EntryId last)
    {
        ThrowIfNotCurrent();
        return ValueTask.FromResult(snapshots.Create(this, last));
    }

    public ValueTask RecordSnapshotAsync(SnapshotFile file)
    {
        ThrowIfNotCurrent();
        CheckGroup(file);
        if (snapshots.IsSuperseded(file)) return ValueTask.CompletedTask;
        if (snapshots.Find(file) is { } stored) return queue.RecordSnapshotAsync(this, stored);
        // Checked again: an installed snapshot may supersede this one at any moment, and then its rows go.
        Invariant.Require(snapshots.IsSuperseded(file),
            $"{group} would record snapshot {file.Last}, but there is no finished one");
        return ValueTask.CompletedTask;
    }

    public ValueTask<ISnapshotReader> OpenSnapshotAsync(SnapshotFile file)
    {
        ThrowIfNotCurrent();
        CheckGroup(file);
        return ValueTask.FromResult(snapshots.Open(file));
    }

    internal void ThrowIfNotCurrent()
    {
        if (_stopped is { } reason) throw reason;
        if (_fenced)
        {
            throw new FencedException(
                $"This handle to {group} (incarnation {Incarnation}) was replaced by a newer opening, the "
                + "replica was removed, or its storage was closed.");
        }
    }

    internal void Fence() => _fenced = true;

    internal void Stop(Exception reason) => _stopped = reason;

    internal void SetOpened(ulong incarnation, RecoveredReplica recovered)
    {
        Incarnation = incarnation;
        _recovered = recovered;
    }

    /// <summary>Called under the queue's lock.</summary>
    internal void TakeNumber(ulong number, IPersistenceObserver observer)
    {
        Invariant.Require(number > _lastNumber, $"write {number} of {group} came after write {_lastNumber}");
        _lastNumber = number;
        Observer = observer;
    }

    /// <summary>Whether an observer has not been told yet that all is over; a fenced one never is.</summary>
    internal bool MustTell(IPersistenceObserver observer)
    {
        if (_fenced || _told == observer) return false;
        _told = observer;
        return true;
    }

    private void CheckGroup(SnapshotFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (file.Group != group || file.Replica != id)
        {
            throw new ArgumentException($"The snapshot is of {file.Group} {file.Replica}, this is {group} {id}.",
                nameof(file));
        }
    }

    private static void CheckContiguous(PersistRequest request)
    {
        ReadOnlySpan<LogEntry> entries = request.Entries.Span;
        long bytes = 0;
        foreach (ref readonly LogEntry entry in entries) bytes += entry.Payload.Length;
        if (bytes > MaxWriteBytes)
        {
            throw new ArgumentException($"One write has {bytes} bytes; at most {MaxWriteBytes} are possible.",
                nameof(request));
        }
        for (int i = 0; i < entries.Length; i++)
        {
            Invariant.Require(entries[i].Index.Value == entries[0].Index.Value + (ulong)i && entries[i].Index.Value > 0,
                $"entry {entries[i].Index} stands at place {i} after {entries[0].Index}");
        }
    }
}
