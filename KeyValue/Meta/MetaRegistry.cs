using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>A node, and what it last said.</summary>
internal sealed class NodeEntry(NodeRow row, TimeSpan now)
{
    public NodeRow Row { get; set; } = row;

    /// <summary>When it reported last; at first when the controller began to listen, or when it joined.</summary>
    public TimeSpan HeardAt { get; set; } = now;

    /// <summary>To this controller, and not to an earlier one.</summary>
    public bool HasReported { get; set; }

    public ulong Boot { get; set; }

    public ulong Number { get; set; }

    /// <summary>It has told all groups that it leads, and since then every change.</summary>
    public bool IsComplete { get; set; }

    public MapRevision Map { get; set; }

}

/// <summary>A group, and what its leader last said.</summary>
internal sealed class GroupEntry(GroupDescriptor descriptor)
{
    public GroupDescriptor Descriptor { get; set; } = descriptor;

    /// <summary>Null while none reports.</summary>
    public NodeName? Leader { get; set; }

    public GroupReport? Report { get; set; }

    public TimeSpan ReportedAt { get; set; }

    /// <summary>The learner that is to be finished first, and when it was first seen; none if there is none.</summary>
    public (ReplicaId Id, TimeSpan Since) Learner { get; set; }

    /// <summary>The node on which its last learner was given up; null if none was.</summary>
    public NodeName? GaveUpOn { get; set; }

    public PlannedMove? Move { get; set; }

    /// <summary>When its range or its replicas changed last, as far as this controller has heard.</summary>
    public TimeSpan ChangedAt { get; set; }
}

/// <summary>
/// What the controller knows: the meta group's rows, and beside them what nodes report and nobody keeps. Changes to
/// rows gather until they are written. Not thread-safe.
/// </summary>
internal sealed partial class MetaRegistry
{
    private static readonly TimeSpan SplitPatience = TimeSpan.FromSeconds(5);

    private readonly SortedDictionary<NodeName, NodeEntry> _nodes = [];
    private readonly SortedDictionary<GroupId, GroupEntry> _groups = [];
    private readonly List<WriteOperation> _unwritten = [];

    // What nodes are told, each with the revision in which it changed last: what is durable. The changes that are not
    // yet are in the list, in their order.
    private readonly SortedDictionary<NodeName, (NodeRow Row, ulong Revision)> _durableNodes = [];
    private readonly SortedDictionary<GroupId, (GroupDescriptor Group, ulong Revision)> _durableGroups = [];
    private readonly SortedDictionary<GroupId, (GroupId Into, ulong Revision)> _durablyMerged = [];
    private readonly List<(ulong Revision, NodeRow? Node, GroupDescriptor? Group, MergedGroup? Merged)> _notDurable = [];
    private readonly Dictionary<GroupId, (GroupId Parent, TimeSpan At)> _splitting = [];
    private readonly PlacementOptions _options;
    private readonly FaultPoints _faults;

    /// <param name="revision">Above all that was told under this controller before.</param>
    public MetaRegistry(Term controller, MetaState state, PlacementOptions options, TimeSpan now, ulong revision = 1,
        FaultPoints faults = default)
    {
        Controller = controller;
        _options = options;
        _faults = faults;
        NextGroup = state.NextGroup;
        IsBalanceOn = state.IsBalanceOn;
        Revision = revision;
        // Where nothing was written yet, nothing is told.
        DurableRevision = state.Nodes.Count == 0 ? 0 : revision;
        foreach (NodeRow row in state.Nodes.Values)
        {
            _nodes[row.Name] = new NodeEntry(row, now);
            _durableNodes[row.Name] = (row, revision);
        }
        foreach (GroupDescriptor group in state.Groups.Values)
        {
            NoteLearner(_groups[group.Group] = new GroupEntry(group) { ChangedAt = now }, now);
            _durableGroups[group.Group] = (group, revision);
        }
        foreach ((GroupId child, GroupId parent) in state.Splits) _splitting[child] = (parent, now);
        foreach ((GroupId group, PlannedMove move) in state.Moves)
            if (_groups.TryGetValue(group, out GroupEntry? entry)) entry.Move = move;
        LoadMerges(state, revision);
    }

    public Term Controller { get; }

    public ulong Revision { get; private set; }

    /// <summary>All changes up to it are durable: nodes are told of these alone.</summary>
    public ulong DurableRevision { get; private set; }

    public bool IsBalanceOn { get; private set; }

    public uint NextGroup { get; private set; }

    /// <summary>Reports of groups that were refused because a newer one is known.</summary>
    public long StaleReports { get; private set; }

