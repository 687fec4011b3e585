using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>
/// Which replica of each group has its state in a storage, which ones were removed, and the handle that is valid. As of
/// the last request queued: what is queued next comes after it. Used under the lock of who queues.
/// </summary>
internal sealed class ReplicaRegister<THandle>(FaultPoints faults = default)
    where THandle : ReplicaHandle
{
    private readonly SortedDictionary<GroupId, THandle> _handles = [];
    private readonly Dictionary<GroupId, (ReplicaId Replica, ReplicaId Removed)> _identities = [];

    public IReadOnlyCollection<THandle> Handles => _handles.Values;

    /// <summary>The replica of a group that has its state here, and the highest that was removed.</summary>
    public (ReplicaId Replica, ReplicaId Removed) IdentityOf(GroupId group) => _identities.GetValueOrDefault(group);

    public void Recover(GroupId group, ReplicaId replica, ReplicaId removed) => _identities[group] = (replica, removed);

    /// <summary>Makes a handle the only valid one; the one before is fenced.</summary>
    /// <exception cref="ReplicaRefusedException">That replica was removed, or another's state is here. Nothing was
    /// changed.</exception>
    public void Open(THandle handle)
    {
        (GroupId group, ReplicaId id) = (handle.Group, handle.Replica);
        (ReplicaId stored, ReplicaId removed) = IdentityOf(group);
        if (id <= removed)
            throw new ReplicaRefusedException($"{group} {id} was removed from this node, which never opens it again.");
        if (!stored.IsNone && stored != id)
            throw new ReplicaRefusedException($"{group} {id} cannot be opened: the state here is that of {stored}. "
                + "It must be removed first.");
        _identities[group] = (id, removed);
        if (_handles.TryGetValue(group, out THandle? older) && !faults.Has(FaultPoint.FencedInstanceWrites))
            older.Fence();
        _handles[group] = handle;
    }

    /// <summary>Rules out a replica and all of a lower id, and fences the handle to one that is here.</summary>
    public void Retire(GroupId group, ReplicaId id)
    {
        (ReplicaId stored, ReplicaId removed) = IdentityOf(group);
        if (stored <= id)
        {
            if (_handles.Remove(group, out THandle? handle)) handle.Fence();
            stored = ReplicaId.None;
        }
        _identities[group] = (stored, removed > id ? removed : id);
    }
}
