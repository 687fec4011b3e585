using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Simulator;

/// <content>Groups that take over others.</content>
internal sealed partial class InvariantChecker
{
    private readonly Dictionary<MergeId, MergeRecord> _merges = [];

    /// <summary>Groups that were taken over.</summary>
    public int Merges => _groups.Values.Count(group => group.MergedInto is not null);

    private MergeRecord Of(MergeId merge)
    {
        if (!_merges.TryGetValue(merge, out MergeRecord? record)) _merges[merge] = record = new MergeRecord();
        return record;
    }

    private void NoteMerges(GroupRecord group, ReplicaRecord record, NodeName node, Replica replica)
    {
        GroupState state = replica.State;
        MergeState before = record.Merges, now = state.Merges;
        if (now.Frozen is { } frozen) NoteFrozen(group, node, frozen, state);
        bool hasEnded = now.Last != before.Last || now.Outcome != before.Outcome;
        if (hasEnded && now.Outcome == MergeOutcome.Taken) NoteTaken(group, record, node, replica);
        if (hasEnded && now.Outcome == MergeOutcome.Abandoned) NoteAbandoned(group, node, now.Last);
        record.BeforeTakeOver = now.Incoming is { IsComplete: true } incoming
            ? NoteIncoming(group, node, incoming, state)
            : null;
        record.Merges = now;
    }

    /// <summary>A frozen group changes no more.</summary>
    private void NoteFrozen(GroupRecord group, NodeName node, FrozenMerge frozen, GroupState state)
    {
        MergeRecord merge = Of(frozen.Merge);
        merge.Source ??= group.Group;
        GroupStateSnapshot snapshot = state.Snapshot();
        uint checksum = MergeContent.Of(frozen.Merge, snapshot).Checksum;
        merge.Content ??= (snapshot, checksum);
        if (merge.Content is var (_, known) && known != checksum)
            violated($"{node} {group.Group} has changed since it was frozen in {frozen.Merge}");
    }

    /// <summary>What comes to the target is what the source has.</summary>
    private GroupStateSnapshot NoteIncoming(GroupRecord group, NodeName node, IncomingMerge incoming, GroupState state)
    {
        MergeRecord merge = Of(incoming.Merge);
        merge.Source ??= incoming.Source.Group;
        if (merge.Content is var (_, checksum) && checksum != incoming.Checksum)
            violated($"{node} {group.Group} got something in {incoming.Merge} that {merge.Source} never had");
        return state.Snapshot();
    }

    private void NoteTaken(GroupRecord group, ReplicaRecord record, NodeName node, Replica replica)
    {
        MergeId id = replica.State.Merges.Last;
        MergeRecord merge = Of(id);
        if (merge.Abandoned is { } other) violated($"{node} {group.Group} took over in {id}, which {other} had given up");
        if (merge.Source is not { } source)
        {
            violated($"{node} {group.Group} took over in {id}, and nobody was frozen for it");
            return;
        }
        GroupRecord gone = Of(source);
        if (gone.MergedInto is { } into && into != group.Group)
            violated($"{node} {group.Group} took over {source} in {id}, which is part of {into}");
        if (merge.Taken is null)
            trace.Note($"{node} {group.Group} takes over {gone.Descriptor} in {id}");
        merge.Taken ??= (group.Group, node);
        gone.MergedInto = group.Group;
        if (record.BeforeTakeOver is { } before && before.Merges.Incoming?.Merge == id && merge.Content is var (content, _))
            CheckTakeOver(group, node, replica, before, content);
    }

    /// <summary>A merge that its target took is never given up, and its source goes on only after the target gave it
    /// up.</summary>
    private void NoteAbandoned(GroupRecord group, NodeName node, MergeId id)
    {
        MergeRecord merge = Of(id);
        if (merge.Taken is var (target, other))
            violated($"{node} {group.Group} has given {id} up, in which {target} on {other} had taken over {merge.Source}");
        if (merge.Abandoned is not null) return;
        if (merge.Source == group.Group && merge.Content is not null)
            violated($"{node} {group.Group} goes on after {id}, which its target has not given up");
        merge.Abandoned = node;
        trace.Note($"{node} {group.Group} gives {id} up");
    }

    /// <summary>What a target has after it took over is what both had.</summary>
    /// <param name="before">The target, with all that was to come.</param>
    /// <param name="source">What its source had.</param>
    private void CheckTakeOver(GroupRecord group, NodeName node, Replica replica, GroupStateSnapshot before,
        GroupStateSnapshot source)
    {
        MergeId merge = before.Merges.Incoming!.Merge;
        // Other entries may have been applied in the same turn.
        GroupState state = GroupState.From(before, replica.State.Faults);
        GroupStateSnapshot target = before;
        while (state.Merges.Last != merge)
        {
            LogIndex next = state.LastApplied.Index.Next();
            if (next <= replica.Core.Log.Compacted.Index || next > replica.Core.LastApplied) return;
            target = state.Snapshot();
            state.Apply(replica.Core.Log[next], null);
        }
        GroupStateSnapshot after = state.Snapshot();
        for (int i = 0; i < after.Families.Length; i++)
        {
            int missing = Missing(after.Families[i], target.Families[i]) + Missing(after.Families[i], source.Families[i]);
            int expected = target.Families[i].Count + source.Families[i].Count;
            if (missing > 0 || after.Families[i].Count != expected)
                violated($"{node} {group.Group} has {after.Families[i].Count} keys of family {i} after it took over in "
                    + $"{merge}; {expected} there were, and {missing} of these it has not or changed");
        }
        CheckSessions(group, node, merge, after, target, source);
    }

    private static int Missing(OrderedMapSnapshot map, OrderedMapSnapshot expected)
    {
        int missing = 0;
        OrderedMapCursor cursor = expected.Cursor();
        for (bool isAt = cursor.SeekFirst(); isAt; isAt = cursor.MoveNext())
            if (!map.TryGet(cursor.Key, out byte[]? value) || !value.AsSpan().SequenceEqual(cursor.Value)) missing++;
        return missing;
    }

    /// <summary>Sessions travel with a merge, but for those that have expired in either group.</summary>
    private void CheckSessions(GroupRecord group, NodeName node, MergeId merge, GroupStateSnapshot after,
        GroupStateSnapshot target, GroupStateSnapshot source)
    {
        var present = after.Sessions.Select(session => session.Id).ToHashSet();
        int lost = Lost(target, source) + Lost(source, target);
        if (lost > 0) violated($"{node} {group.Group} has lost {lost} sessions when it took over in {merge}");

        int Lost(GroupStateSnapshot some, GroupStateSnapshot others)
        {
            GroupState other = GroupState.From(others, default);
            var theirs = others.Sessions.Select(session => session.Id).ToHashSet();
            return some.Sessions.Count(session => !present.Contains(session.Id)
                && (theirs.Contains(session.Id) || !other.MayHaveForgotten(new SessionId(session.Id))));
        }
    }
}
