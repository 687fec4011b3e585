using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What one node says of itself and its replicas; without <paramref name="Status"/> it did not
/// answer.</summary>
public sealed record NodeView(NodeName Name, NodeStatus? Status = null, IReadOnlyList<ReplicaView>? Replicas = null);

/// <summary>A replica's status, with the range and the leader it believes in.</summary>
public sealed record ReplicaView(ReplicaStatus Status, GroupDescriptor Descriptor, NodeName? Leader);

/// <summary>Puts together what the nodes say of themselves.</summary>
public static class ClusterView
{
    /// <summary>A node's own view, read at once.</summary>
    public static NodeView Of(StoreNode node) => new(node.Name, node.GetStatus(),
        [.. node.Replicas.Select(r => new ReplicaView(r.Status, r.Descriptor, r.Leader))]);

    /// <summary>
    /// The cluster as its nodes see it. Of several leaders of a group that of the highest term counts, unless most of
    /// the group's replicas have gone on to a later term: one replica that campaigns alone deposes nobody.
    /// </summary>
    public static ClusterStatus Merge(FormationRecord formation, IReadOnlyList<NodeView> views)
    {
        var groups = new List<GroupStatus>();
        var replicas = new List<ReplicaStatus>();
        ILookup<GroupId, ReplicaView> byGroup = views.SelectMany(v => v.Replicas ?? [])
            .Where(replica => replica.Status.Group != GroupId.Meta)
            .ToLookup(r => r.Status.Group);
        foreach (GroupDescriptor descriptor in NewestDescriptors(formation, byGroup))
        {
            ReplicaView[] known = [.. byGroup[descriptor.Group]];
            ReplicaStatus? leader = known.Select(r => r.Status).Where(s => s.Role == "leader").MaxBy(s => s.Term);
            if (leader is not null && IsDeposed(leader, known, descriptor)) leader = null;
            Term term = leader?.Term ?? known.Select(r => r.Status.Term).DefaultIfEmpty().Max();
            LogIndex commit = known.Select(r => r.Status.Commit).DefaultIfEmpty().Max();
            groups.Add(new GroupStatus(descriptor.Group, descriptor.Start, descriptor.End, leader?.Node, term, commit));
            replicas.AddRange(known.Select(r => r.Status).OrderBy(r => r.Node));
        }
        return new ClusterStatus(groups, replicas,
            [.. views.Select(v => v.Status ?? new NodeStatus(v.Name, IsUp: false, 0, 0, 0))]);
    }

    /// <summary>Of each group, in the order of their ids, what the replica says that knows most; of one that nobody
    /// knows, what was formed. One that only new replicas without content know is not told yet.</summary>
    private static SortedDictionary<GroupId, GroupDescriptor>.ValueCollection NewestDescriptors(
        FormationRecord formation, ILookup<GroupId, ReplicaView> replicas)
    {
        var newest = new SortedDictionary<GroupId, GroupDescriptor>();
        foreach (GroupDescriptor formed in formation.Groups) newest[formed.Group] = formed;
        foreach (GroupDescriptor told in replicas.SelectMany(of => of).Select(replica => replica.Descriptor))
        {
            if (told.Replicas.Count == 0) continue;
            if (!newest.TryGetValue(told.Group, out GroupDescriptor? known)
                || (told.RangeVersion, told.ConfigVersion).CompareTo((known.RangeVersion, known.ConfigVersion)) > 0)
                newest[told.Group] = told;
        }
        // One that was merged owns none of its keys any more, whatever was formed, or is left of its replicas.
        RangeMap owners = new(formation.Groups);
        foreach (GroupDescriptor group in newest.Values) owners = owners.With(group);
        foreach (GroupId group in newest.Keys.ToArray())
            if (owners.Find(group) is null) newest.Remove(group);
        return newest.Values;
    }

    /// <summary>Whether most of those who elect have gone on to a later term.</summary>
    private static bool IsDeposed(ReplicaStatus leader, ReplicaView[] known, GroupDescriptor descriptor)
    {
        NodeName[] voters = [.. descriptor.Replicas.Where(r => r.Role != ReplicaRole.Learner).Select(r => r.Node)];
        int later = known.Count(r => r.Status.Term > leader.Term && voters.Contains(r.Status.Node));
        return 2 * later > voters.Length;
    }
}
