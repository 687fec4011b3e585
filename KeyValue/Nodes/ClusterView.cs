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
        foreach (GroupDescriptor placed in GroupsIn(formation, views))
        {
            ReplicaView[] known =
                [.. views.SelectMany(v => v.Replicas ?? []).Where(r => r.Status.Group == placed.Group)];
            GroupDescriptor descriptor =
                known.Select(r => r.Descriptor).MaxBy(d => (d.RangeVersion, d.ConfigVersion)) ?? placed;
            ReplicaStatus? leader = known.Select(r => r.Status).Where(s => s.Role == "leader").MaxBy(s => s.Term);
            if (leader is not null && 2 * known.Count(r => r.Status.Term > leader.Term) > descriptor.Replicas.Count)
                leader = null;
            Term term = leader?.Term ?? known.Select(r => r.Status.Term).DefaultIfEmpty().Max();
            LogIndex commit = known.Select(r => r.Status.Commit).DefaultIfEmpty().Max();
            groups.Add(new GroupStatus(descriptor.Group, descriptor.Start, descriptor.End, leader?.Node, term, commit));
            replicas.AddRange(known.Select(r => r.Status).OrderBy(r => r.Node));
        }
        return new ClusterStatus(groups, replicas,
            [.. views.Select(v => v.Status ?? new NodeStatus(v.Name, IsUp: false, 0, 0, 0))]);
    }

    /// <summary>Those that the cluster formed with, and those that came since; in the order of their keys.</summary>
    private static IEnumerable<GroupDescriptor> GroupsIn(FormationRecord formation, IReadOnlyList<NodeView> views) =>
        formation.Groups.Concat(views.SelectMany(view => view.Replicas ?? []).Select(replica => replica.Descriptor))
            .GroupBy(descriptor => descriptor.Group)
            .Select(known => known.MaxBy(descriptor => descriptor.RangeVersion)!)
            .OrderBy(group => group.Start, Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b)));
}
