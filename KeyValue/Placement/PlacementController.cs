using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// Decides where replicas and leaders should be. A pure function of the model: the same model gives the same decisions,
/// whoever decides. What is under way is finished first, then groups are repaired, then split or merged, and only then is
/// load evened out: zones, numbers of replicas, bytes, numbers of leaders.
/// </summary>
/// <remarks>
/// It converges: each move that evens out load lowers, in this order, the zones that groups miss, the sum of squares of
/// the nodes' replicas, that of their bytes, that of their leaders, and raises none that comes before. What nothing
/// lowers does not move.
/// </remarks>
public static class PlacementController
{
    /// <summary>What to do next; empty if nothing is to be done.</summary>
    public static IReadOnlyList<Decision> Decide(ClusterModel model, PlacementOptions options)
    {
        var round = new PlacementRound(model, options);
        var repair = new GroupRepair(round);
        bool needsRepair = repair.Run();
        new SizeSplits(round).Run();
        if (model.IsBalanceOn && !needsRepair) new SmallMerges(round).Run();
        // Evening out while replicas are being replaced would move some of them twice.
        if (model.IsBalanceOn && !needsRepair) new ReplicaBalance(round).Run();
        if (model.IsBalanceOn) new LeaderBalance(round).Run();
        return round.Decisions;
    }

    /// <summary>The node on which one more replica of a group would be best, in place of the one on
    /// <paramref name="from"/>; null if there is none.</summary>
    public static NodeName? FindPlace(ClusterModel model, PlacementOptions options, GroupId group, NodeName? from)
    {
        var round = new PlacementRound(model, options);
        ModelGroup? found = round.Groups.FirstOrDefault(g => g.Group == group);
        return found is null ? null : round.FindPlace(found, from)?.Name;
    }
}
