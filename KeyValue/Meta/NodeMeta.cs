using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// What a node has to do with how the cluster looks after itself: its agent, the controller should it lead the meta
/// group, and the way between them and the node's replicas. Any thread may call it.
/// </summary>
internal sealed partial class NodeMeta : IMetaNode, IMergeNode
{
    private const int MaxFramesOnTheirWay = 4;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RecordAgainAfter = TimeSpan.FromSeconds(1);

    private readonly StoreNode _host;
    private readonly StoreNodeOptions _options;
    private readonly BoundedSender _sender;
    private readonly MergeCourier _courier;
    private readonly Lock _lock = new();

    // What was heard of the map, the newest of each.
    private readonly SortedDictionary<NodeName, NodeRow> _nodes = [];
    private readonly SortedDictionary<GroupId, GroupDescriptor> _groups = [];

    // Groups that are no more.
    private readonly HashSet<GroupId> _merged = [];

    // Who belongs to the cluster; null until that was heard. One records it at a time, and again if that failed.
    private FormationNode[]? _members;
    private bool _isRecording;
    private bool _isInDoubt;
    private TimeSpan _recordAt;

    public NodeMeta(StoreNode host, StoreNodeOptions options, ControllerOptions controller, ulong boot)
    {
        _host = host;
        _options = options;
        _sender = new BoundedSender(host.Network, MaxFramesOnTheirWay);
        Controller = new MetaController(this, controller, options.Logger);
        Agent = new NodeAgent(this, controller, options.Logger, boot);
        _courier = new MergeCourier(this);
    }

    public MetaController Controller { get; }

    public NodeAgent Agent { get; }

    public NodeName Name => _host.Name;

    public string Zone => _options.Zone;

    public FormationRecord Formation => _host.Formation;

    public FaultPoints Faults => _host.Faults;

    public TimeSpan Now => _host.Now;

    public Term? MetaTerm => Own is { Report: { } report } ? report.Term : null;

    public GroupDescriptor? Meta => Own is { Descriptor: { IsUnknown: false } descriptor } ? descriptor : null;

    public GroupDescriptor KnownMeta => Agent.Meta;

    public NodeName? MetaLeader => Own?.Leader;

    private Replica? Own => _host.Find(GroupId.Meta) is { StopReason: null } replica ? replica : null;

    public void Tick(TimeSpan now)
    {
        Controller.Tick(now);
        Agent.Tick(now);
        _courier.Tick(now);
        RecordIfNews();
    }

    public void NoteGroupChanged() => Agent.NoteChange();

    /// <summary>Never throws.</summary>
    public async Task<GroupReply> AdministerAsync(Replica asked, GroupRequest request)
    {
        if (asked.Group != GroupId.Meta
            || !AdministrationCodec.TryDecodeRequest(request.Batch.Span, out AdministrationRequest decoded))
            return GroupReply.Of(GroupReplyStatus.Malformed);
        GroupReply reply = await Controller.AdministerAsync(decoded);
        if (reply.Status != GroupReplyStatus.Unavailable) return reply;
        if (asked.Leader is not { } leader) return reply;
        // It leads, and will control as soon as it has read its rows.
        return leader == Name
            ? GroupReply.Of(GroupReplyStatus.Busy)
            : GroupReply.Of(GroupReplyStatus.NotLeader, leader);
    }

    public async Task<IReadOnlyList<KeyValueEntry>?> ReadRowsAsync()
    {
        var rows = new List<KeyValueEntry>();
        byte[] start = [];
        while (Own is { } replica)
        {
            var read = new ReadBatchWriter();
            read.AddScan(ColumnFamily.Default, start, [], limit: 0, reverse: false);
            GroupReply reply = await Attempt.WithinAsync(
                replica.ExecuteAsync(new GroupRequest(RequestKind.LinearizableRead, read.ToArray())), Patience,
                _options.Time);
            if (reply.Status != GroupReplyStatus.Answered) return null;
            OperationAnswer page = OperationAnswer.ReadAll(reply.Answers.Span)[0];
            if (page.Status != AnswerStatus.Page) return null;
            rows.AddRange(page.Rows);
            if (!page.HasMore) return rows;
            start = [.. rows[^1].Key.Span, 0];
        }
        return null;
    }

    public async Task<bool> WriteRowsAsync(IReadOnlyList<WriteOperation> rows)
    {
        if (Own is not { } replica) return false;
        var commands = new CommandBatchWriter();
        commands.AddUnsessioned(Operation.Batch(rows));
        GroupReply reply =
            await Attempt.WithinAsync(replica.WriteOwnAsync(commands.ToArray()), Patience, _options.Time);
        return reply.Status == GroupReplyStatus.Answered
            && OperationAnswer.ReadAll(reply.Answers.Span)[0].Status == AnswerStatus.Ok;
    }