    public bool HasUnwritten => _unwritten.Count > 0;

    public IReadOnlyDictionary<NodeName, NodeEntry> Nodes => _nodes;

    public IReadOnlyDictionary<GroupId, GroupEntry> Groups => _groups;

    /// <summary>What a cluster begins with.</summary>
    public void Found(FormationRecord formation, bool isBalanceOn, TimeSpan now)
    {
        foreach (FormationNode node in formation.Nodes)
            SetNode(new NodeRow(node.Name, node.Store, "", NodeIntent.Member), now);
        foreach (GroupDescriptor group in formation.Groups)
            SetGroup(new GroupEntry(group) { ChangedAt = now }, group);
        GroupDescriptor meta = MetaGroup.FormedBy(formation);
        SetGroup(new GroupEntry(meta), meta);
        SetBalance(isBalanceOn);
    }

    /// <summary>Adds a node, or changes what is wanted of one.</summary>
    public void SetNode(NodeRow row, TimeSpan now)
    {
        if (!_nodes.TryGetValue(row.Name, out NodeEntry? entry)) _nodes[row.Name] = entry = new NodeEntry(row, now);
        if (entry.Row.Store != row.Store) entry.HeardAt = now;
        entry.Row = row;
        _notDurable.Add((++Revision, row, null, null));
        _unwritten.Add(MetaRows.Put(row));
    }

    public void SetBalance(bool isOn)
    {
        IsBalanceOn = isOn;
        _unwritten.Add(MetaRows.PutBalance(isOn));
    }

    public void SetMove(GroupId group, PlannedMove? move)
    {
        _groups[group].Move = move;
        _unwritten.Add(move is null ? MetaRows.DeleteMove(group) : MetaRows.Put(group, move));
    }

    /// <summary>A group's learner is given up; the next one is tried elsewhere, if there is another place.</summary>
    public void GiveUp(GroupId group, NodeName node)
    {
        _groups[group].GaveUpOn = node;
        if (_groups[group].Move is not null) SetMove(group, null);
    }

    /// <summary>A number that no group ever had.</summary>
    public GroupId TakeGroupId()
    {
        var taken = new GroupId(NextGroup);
        NextGroup++;
        _unwritten.Add(MetaRows.PutNextGroup(NextGroup));
        return taken;
    }

    /// <summary>A split is ordered: it counts as under way until its child reports, or for a while should the order be
    /// lost or refused. The next controller knows of it, too.</summary>
    public void NoteSplit(GroupId parent, GroupId child, TimeSpan now)
    {
        _splitting[child] = (parent, now);
        _unwritten.Add(MetaRows.PutSplit(child, parent));
    }

    /// <summary>The groups that are being split.</summary>
    public IReadOnlyCollection<GroupId> Splitting(TimeSpan now)
    {
        foreach ((GroupId child, (_, TimeSpan at)) in _splitting.ToArray())
        {
            if (!_groups.ContainsKey(child) && now - at < SplitPatience) continue;
            _splitting.Remove(child);
            _unwritten.Add(MetaRows.DeleteSplit(child));
        }
        return [.. _splitting.Values.Select(split => split.Parent)];
    }

    /// <summary>Hands over the changes of rows that are not written yet.</summary>
    public IReadOnlyList<WriteOperation> TakeUnwritten()
    {
        WriteOperation[] taken = [.. _unwritten];
        _unwritten.Clear();
        return taken;
    }

    /// <summary>The rows of all changes up to a revision are written.</summary>
    public void MakeDurable(ulong revision)
    {
        foreach ((ulong at, NodeRow? node, GroupDescriptor? group, MergedGroup? merged) in _notDurable)
        {
            if (at > revision) break;
            if (node is not null) _durableNodes[node.Name] = (node, at);
            if (group is not null) _durableGroups[group.Group] = (group, at);
            if (merged is not { } gone) continue;
            _durableGroups.Remove(gone.Group);
            _durablyMerged[gone.Group] = (gone.Into, at);
        }
        _notDurable.RemoveAll(change => change.Revision <= revision);
        DurableRevision = Math.Max(DurableRevision, revision);
    }

    /// <summary>The durable nodes that changed after a revision.</summary>
    public IReadOnlyList<NodeRow> NodesSince(ulong revision) =>
        [.. _durableNodes.Values.Where(node => node.Revision > revision).Select(node => node.Row)];

