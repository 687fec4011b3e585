using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>What a cluster comes to when nothing goes wrong any more and nobody asks for anything.</summary>
internal static class Rest
{
    /// <summary>In words; null if all is as it should be: each group has its replicas on nodes that stay, and they are
    /// open; no node has any other; the controller knows it all and wants nothing more.</summary>
    public static string? WhatIsMissing(StoreCluster cluster, InvariantChecker invariants)
    {
        foreach (GroupDescriptor group in invariants.Groups)
            if (ProblemOf(cluster, group) is { } problem) return problem;
        foreach ((NodeName name, StoreNode node) in cluster.Nodes)
        {
            foreach (GroupId group in node.OwnGroups)
            {
                ReplicaId here = node.FindOwn(group)!.Id;
                GroupDescriptor? known = invariants.Groups.FirstOrDefault(g => g.Group == group);
                if (known?.Replicas.Any(replica => replica.Node == name && replica.Id == here) != true)
                    return $"{name} has {group} {here}, which {known} does not name";
            }
        }
        return ProblemOfController(cluster, invariants);
    }

    private static string? ProblemOf(StoreCluster cluster, GroupDescriptor group)
    {
        if (cluster.LeaderOf(group.Group) is null)
            return $"nobody leads {group}: "
                + string.Join(", ", group.Replicas.Select(replica => Describe(cluster, group, replica)));
        foreach (ReplicaPlacement placement in group.Replicas)
        {
            if (placement.Role != ReplicaRole.Voter) return $"{group} is changing its replicas: {placement}";
            if (!cluster.Nodes.TryGetValue(placement.Node, out StoreNode? node)
                || node.Find(group.Group) is not { } replica)
                return $"{group}: {placement} is not open";
            if (replica.Id != placement.Id || replica.StopReason is not null)
                return $"{group}: {replica.Id} {replica.StopReason} is on {placement.Node} in place of {placement.Id}";
        }
        return group.Replicas.Count == FormationPlan.ReplicationFactor
            ? null
            : $"{group} has {group.Replicas.Count} replicas";
    }

    private static string Describe(StoreCluster cluster, GroupDescriptor group, ReplicaPlacement placement)
    {
        if (!cluster.Nodes.TryGetValue(placement.Node, out StoreNode? node)) return $"{placement} is down";
        return node.Find(group.Group) is { } replica
            ? $"{placement}: {replica.Id} {replica.Status.Role} in {replica.Status.Term} at {replica.Status.Applied}"
            : $"{placement} is not there";
    }

    private static string? ProblemOfController(StoreCluster cluster, InvariantChecker invariants)
    {
        StoreNode? node = cluster.Nodes.Values.FirstOrDefault(node => node.Meta?.Controller.IsActive == true);
        if (node?.Meta!.Controller.Registry is not { } registry) return "nobody controls the cluster";
        foreach (GroupDescriptor group in invariants.Groups)
        {
            GroupEntry? known = registry.Groups.GetValueOrDefault(group.Group);
            if (known is null || !known.Descriptor.Equals(group))
                return $"the controller takes {group} for {known?.Descriptor.ToString() ?? "nothing"}";
            if (known.Move is { } move) return $"{group} is on the move to {move.To}: {move.Reason}";
        }
        if (registry.Merges.Count > 0) return $"not all merges are over: {registry.Merges.Values.First().Describe()}";
        if (registry.Groups.Count != invariants.Groups.Count) return "the controller knows more groups than there are";
        IReadOnlyList<Decision> decisions =
            PlacementController.Decide(registry.Model(node.Now), cluster.Placement);
        return decisions.Count == 0 ? null : $"the controller wants something: {decisions[0]}";
    }
}
