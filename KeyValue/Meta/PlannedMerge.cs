using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>How far a merge is. Stored as one byte.</summary>
internal enum MergePhase : byte
{
    /// <summary>One group freezes and sends what it has, the other takes it.</summary>
    Running = 0,

    /// <summary>The group that would take the other is to say that it will not.</summary>
    Abandoning = 1,

    /// <summary>It said so: the other is to go on.</summary>
    Abandoned = 2,
}

/// <summary>A merge that is not over; kept durably until it is.</summary>
/// <param name="Id">Never used twice.</param>
/// <param name="Source">The group that ends.</param>
/// <param name="Target">Its neighbour, which takes all it has.</param>
/// <param name="RangeVersion">Of the group that ends: if that changes, the merge is void.</param>
/// <param name="IsAsked">An administrator asked for it.</param>
/// <param name="Reason">Why it began, in words.</param>
/// <param name="Problem">Why it is given up; empty while it is not.</param>
internal sealed record PlannedMerge(MergeId Id, GroupId Source, GroupId Target, ulong RangeVersion, bool IsAsked,
    string Reason, MergePhase Phase = MergePhase.Running, string Problem = "")
{
    /// <summary>A target that has given the merge up is free; the source still has to go on.</summary>
    public bool Concerns(GroupId group) =>
        group == Source || (group == Target && Phase != MergePhase.Abandoned);

    public override string ToString() => $"{Source} is merged into {Target}";
}