    /// <summary>The durable groups that changed after a revision.</summary>
    public IReadOnlyList<GroupDescriptor> GroupsSince(ulong revision) =>
        [.. _durableGroups.Values.Where(group => group.Revision > revision).Select(group => group.Group)];

    /// <summary>The groups that the map durably lost after a revision.</summary>
    public IReadOnlyList<MergedGroup> MergedSince(ulong revision) =>
    [
        .. _durablyMerged.Where(merged => merged.Value.Revision > revision)
            .Select(merged => new MergedGroup(merged.Key, merged.Value.Into)),
    ];

    /// <summary>Takes in what a node reports; false if the node is not of this cluster.</summary>
    public bool Take(NodeName from, NodeReport report, TimeSpan now)
    {
        if (!_nodes.TryGetValue(from, out NodeEntry? node)) return false;
        // Frames overtake each other; what an older one says was true before.
        if (report.Boot == node.Boot && report.Number <= node.Number) return true;
        node.HeardAt = now;
        node.HasReported = true;
        // A change that was told in a report that got lost is missing.
        node.IsComplete = report.IsFull
            || (node.IsComplete && report.Boot == node.Boot && report.Number == node.Number + 1);
        node.Boot = report.Boot;
        node.Number = report.Number;
        node.Map = report.Map;
        if (node.Row.Zone != report.Zone) SetNode(node.Row with { Zone = report.Zone }, now);
        if (report.IsFull)
        {
            var led = report.Groups.Select(group => group.Group).ToHashSet();
            foreach (GroupEntry entry in _groups.Values)
                if (entry.Leader == from && !led.Contains(entry.Descriptor.Group)) entry.Leader = null;
        }
        foreach (GroupId group in report.Left)
            if (_groups.TryGetValue(group, out GroupEntry? entry) && entry.Leader == from) entry.Leader = null;
        foreach (GroupReport group in report.Groups) Take(from, group, now);
        foreach (MergeTrouble trouble in report.MergeTroubles)
            if (_merges.TryGetValue(trouble.Merge, out MergeEntry? merge)) merge.Trouble ??= trouble.Reason;
        return true;
    }

    /// <summary>Replicas that believe to be members of a group that has left them out, and all those of a group that is no
    /// more.</summary>
    /// <param name="node">Where they are.</param>
    public IEnumerable<RetireOrder> Retirements(NodeName node, IReadOnlyList<ReplicaSighting> sightings) =>
        KeyValue.Retirements.Among(sightings, node, group => _groups.GetValueOrDefault(group)?.Descriptor,
            _durablyMerged.ContainsKey);

    public ClusterModel Model(TimeSpan now) => new(
        [.. _nodes.Values.Select(node => new ModelNode(
            node.Row.Name, node.Row.Zone, node.Row.Intent, SilentFor(node, now)))],
        [.. _groups.Values.Select(entry => ModelOf(entry, now))], IsBalanceOn);

    /// <summary>It is not known yet who is there: until each node, also one that just joined, has reported or had time
    /// to.</summary>
    public bool IsListening(TimeSpan now) => _nodes.Values.Any(node => !node.HasReported
        && node.Row.Intent != NodeIntent.Removed && now - node.HeardAt < _options.SuspectAfter);

    /// <summary>For people: one that had no time to report yet is as it was.</summary>
    public NodeState StateOf(NodeName node, TimeSpan now) => _nodes.TryGetValue(node, out NodeEntry? entry)
        ? new ModelNode(node, entry.Row.Zone, entry.Row.Intent, now - entry.HeardAt).StateBy(_options)
        : NodeState.Removed;

    /// <summary>Whether a node reports, whatever is wanted of it.</summary>
    public bool Reports(NodeName node, TimeSpan now) =>
        _nodes.TryGetValue(node, out NodeEntry? entry) && SilentFor(entry, now) < _options.SuspectAfter;

    /// <summary>The leader that a group has now, as far as its node still reports.</summary>
    public NodeName? LeaderOf(GroupEntry entry, TimeSpan now) =>
        entry.Leader is { } leader && Reports(leader, now) ? leader : null;

    /// <summary>The group that owns a key.</summary>
    public GroupEntry? Find(ReadOnlySpan<byte> key)
    {
        GroupEntry? found = null;
        foreach (GroupEntry entry in _groups.Values)
        {
            if (entry.Descriptor.Group == GroupId.Meta || !entry.Descriptor.Contains(key)) continue;
            if (found is null || entry.Descriptor.RangeVersion > found.Descriptor.RangeVersion) found = entry;
        }
        return found;
    }

