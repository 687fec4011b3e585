using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>The snapshots of a slot: which are finished, which one each group's row names, who reads them.</summary>
internal sealed class SnapshotTable(SlotSession session)
{
    // Guarded by the lock.
    private readonly Lock _lock = new();
    private readonly SortedDictionary<GroupId, List<Known>> _known = [];
    private readonly Dictionary<GroupId, ReplicaId> _removed = [];
    private int _writers;
    private int _removals;

    private sealed class Known(StoredSnapshot stored)
    {
        public StoredSnapshot Stored => stored;

        public SnapshotFile File => stored.File;

        /// <summary>The group's row names it. Invariant: of a group's snapshots at most one.</summary>
        public bool IsRecorded { get; set; }

        public int Readers { get; set; }
    }

    public int RecordedCount
    {
        get
        {
            lock (_lock) return _known.Values.Sum(all => all.Count(known => known.IsRecorded));
        }
    }

    /// <summary>How many removals of rows are under way.</summary>
    public int Removals
    {
        get
        {
            lock (_lock) return _removals;
        }
    }

    /// <summary>Takes what a group's row names at an opening.</summary>
    public void Recover(StoredSnapshot stored) => _known[stored.File.Group] = [new Known(stored) { IsRecorded = true }];

    public SnapshotFile? RecordedOf(GroupId group)
    {
        lock (_lock) return Of(group).Find(known => known.IsRecorded)?.File;
    }

    /// <summary>A finished snapshot; null if there is none.</summary>
    public StoredSnapshot? FindFinished(GroupId group, EntryId last)
    {
        lock (_lock) return Of(group).FindLast(known => known.File.Last == last)?.Stored;
    }

    public StoredSnapshot? Find(SnapshotFile file)
    {
        lock (_lock) return Of(file.Group).Find(known => known.File == file)?.Stored;
    }

    /// <summary>Whether a snapshot at least as new is recorded, or its replica was removed.</summary>
    public bool IsSuperseded(SnapshotFile file)
    {
        lock (_lock)
        {
            if (file.Replica <= _removed.GetValueOrDefault(file.Group)) return true;
            return RecordedOf(file.Group) is { } recorded && recorded.Last.Index >= file.Last.Index;
        }
    }

    /// <summary>The group's row durably names it: older ones go.</summary>
    public void Recorded(StoredSnapshot stored)
    {
        var unneeded = new List<Known>();
        lock (_lock)
        {
            List<Known> all = Of(stored.File.Group);
            Known? before = all.Find(known => known.IsRecorded);
            if (before is not null && before.File.Last.Index > stored.File.Last.Index) return;
            foreach (Known known in all) known.IsRecorded = known.Stored == stored;
            foreach (Known known in all)
            {
                if (!known.IsRecorded && known.File.Last.Index <= stored.File.Last.Index) unneeded.Add(known);
            }
            all.RemoveAll(unneeded.Contains);
            unneeded.RemoveAll(known => known.Readers > 0);
        }
        foreach (Known known in unneeded) _ = RemoveAsync(known.Stored.Key);
    }

    /// <summary>The group's row durably says that these replicas were removed: their snapshots go.</summary>
    public void Retire(GroupId group, ReplicaId removed)
    {
        List<Known> unread;
        lock (_lock)
        {
            _removed[group] = removed > _removed.GetValueOrDefault(group) ? removed : _removed[group];
            unread = Of(group).FindAll(known => known.File.Replica <= removed && known.Readers == 0);
            Of(group).RemoveAll(known => known.File.Replica <= removed);
        }
        foreach (Known known in unread) _ = RemoveAsync(known.Stored.Key);
    }

    public ISnapshotWriter Create(DatabaseReplica replica, EntryId last) => new SnapshotWriter(
        this, session, replica, last, new SnapshotKey(session.Incarnation, Interlocked.Increment(ref _writers)));

    /// <summary>Takes in a snapshot whose chunks are all durable. False, and nothing needs it, if a newer one is
    /// recorded
    /// by now or there is the same one already.</summary>
    public bool TryFinish(StoredSnapshot stored)
    {
        lock (_lock)
        {
            if (IsSuperseded(stored.File) || Find(stored.File) is not null) return false;
            Of(stored.File.Group).Add(new Known(stored));
            return true;
        }
    }

    public ISnapshotReader Open(SnapshotFile file)
    {
        lock (_lock)
        {
            Known known = Of(file.Group).Find(candidate => candidate.File == file)
                ?? throw new DiskException(DiskFailure.NotFound, session.Database.Description,
                    $"Snapshot {file.Last} of {file.Group} is no longer kept: a newer one replaced it. Use that one.");
            known.Readers++;
            return new SnapshotReader(session, known.Stored, () => Release(known));
        }
    }

    /// <summary>Removes chunks that nothing needs; what is left when this opening ends, the next one removes.</summary>
    public async Task RemoveAsync(SnapshotKey key)
    {
        lock (_lock) _removals++;
        try
        {
            await session.UntilDoneAsync(database => database.DeleteSnapshotAsync(session.Incarnation, key));
        }
#pragma warning disable CA1031 // It ended the session, and everyone concerned has heard of that.
        catch (Exception) when (session.Ended is not null)
#pragma warning restore CA1031
        {
        }
        finally
        {
            lock (_lock) _removals--;
        }
    }

    private void Release(Known known)
    {
        lock (_lock)
        {
            known.Readers--;
            if (known.Readers > 0 || Of(known.File.Group).Contains(known)) return;
        }
        _ = RemoveAsync(known.Stored.Key);
    }

    private List<Known> Of(GroupId group)
    {
        if (!_known.TryGetValue(group, out List<Known>? all)) _known[group] = all = [];
        return all;
    }
}
