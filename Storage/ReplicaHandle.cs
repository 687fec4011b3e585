using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>
/// One incarnation's handle to a replica's storage, wherever that is: whether it is still of use, what it found when it
/// was opened, and who hears of its writes.
/// </summary>
internal abstract class ReplicaHandle(GroupId group, ReplicaId id)
{
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

    /// <summary>A newer handle exists, or the storage crashed or was closed.</summary>
    internal bool IsFenced => _fenced;

    /// <summary>Why queued requests of this handle must not be written; null if they may. A fenced handle's may: they
    /// came before.</summary>
    internal Exception? Refusal => _stopped;

    /// <summary>The observer of the last write; hears of a failure even when nothing is under way.</summary>
    internal IPersistenceObserver? Observer { get; private set; }

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

    /// <summary>Called under the lock of who queues.</summary>
    internal void TakeNumber(ulong number, IPersistenceObserver observer)
    {
        Invariant.Require(number > _lastNumber, $"write {number} of {group} came after write {_lastNumber}");
        _lastNumber = number;
        Observer = observer;
    }

    /// <summary>Tells an observer, once, that all is over; a fenced handle's never is told.</summary>
    internal void Tell(IPersistenceObserver? observer, Exception failure, ILogger logger)
    {
        if (observer is null || _fenced || _told == observer) return;
        _told = observer;
        try
        {
            observer.StorageFailed(failure);
        }
#pragma warning disable CA1031 // The others must still be told.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            logger.ObserverFailed(exception, group);
        }
    }

    /// <summary>Checks what is to be written, and forgets what was recovered: the core has taken it over; kept here, it
    /// would outlive every compaction.</summary>
    /// <param name="bytes">Of its entries.</param>
    /// <param name="most">That one write may have.</param>
    protected void Accept(PersistRequest request, long bytes, long most)
    {
        if (bytes > most)
            throw new ArgumentException($"One write has {bytes} bytes; at most {most} are possible.", nameof(request));
        ReadOnlySpan<LogEntry> entries = request.Entries.Span;
        for (int i = 0; i < entries.Length; i++)
        {
            Invariant.Require(entries[i].Index.Value == entries[0].Index.Value + (ulong)i && entries[i].Index.Value > 0,
                $"entry {entries[i].Index} stands at place {i} after {entries[0].Index}");
        }
        _recovered = null;
    }

    protected void CheckGroup(SnapshotFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (file.Group != group || file.Replica != id)
        {
            throw new ArgumentException($"The snapshot is of {file.Group} {file.Replica}, this is {group} {id}.",
                nameof(file));
        }
    }
}