    public void Send(NodeName to, ControlMessage message)
    {
        if (to == Name)
        {
            Start(() =>
            {
                Take(Name, message);
                return Task.CompletedTask;
            });
            return;
        }
        if (_host.Directory.StoreOf(to) is { } store) Send(to, store, message);
    }

    private void Send(NodeName to, StoreId store, ControlMessage message)
    {
        byte[] frame =
            ControlFrame.Encode(new FrameHeader(Formation.Cluster, _host.Storage.StoreId, store), message);
        _sender.TrySend(to, frame);
    }

    public void Start(Func<Task> work) => _ = Task.Factory.StartNew(() => RunAndLogAsync(work),
        CancellationToken.None, TaskCreationOptions.DenyChildAttach, _options.Scheduler);

    /// <summary>Nobody waits for it, so nobody else would hear of a failure.</summary>
    private async Task RunAndLogAsync(Func<Task> work)
    {
        try
        {
            await work();
        }
#pragma warning disable CA1031
        catch (Exception failure)
#pragma warning restore CA1031
        {
            MetaLog.WorkFailed(_options.Logger, failure, Name, failure.Message);
        }
    }

    public IReadOnlyList<GroupReport> LedGroups()
    {
        var led = new List<GroupReport>();
        foreach (Replica replica in _host.Replicas)
            if (replica.Report is { } report) led.Add(report);
        return led;
    }

    public IReadOnlyList<ReplicaSighting> LeaderlessReplicas()
    {
        var found = new List<ReplicaSighting>();
        foreach (Replica replica in _host.Replicas)
        {
            // Of a group that is no more, also one that is asleep.
            bool isOfMerged;
            lock (_lock) isOfMerged = _merged.Contains(replica.Group);
            // One that waits for its first snapshot may wait for a group that has left it out.
            bool isLost = replica.StopReason is null ? replica.Leader is null : replica.Status.Role == "failed";
            if (isLost || isOfMerged)
                found.Add(new ReplicaSighting(replica.Group, replica.Id, replica.Descriptor.ConfigVersion));
        }
        return found;
    }

    public IReadOnlyList<FormationNode> Joining() => _host.Joining;

    public IReadOnlyList<MergeTrouble> MergeTroubles() => _courier.Troubles;

    public async Task<string> ObeyAsync(Order order)
    {
        if (order is RetireOrder retire)
        {
            if (_host.FindOwn(retire.Group)?.Id != retire.Replica) return "it is not here";
            // One that is not open is told again when it is.
            if (_host.Find(retire.Group) is not { } told || told.Id != retire.Replica) return "it is not open";
            told.LeaveFor("the controller says so");
            return "it goes";
        }
        if (_host.Find(order.Group) is not { StopReason: null, Report: { } report } leader)
            return "this node does not lead the group";
        if (order is MergeOrder merge) return await _courier.ObeyAsync(merge);
        if (order is AbandonOrder abandon) return Describe(await leader.AbandonAsync(abandon.Merge));
        if (order is ThawOrder thaw) return Describe(await leader.ThawAsync(thaw.Merge));
        GroupDescriptor group = report.Descriptor;
        switch (order)
        {
            case AddLearnerOrder add when add.ConfigVersion == group.ConfigVersion:
                var id = new ReplicaId(group.HighestReplica.Value + 1);
                return await ChangeAsync(leader, new MembershipChange { Add = [new Member(id, add.Node)] });
            case PromoteOrder promote when promote.ConfigVersion == group.ConfigVersion:
                return await ChangeAsync(leader, new MembershipChange
                {
                    Promote = [promote.Learner],
                    Remove = promote.Removed.IsNone ? [] : [promote.Removed],
                });
            case RemoveReplicaOrder remove when remove.ConfigVersion == group.ConfigVersion:
                return await ChangeAsync(leader, new MembershipChange { Remove = [remove.Replica] });
            case SplitOrder split when split.RangeVersion == group.RangeVersion:
                // Without a type of its own null would become an empty key.
                ReadOnlyMemory<byte>? key = split.Key is { } given ? given : default(ReadOnlyMemory<byte>?);
                SplitAnswer answer = await leader.SplitAsync(key, split.Child, split.RangeVersion);
                return answer.Reason is { } reason ? $"{answer.Status}: {reason}" : answer.Status.ToString();
            case TransferOrder transfer: return (await leader.TransferLeadershipAsync(transfer.To)).ToString();
            default: return $"it is for another version than {group}";
        }
    }

