using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>One incarnation's handle to a replica's storage.</summary>
internal sealed class DatabaseReplica(GroupId group, ReplicaId id, FlushQueue queue, SnapshotTable snapshots)
    : ReplicaHandle(group, id), IReplicaStorage
{
    // One statement's parameters have less than 1 GiB.
    private const long MaxWriteBytes = 256 << 20;

    public SnapshotFile? Snapshot =>
        snapshots.RecordedOf(Group) is { } file && file.Replica == Replica ? file : null;

    public void Submit(PersistRequest request, IPersistenceObserver observer)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(observer);
        long bytes = 0;
        foreach (ref readonly LogEntry entry in request.Entries.Span) bytes += entry.Payload.Length;
        Accept(request, bytes, MaxWriteBytes);
        StoredSnapshot? installed = null;
        if (request.Snapshot is { } snapshot && !IsFenced)
        {
            installed = snapshots.FindFinished(Group, snapshot);
            Invariant.Require(installed is not null,
                $"{Group} would install snapshot {snapshot}, but there is no finished file of it");
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
            $"{Group} would record snapshot {file.Last}, but there is no finished one");
        return ValueTask.CompletedTask;
    }

    public ValueTask<ISnapshotReader> OpenSnapshotAsync(SnapshotFile file)
    {
        ThrowIfNotCurrent();
        CheckGroup(file);
        return ValueTask.FromResult(snapshots.Open(file));
    }
}
