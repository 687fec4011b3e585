using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What is known of a merge's groups.</summary>
/// <param name="Source">Null: nobody has reported of it.</param>
/// <param name="Target">Null: nobody has reported of it.</param>
/// <param name="OrderedFor">How long the present controller has been ordering it.</param>
/// <param name="Trouble">Why it cannot succeed; null if nothing says so.</param>
internal readonly record struct MergeView(MergeMarks? Source, MergeMarks? Target, NodeName? SourceLeader,
    NodeName? TargetLeader, TimeSpan OrderedFor, string? Trouble);

internal enum MergeAction
{
    /// <summary>Nothing can be done now.</summary>
    Wait,

    /// <summary>The source's leader is to freeze and send.</summary>
    OrderMerge,

    /// <summary>From now on it is given up, unless it has succeeded.</summary>
    GiveUp,

    /// <summary>The target's leader is to say that it will not take the source.</summary>
    OrderAbandon,

    /// <summary>The target has said so.</summary>
    NoteAbandoned,

    /// <summary>The source's leader is to go on.</summary>
    OrderThaw,

    /// <summary>The target has taken the source, which is no more.</summary>
    NoteTaken,

    /// <summary>Both are as before; it is forgotten.</summary>
    End,
}

/// <param name="Text">For people: what is waited for, or why it is done.</param>
internal readonly record struct MergeStep(MergeAction Action, string Text);

/// <summary>
/// The next step of a merge: a pure function of its row and of what its groups reported. Every order may be lost,
/// doubled and late; the next report shows what became of it.
/// </summary>
/// <remarks>
/// Invariant: whether a merge happens is decided in the target's log alone, by the first of its entries that says so. So
/// the source is thawed only after the target reported that it gave the merge up, and it ends only after the target
/// reported that it took it.
/// </remarks>
internal static class MergeProcess
{
    /// <param name="limit">See <see cref="PlacementOptions.MergeWithin"/>.</param>
    public static MergeStep Next(PlannedMerge merge, in MergeView view, TimeSpan limit, FaultPoints faults = default)
    {
        if (merge.Phase == MergePhase.Abandoned) return NextAbandoned(merge, view);
        if (view.Target is { } target && target.Last == merge.Id)
        {
            return target.HasTaken
                ? new MergeStep(MergeAction.NoteTaken, $"{merge.Target} has taken {merge.Source}")
                : new MergeStep(MergeAction.NoteAbandoned, $"{merge.Target} has given it up");
        }
        return merge.Phase == MergePhase.Abandoning ? NextAbandoning(merge, view) : NextRunning(merge, view, limit, faults);
    }

    private static MergeStep NextRunning(PlannedMerge merge, in MergeView view, TimeSpan limit, FaultPoints faults)
    {
        string? problem = view.Trouble
            ?? (view.OrderedFor >= limit ? $"it has taken more than {limit.TotalSeconds:F0} s" : null);
        if (problem is not null)
        {
            return faults.Has(FaultPoint.ThawWithoutAbandon)
                ? new MergeStep(MergeAction.NoteAbandoned, problem)
                : new MergeStep(MergeAction.GiveUp, problem);
        }
        if (view.SourceLeader is null) return Wait($"{merge.Source} has no leader now");
        if (view.TargetLeader is null) return Wait($"{merge.Target} has no leader now");
        return new MergeStep(MergeAction.OrderMerge, merge.Reason);
    }

    private static MergeStep NextAbandoning(PlannedMerge merge, in MergeView view) => view.TargetLeader is null
        ? Wait($"{merge.Target} has no leader, and only it can say that it did not take {merge.Source}, which waits")
        : new MergeStep(MergeAction.OrderAbandon, merge.Problem);

    private static MergeStep NextAbandoned(PlannedMerge merge, in MergeView view)
    {
        if (view.Source is { } source && source.Last >= merge.Id)
            return new MergeStep(MergeAction.End, merge.Problem);
        return view.SourceLeader is null
            ? Wait($"{merge.Source} has no leader now")
            : new MergeStep(MergeAction.OrderThaw, merge.Problem);
    }

    private static MergeStep Wait(string text) => new(MergeAction.Wait, text);
}