    public void Learn(Orders orders, bool isWhole)
    {
        FormationNode[] members;
        lock (_lock)
        {
            // What a controller forgot was never sure.
            if (isWhole)
            {
                _nodes.Clear();
                _groups.Clear();
                _merged.Clear();
            }
            foreach (NodeRow node in orders.Nodes) _nodes[node.Name] = node;
            foreach (GroupDescriptor group in orders.Groups) _groups[group.Group] = group;
            foreach (MergedGroup gone in orders.Merged)
            {
                _merged.Add(gone.Group);
                _groups.Remove(gone.Group);
            }
            // One that was removed is heard until it is empty: it hands over what it leads.
            var used = _groups.Values.SelectMany(group => group.Replicas).Select(replica => replica.Node).ToHashSet();
            members =
            [
                .. _nodes.Values.Where(node => node.Intent != NodeIntent.Removed || used.Contains(node.Name))
                    .Select(node => new FormationNode(node.Name, node.Store)),
            ];
        }
        foreach (GroupDescriptor group in orders.Groups) _host.Learn(group);
        bool isMember = members.Contains(new FormationNode(Name, _host.Storage.StoreId));
        lock (_lock)
        {
            if (isMember) _members = members;
            else if (FindRemoved(_host.Storage.StoreId) is { Name: var name } && name == Name) NoteDismissed(Name);
        }
        RecordIfNews();
        if (isMember && isWhole) Start(() => RuleOutAsync(orders));
    }

    private async Task RuleOutAsync(Orders map)
    {
        try
        {
            await _host.RuleOutEarlierReplicasAsync(map.Groups, map.Merged, map.NextGroup);
        }
        // The storage failed, or the node stops: everybody here hears of that elsewhere.
        catch (Exception failure) when (failure is IOException or InvalidOperationException)
        {
            MetaLog.NotRecorded(_options.Logger, failure, Name, failure.Message);
        }
    }

    /// <summary>The node that had a store and was removed with it; null if that is none's.</summary>
    public NodeRow? FindRemoved(StoreId store)
    {
        lock (_lock)
            return _nodes.Values.FirstOrDefault(node => node.Store == store && node.Intent == NodeIntent.Removed);
    }

    public void NoteDismissed(NodeName from)
    {
        if (_host.Dismiss()) MetaLog.Dismissed(_options.Logger, Name, from);
    }

    /// <summary>A node that was removed does not know: nobody else listens to it.</summary>
    public void TakeFromRemoved(NodeRow removed, ControlMessage message)
    {
        if (message is not NodeReport report) return;
        RetireOrder[] toDo;
        lock (_lock)
        {
            toDo =
            [
                .. Retirements.Among(report.Leaderless, removed.Name, group => _groups.GetValueOrDefault(group),
                    _merged.Contains),
            ];
        }
        Send(removed.Name, removed.Store, new Dismissal(toDo));
    }

    /// <summary>Records durably, one after the other, who belongs to the cluster and where the meta group is.</summary>
    private void RecordIfNews()
    {
        // The agent calls here under its own lock, so it is never called under this one's.
        GroupDescriptor meta = Agent.Meta;
        lock (_lock)
        {
            if (_isRecording || Now < _recordAt || !IsNews(meta)) return;
            _isRecording = true;
        }
        Start(RecordAsync);
    }

    // Under the lock.
    private bool IsNews(GroupDescriptor meta) => _isInDoubt || meta.ConfigVersion > (Formation.Meta?.ConfigVersion ?? 1)
        || (_members is { } members && !members.SequenceEqual(_host.Directory.Nodes));

    private async Task RecordAsync()
    {
        while (true)
        {
            IReadOnlyList<FormationNode> members;
            GroupDescriptor meta = Agent.Meta;
            lock (_lock)
            {
                _isRecording = IsNews(meta);
                if (!_isRecording) return;
                members = _members ?? _host.Directory.Nodes;
            }
            try
            {
                await _host.RecordClusterAsync(members, meta.ConfigVersion > 1 ? meta : null);
                lock (_lock) _isInDoubt = false;
            }
            // The storage failed, or the node stops: everybody here hears of that elsewhere. Else it is tried again.
            catch (Exception failure) when (failure is IOException or InvalidOperationException)
            {
                MetaLog.NotRecorded(_options.Logger, failure, Name, failure.Message);
                lock (_lock)
                {
                    _isInDoubt = true;
                    _isRecording = false;
                    _recordAt = Now + RecordAgainAfter;
                }
                return;
            }
        }
    }

    private static async Task<string> ChangeAsync(Replica leader, MembershipChange change)
    {
        MembershipAnswer answer = await leader.ChangeMembershipAsync(change);
        return answer.Problem is { } problem ? $"{answer.Outcome}: {problem}" : answer.Outcome.ToString();
    }

    /// <param name="from">The node that sent it, which is known for sure.</param>
    public void Take(NodeName from, ControlMessage message)
    {
        switch (message)
        {
            case NodeReport report: Controller.Receive(from, report); break;
            case Orders orders: Agent.Receive(from, orders); break;
            case Redirect redirect: Agent.Receive(from, redirect); break;
            case MergePart part: Start(() => AbsorbAsync(from, part)); break;
            case MergeReply reply: _courier.Receive(reply); break;
            case Dismissal dismissal: Agent.Receive(from, dismissal); break;
        }
    }
}
