using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>A merge that is not over, and what the present controller knows of it.</summary>
internal sealed class MergeEntry(PlannedMerge row)
{
    public PlannedMerge Row { get; set; } = row;

    /// <summary>When the present controller ordered it first; null: not yet.</summary>
    public TimeSpan? OrderedAt { get; set; }

    /// <summary>Why it cannot succeed, as one of its groups says.</summary>
    public string? Trouble { get; set; }

    /// <summary>What it waits for; null while it goes on.</summary>
    public string? WaitsFor { get; set; }

    public string Describe()
    {
        string what = Row.Phase == MergePhase.Running
            ? $"{Row}, because {Row.Reason}"
            : $"{Row.Source} is not merged into {Row.Target} after all, because {Row.Problem}";
        return WaitsFor is null ? what : $"{what}; it waits: {WaitsFor}";
    }
}

/// <content>Merges: those that are not over, and the groups that are no more.</content>
internal sealed partial class MetaRegistry
{
    /// <summary>For so long those who ask again hear why a merge failed, instead of beginning another.</summary>
    private static readonly TimeSpan FailureAge = TimeSpan.FromMinutes(1);

    private readonly SortedDictionary<MergeId, MergeEntry> _merges = [];
    private readonly SortedDictionary<GroupId, GroupId> _merged = [];
    private readonly Dictionary<(GroupId, GroupId), (string Problem, TimeSpan At)> _failedMerges = [];

    /// <summary>Those that are not over, by id.</summary>
    public IReadOnlyDictionary<MergeId, MergeEntry> Merges => _merges;

    public ulong NextMerge { get; private set; } = 1;

    /// <summary>The merge that a group is part of; null if it is part of none. Invariant: there is at most one.</summary>
    public MergeEntry? MergeOf(GroupId group)
    {
        foreach (MergeEntry merge in _merges.Values)
            if (merge.Row.Concerns(group)) return merge;
        return null;
    }

    /// <summary>Into which group one was merged that is no more; null if it was not.</summary>
    public GroupId? MergedInto(GroupId group) => _merged.TryGetValue(group, out GroupId into) ? into : null;

    /// <summary>Plans a merge of two neighbours of which neither is part of another.</summary>
    public MergeEntry BeginMerge(GroupId source, GroupId target, bool isAsked, string reason)
    {
        Invariant.Require(MergeOf(source) is null && MergeOf(target) is null && source != target,
            $"{source} and {target} cannot be merged: one of them is part of a merge");
        ulong range = _groups[source].Descriptor.RangeVersion;
        var entry = new MergeEntry(new PlannedMerge(new MergeId(NextMerge), source, target, range, isAsked, reason));
        NextMerge++;
        _merges[entry.Row.Id] = entry;
        _failedMerges.Remove((source, target));
        _failedMerges.Remove((target, source));
        _unwritten.Add(MetaRows.PutNextMerge(NextMerge));
        _unwritten.Add(MetaRows.Put(entry.Row));
        return entry;
    }

    public void SetPhase(MergeEntry entry, MergePhase phase, string problem)
    {
        entry.Row = entry.Row with { Phase = phase, Problem = problem };
        _unwritten.Add(MetaRows.Put(entry.Row));
    }

    /// <summary>The target reported that it has taken the source.</summary>
    public void FinishMerge(MergeEntry entry)
    {
        (MergeId id, GroupId source, GroupId target) = (entry.Row.Id, entry.Row.Source, entry.Row.Target);
        _groups.Remove(source);
        _merges.Remove(id);
        _merged[source] = target;
        _notDurable.Add((++Revision, null, null, new MergedGroup(source, target)));
        // Should only the first of these be written, the next controller comes here again.
        _unwritten.Add(MetaRows.Put(_groups[target].Descriptor));
        _unwritten.Add(MetaRows.Put(new MergedGroup(source, target)));
        _unwritten.Add(MetaRows.DeleteGroup(source));
        _unwritten.Add(MetaRows.DeleteMerge(id));
    }

    /// <summary>Both groups go on as they were.</summary>
    public void EndMerge(MergeEntry entry, TimeSpan now)
    {
        _merges.Remove(entry.Row.Id);
        _failedMerges[(entry.Row.Source, entry.Row.Target)] = (entry.Row.Problem, now);
        // Not again at once.
        foreach (GroupId group in new[] { entry.Row.Source, entry.Row.Target })
            if (_groups.TryGetValue(group, out GroupEntry? known)) known.ChangedAt = now;
        _unwritten.Add(MetaRows.DeleteMerge(entry.Row.Id));
    }

    /// <summary>Why a merge of two groups failed a moment ago, whichever was to take the other; null if none did.</summary>
    public string? FailureOfMerge(GroupId left, GroupId right, TimeSpan now)
    {
        foreach ((GroupId, GroupId) pair in new[] { (left, right), (right, left) })
        {
            if (_failedMerges.TryGetValue(pair, out (string Problem, TimeSpan At) failure) && now - failure.At < FailureAge)
                return failure.Problem;
        }
        return null;
    }

    public MergeView ViewOf(MergeEntry entry, TimeSpan now)
    {
        GroupEntry? source = _groups.GetValueOrDefault(entry.Row.Source);
        GroupEntry? target = _groups.GetValueOrDefault(entry.Row.Target);
        return new MergeView(source?.Report?.Merges, target?.Report?.Merges,
            source is null ? null : LeaderOf(source, now), target is null ? null : LeaderOf(target, now),
            now - (entry.OrderedAt ?? now), entry.Trouble);
    }

    private void LoadMerges(MetaState state, ulong revision)
    {
        NextMerge = state.NextMerge;
        foreach (PlannedMerge merge in state.Merges.Values) _merges[merge.Id] = new MergeEntry(merge);
        foreach ((GroupId group, GroupId into) in state.Merged)
        {
            _merged[group] = into;
            _durablyMerged[group] = (into, revision);
            _groups.Remove(group);
            _durableGroups.Remove(group);
        }
    }
}
