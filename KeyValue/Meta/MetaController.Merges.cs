using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Seeing merges through.</content>
internal sealed partial class MetaController
{
    /// <summary>Plans a merge; the next round orders it.</summary>
    private void Begin(MetaRegistry registry, MergeDecision decision, TimeSpan now, HashSet<string> round)
    {
        bool isFree = !registry.Splitting(now).Contains(decision.Group) && !registry.Splitting(now).Contains(decision.Into)
            && !_askedSplits.ContainsKey(decision.Group) && !_askedSplits.ContainsKey(decision.Into);
        if (!isFree) return;
        Note(decision.ToString(), round);
        registry.BeginMerge(decision.Group, decision.Into, isAsked: false, decision.Reason);
        _hasNews = true;
    }

    /// <summary>One at a time: what would wait for another would be frozen for nothing.</summary>
    private void AdvanceMerges(MetaRegistry registry, TimeSpan now, SortedDictionary<NodeName, List<Order>> orders,
        HashSet<string> round)
    {
        MergeEntry? running = null;
        foreach (MergeEntry merge in registry.Merges.Values.ToArray())
        {
            if (merge.Row.Phase == MergePhase.Running)
            {
                if (running is not null)
                {
                    merge.WaitsFor = $"{running.Row} first";
                    continue;
                }
                running = merge;
            }
            Advance(registry, merge, now, orders, round);
        }
    }

    /// <summary>Takes the steps that a merge is ready for. What they write is durable before any of the orders is
    /// sent.</summary>
    private void Advance(MetaRegistry registry, MergeEntry merge, TimeSpan now,
        SortedDictionary<NodeName, List<Order>> orders, HashSet<string> round)
    {
        bool goesOn = true;
        while (goesOn)
        {
            if (merge.Row.Phase == MergePhase.Running) merge.OrderedAt ??= now;
            MergeView view = registry.ViewOf(merge, now);
            MergeStep step = MergeProcess.Next(merge.Row, view, options.Placement.MergeWithin, node.Faults);
            merge.WaitsFor = step.Action == MergeAction.Wait ? step.Text : null;
            Note(Describe(merge.Row, step), round);
            goesOn = Take(registry, merge, step, now);
            if (OrderFor(merge.Row, step.Action, view) is var (to, order)) Add(orders, to, order);
        }
    }

    /// <summary>Changes the rows; true if that leads to another step, false if the merge is over or waits.</summary>
    private static bool Take(MetaRegistry registry, MergeEntry merge, MergeStep step, TimeSpan now)
    {
        switch (step.Action)
        {
            case MergeAction.GiveUp:
                registry.SetPhase(merge, MergePhase.Abandoning, step.Text);
                return true;
            case MergeAction.NoteAbandoned:
                string problem = merge.Row.Problem.Length > 0 ? merge.Row.Problem : step.Text;
                registry.SetPhase(merge, MergePhase.Abandoned, problem);
                return true;
            case MergeAction.NoteTaken:
                registry.FinishMerge(merge);
                return false;
            case MergeAction.End:
                registry.EndMerge(merge, now);
                return false;
            default: return false;
        }
    }

    private static (NodeName To, Order Order)? OrderFor(PlannedMerge merge, MergeAction action, in MergeView view) =>
        action switch
        {
            MergeAction.OrderMerge => (view.SourceLeader!.Value,
                new MergeOrder(merge.Source, merge.Id, merge.RangeVersion, merge.Target, view.TargetLeader!.Value)),
            MergeAction.OrderAbandon => (view.TargetLeader!.Value, new AbandonOrder(merge.Target, merge.Id)),
            MergeAction.OrderThaw => (view.SourceLeader!.Value, new ThawOrder(merge.Source, merge.Id)),
            _ => null,
        };

    private static string Describe(PlannedMerge merge, MergeStep step)
    {
        string what = step.Action switch
        {
            MergeAction.Wait => "waits",
            MergeAction.OrderMerge => $"{merge.Source} freezes and sends what it has",
            MergeAction.GiveUp => "give it up",
            MergeAction.OrderAbandon => $"{merge.Target} is to say that it does not take {merge.Source}",
            MergeAction.NoteAbandoned => $"{merge.Target} does not take {merge.Source}",
            MergeAction.OrderThaw => $"{merge.Source} is to go on",
            MergeAction.NoteTaken => $"{merge.Source} is no more",
            _ => "both go on as before",
        };
        return $"{merge.Source}: merge into {merge.Target}: {what}, because {step.Text}";
    }
}