    /// <summary>Whether each key is in a group that is known. A group that was just split off has replicas where its parent
    /// had some then; until it reports, nobody knows that a node is empty.</summary>
    public bool CoversAllKeys()
    {
        byte[]? end = [];
        foreach (GroupDescriptor group in _groups.Values.Select(entry => entry.Descriptor)
            .Where(group => group.Group != GroupId.Meta)
            .OrderBy(group => group.Start, Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b))))
        {
            if (end is null) break;
            if (group.Start.AsSpan().SequenceCompareTo(end) > 0) return false;
            if (group.End.Length == 0) end = null;
            else if (group.End.AsSpan().SequenceCompareTo(end) > 0) end = group.End;
        }
        return end is null;
    }

    /// <summary>Nobody is counted on who has not reported.</summary>
    private TimeSpan SilentFor(NodeEntry node, TimeSpan now)
    {
        TimeSpan silent = now - node.HeardAt;
        return node.HasReported || silent >= _options.SuspectAfter ? silent : _options.SuspectAfter;
    }

    private ModelGroup ModelOf(GroupEntry entry, TimeSpan now)
    {
        TimeSpan age = now - entry.ReportedAt;
        GroupReport? report = entry.Report;
        return new ModelGroup(entry.Descriptor, LeaderOf(entry, now))
        {
            UnchangedFor = now - entry.ChangedAt,
            IsMerging = MergeOf(entry.Descriptor.Group) is not null,
            Bytes = report?.Bytes ?? 0,
            OperationsPerSecond = report?.OperationsPerSecond ?? 0,
            LoadSplitKey = report?.LoadSplitKey,
            // What is silent stays so between two reports.
            Members = report is null ? [] : [.. report.Members.Select(member =>
                member.SilentFor >= _options.SuspectAfter
                    ? member with { SilentFor = member.SilentFor + age }
                    : member)],
            Move = entry.Move,
            LearnsFor = entry.Learner.Id.IsNone ? TimeSpan.Zero : now - entry.Learner.Since,
            GaveUpOn = entry.GaveUpOn,
        };
    }

    private void Take(NodeName from, GroupReport report, TimeSpan now)
    {
        GroupDescriptor told = report.Descriptor;
        bool isKnown = _groups.TryGetValue(told.Group, out GroupEntry? entry);
        bool isOld = isKnown && (told.RangeVersion < entry!.Descriptor.RangeVersion
            || told.ConfigVersion < entry.Descriptor.ConfigVersion
            || (entry.Report is { } before && report.Term < before.Term && entry.Leader is not null));
        bool isStale = isOld || _merged.ContainsKey(told.Group) || IsOverruled(told);
        if (isStale && !_faults.Has(FaultPoint.StaleDescriptorAccepted))
        {
            StaleReports++;
            return;
        }
        entry ??= new GroupEntry(told);
        if (!isKnown || !entry.Descriptor.Equals(told))
        {
            SetGroup(entry, told);
            entry.ChangedAt = now;
        }
        NoteLearner(entry, now);
        entry.Leader = from;
        entry.Report = report;
        entry.ReportedAt = now;
    }

    private static void NoteLearner(GroupEntry entry, TimeSpan now)
    {
        ReplicaId learner = PlacementRound.FirstLearner(entry.Descriptor)?.Id ?? ReplicaId.None;
        if (entry.Learner.Id != learner) entry.Learner = (learner, now);
    }

    /// <summary>Of ranges that overlap the newer counts.</summary>
    private bool IsOverruled(GroupDescriptor told) => told.Group != GroupId.Meta && _groups.Values.Any(other =>
        other.Descriptor.Group != told.Group && other.Descriptor.Group != GroupId.Meta
        && other.Descriptor.RangeVersion > told.RangeVersion && Overlap(other.Descriptor, told));

    private void SetGroup(GroupEntry entry, GroupDescriptor descriptor)
    {
        entry.Descriptor = descriptor;
        _notDurable.Add((++Revision, null, descriptor, null));
        _groups[descriptor.Group] = entry;
        _unwritten.Add(MetaRows.Put(descriptor));
        if (descriptor.Group.Value >= NextGroup)
        {
            NextGroup = descriptor.Group.Value + 1;
            _unwritten.Add(MetaRows.PutNextGroup(NextGroup));
        }
    }

    private static bool Overlap(GroupDescriptor left, GroupDescriptor right) =>
        IsBelow(left.Start, right.End) && IsBelow(right.Start, left.End);

    private static bool IsBelow(byte[] start, byte[] end) =>
        end.Length == 0 || start.AsSpan().SequenceCompareTo(end) < 0;
}
