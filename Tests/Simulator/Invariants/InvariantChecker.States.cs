using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Simulator;

/// <content>What replicas have made of the entries they applied.</content>
internal sealed partial class InvariantChecker
{
    // Digesting a state costs more than all else in a step.
    private const int DigestEvery = 32;

    private readonly HashSet<(GroupId, ReplicaId, NodeName)> _compared = [];
    private readonly Dictionary<GroupId, (MetaRegistry Registry, GroupDescriptor Group)> _map = [];
    private readonly List<byte[]> _boundaries = [];
    private bool _rangesChanged;

    /// <summary>Where a group began at any time.</summary>
    public IReadOnlyList<byte[]> Boundaries => _boundaries;

    /// <summary>All groups that none has taken over, as the replica describes them that has applied most, the meta group
    /// among them.</summary>
    public IReadOnlyList<GroupDescriptor> Groups =>
        [.. Present.Select(group => group.Descriptor).OfType<GroupDescriptor>()];

    /// <summary>The newest group that was ever seen.</summary>
    public GroupId NewestGroup => _groups.Keys.Max();

    /// <summary>Groups that were split off.</summary>
    public int Splits => _groups.Values.Count(group => group.Group.Value > groups && group.Descriptor is not null);

    private IEnumerable<GroupRecord> Present => _groups.Values.Where(group => group.MergedInto is null);

    /// <summary>Groups with keys, in key order.</summary>
    public IReadOnlyList<GroupDescriptor> Ranges =>
    [
        .. Groups.Where(group => group.Group != GroupId.Meta)
            .OrderBy(range => range.Start, Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b))),
    ];

    /// <summary>Whether each group has three voters, none of them on a disk that is gone, and no other under
    /// way.</summary>
    public bool IsWhole => Present.All(group => group.Descriptor is { } descriptor
        && descriptor.Replicas.All(replica => replica.Role is ReplicaRole.Voter or ReplicaRole.Learner
            && !(group.Replicas.GetValueOrDefault((replica.Id, replica.Node))?.IsRetired ?? false))
        && descriptor.Replicas.Count(replica => replica.Role == ReplicaRole.Voter) >= 3);

    /// <summary>Whoever has applied the same entries has the same state; of some indexes.</summary>
    private void NoteState(GroupRecord group, ReplicaRecord record, NodeName node, Replica replica)
    {
        record.Applied = replica.Core.LastApplied;
        if (replica.StopReason is not null) return;
        GroupState state = replica.State;
        if (state.LastApplied.Index != record.Applied) return; // A snapshot is on its way into the state.
        NoteMerges(group, record, node, replica);
        NoteRange(group, node, state.Descriptor);
        record.Sessions = (record.Sessions.Now, state.SessionCount);
        if (record.Applied.Value % DigestEvery == 0)
            CompareState(group, node, record.Applied, state.Snapshot().Digest());
    }

    private void NoteRange(GroupRecord group, NodeName node, GroupDescriptor descriptor)
    {
        if (ReferenceEquals(group.Descriptor, descriptor) || descriptor.IsUnknown) return;
        GroupDescriptor? known = group.Descriptor;
        int newer = known is null ? 1 : (descriptor.RangeVersion, descriptor.ConfigVersion)
            .CompareTo((known.RangeVersion, known.ConfigVersion));
        if (newer == 0 && !descriptor.Equals(known)) violated($"{node} {group.Group} is {descriptor}, another replica {known}");
        if (newer <= 0) return;
        _rangesChanged |= group.Group != GroupId.Meta && known?.RangeVersion != descriptor.RangeVersion;
        group.Descriptor = descriptor;
        if (descriptor.Start.Length > 0) _boundaries.Add(descriptor.Start);
        foreach (ReplicaPlacement replica in descriptor.Replicas)
            if (replica.Role == ReplicaRole.Voter) group.Voters.Add(replica.Id);
    }

    /// <summary>Groups that were split off and are not open yet, by what they begin with.</summary>
    private void NoteUnopened()
    {
        foreach ((NodeName name, StoreNode node) in
            cluster.Nodes.Select(pair => (pair.Key, pair.Value)).Concat(cluster.Earlier))
        {
            foreach (GroupId id in node.OwnGroups)
            {
                if (node.FindOwn(id) is not { Base: { } start } own) continue;
                GroupRecord group = Of(id);
                NoteRange(group, name, start.Descriptor);
                if (!_compared.Add((id, own.Id, name))) continue;
                CompareState(group, name, LogIndex.Zero, start.Digest());
                CheckSessions(name, node, start);
            }
        }
    }

    /// <summary>Sessions travel with a split.</summary>
    private void CheckSessions(NodeName name, StoreNode node, GroupStateSnapshot child)
    {
        if (child.Sessions.Length > 0) return;
        foreach (Replica parent in node.Replicas)
        {
            if (parent.AwaitsBase || !parent.State.Descriptor.End.AsSpan().SequenceEqual(child.Descriptor.Start)) continue;
            if (_lives.TryGetValue(parent, out (GroupRecord, ReplicaRecord Record) known)
                && known.Record.Life == parent && known.Record.Sessions is { Before: > 0, Now: > 0 })
                violated($"{name} {child.Descriptor} begins without the sessions of {parent.Group}");
        }
    }

    private void CompareState(GroupRecord group, NodeName node, LogIndex applied, uint checksum)
    {
        if (!group.Digests.TryAdd(applied, (checksum, node))
            && group.Digests[applied] is var known && known.Checksum != checksum)
            violated($"{node} {group.Group} has at {applied} a state with checksum {checksum:x8}, {known.Of} had "
                + $"{known.Checksum:x8} there");
    }

    /// <summary>Ranges of groups never overlap and leave no gap.</summary>
    private void CheckRanges()
    {
        NoteUnopened();
        if (_groups.Values.Any(group => group.Group.Value <= groups && group.Descriptor is null)) return; // Not seen yet.
        if (_groups.Keys.Count(group => group != GroupId.Meta) < groups) return;
        _rangesChanged = false;
        byte[] end = [];
        foreach (GroupDescriptor range in Ranges)
        {
            if (!range.Start.AsSpan().SequenceEqual(end))
                violated($"before {range} the keys from {Convert.ToHexStringLower(end)} on are in no group or in two");
            end = range.End;
        }
        if (end.Length > 0) violated($"the keys from {Convert.ToHexStringLower(end)} on are in no group");
    }

    /// <summary>What the controller knows of groups never goes back before it reads its rows anew, and is never newer than
    /// they.</summary>
    private void CheckMap()
    {
        foreach ((NodeName name, StoreNode node) in cluster.Nodes)
        {
            if (node.Meta?.Controller is not { IsActive: true, Registry: { } registry }) continue;
            foreach (GroupDescriptor told in registry.Groups.Values.Select(entry => entry.Descriptor))
            {
                if (_map.TryGetValue(told.Group, out (MetaRegistry Registry, GroupDescriptor Group) before)
                    && before.Registry == registry
                    && (told.RangeVersion < before.Group.RangeVersion || told.ConfigVersion < before.Group.ConfigVersion))
                    violated($"the controller on {name} went back from {before.Group} to {told}");
                if (_groups.GetValueOrDefault(told.Group)?.Descriptor is not { } newest
                    || told.RangeVersion > newest.RangeVersion || told.ConfigVersion > newest.ConfigVersion)
                    violated($"the controller on {name} knows {told}, which no replica does");
                _map[told.Group] = (registry, told);
            }
        }
    }
}
