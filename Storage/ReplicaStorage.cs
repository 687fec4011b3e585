using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>One incarnation's handle to a replica's storage.</summary>
internal sealed class ReplicaStorage(GroupId group, ReplicaId id, WriteAheadLog log, SnapshotStore snapshots)
    : ReplicaHandle(group, id), IReplicaStorage
{
    private const long MaxWriteBytes = 1 << 30;

    public SnapshotFile? Snapshot =>
        snapshots.RecordedOf(Group) is { } file && file.Replica == Replica ? file : null;

    public void Submit(PersistRequest request, IPersistenceObserver observer)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(observer);
        Accept(request, LogFormat.EntriesBytes(request.Entries.Span), MaxWriteBytes);
        SnapshotFile? file = null;
        if (request.Snapshot is { } snapshot && !IsFenced)
        {
            file = snapshots.FindFinished(Group, snapshot);
            Invariant.Require(file is not null,
                $"{Group} would install snapshot {snapshot}, but there is no finished file of it");
        }
        log.Submit(this, request, file, observer);
    }

    public ValueTask<ISnapshotWriter> CreateSnapshotAsync(EntryId last)
    {
        ThrowIfNotCurrent();
        return snapshots.CreateAsync(this, last);
    }

    public ValueTask RecordSnapshotAsync(SnapshotFile file)
    {
        ThrowIfNotCurrent();
        CheckGroup(file);
        if (snapshots.IsSuperseded(file)) return ValueTask.CompletedTask;
        // Checked again: an installed snapshot may supersede this one at any moment, and then its file goes.
        Invariant.Require(snapshots.IsFinished(file) || snapshots.IsSuperseded(file),
            $"{Group} would record snapshot {file.Last}, but there is no finished file of it");
        return log.RecordSnapshotAsync(this, file);
    }

    public ValueTask<ISnapshotReader> OpenSnapshotAsync(SnapshotFile file)
    {
        ThrowIfNotCurrent();
        CheckGroup(file);
        return snapshots.OpenAsync(file);
    }
}
