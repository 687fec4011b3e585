using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// A node's side of the controller: reports to it, wherever it is, carries out its orders, and hands on what is new of
/// the map. Without a controller everything stays as it is. Any thread may call it.
/// </summary>
internal sealed class NodeAgent
{
    // As long as nothing comes back, one after the other is asked.
    private const int PatienceIntervals = 2;

    private readonly IMetaNode _node;
    private readonly ControllerOptions _options;
    private readonly ILogger _logger;
    private readonly ulong _boot;
    private readonly Lock _lock = new();
    private readonly Dictionary<GroupId, GroupReport> _told = [];
    private readonly SortedDictionary<NodeName, NodeRow> _known = [];
    private GroupDescriptor _meta;
    private NodeName _controllerNode;
    private Term _controller;
    private MapRevision _map;
    private TimeSpan _heardAt;
    private TimeSpan _reportedAt = TimeSpan.MinValue / 2;
    private ulong _number;
    private ulong _acknowledged;
    private bool _hasNews = true;

    /// <param name="boot">Tells this life of the node from earlier ones.</param>
    public NodeAgent(IMetaNode node, ControllerOptions options, ILogger logger, ulong boot)
    {
        _node = node;
        _options = options;
        _logger = logger;
        _boot = boot;
        _meta = node.Formation.Meta ?? MetaGroup.FormedBy(node.Formation);
        _controllerNode = _meta.Replicas[0].Node;
        _heardAt = node.Now;
    }

    /// <summary>The meta group, as far as this node has heard.</summary>
    public GroupDescriptor Meta
    {
        get
        {
            lock (_lock) return _meta;
        }
    }

    /// <summary>A group has changed: the controller should hear of it soon.</summary>
    public void NoteChange()
    {
        lock (_lock) _hasNews = true;
    }

    public void Tick(TimeSpan now)
    {
        NodeReport report;
        NodeName to;
        lock (_lock)
        {
            TimeSpan wait = _hasNews ? _options.ReportInterval / 10 : _options.ReportInterval;
            if (now - _reportedAt < wait) return;
            _hasNews = false;
            _reportedAt = now;
            if (_node.Meta is { } own) TakeMeta(own);
            FindController(now);
            report = MakeReport();
            to = _controllerNode;
        }
        _node.Send(to, report);
    }

    /// <summary>Takes the controller's answer.</summary>
    public void Receive(NodeName from, Orders orders)
    {
        lock (_lock)
        {
            // Of an older controller: what it wants may be undone already.
            if (orders.Controller < _controller) return;
            if (orders.Controller > _controller) _map = default;
            _controller = orders.Controller;
            _controllerNode = from;
            _heardAt = _node.Now;
            if (orders.Boot == _boot) _acknowledged = orders.Number;
            // News that do not follow on what is known here would leave a gap.
            if (orders.Since <= _map.Number && orders.Revision > _map.Number)
            {
                foreach (GroupDescriptor group in orders.Groups)
                    if (group.Group == GroupId.Meta) TakeMeta(group);
                bool isWhole = orders.Since == 0;
                if (isWhole) _known.Clear();
                foreach (NodeRow node in orders.Nodes) _known[node.Name] = node;
                _node.Learn(orders, isWhole);
                _map = new MapRevision(orders.Controller, orders.Revision);
            }
        }
        if (orders.ToDo.Count > 0) _node.Start(() => ObeyAsync(orders.ToDo));
    }

    /// <summary>The node asked is not the controller.</summary>
    public void Receive(NodeName from, Redirect redirect)
    {
        lock (_lock)
        {
            TakeMeta(redirect.Meta);
            if (from != _controllerNode) return;
            // One without a replica of the meta group cannot say who leads it, but who may know.
            bool mayLead = _meta.Replicas.Any(replica => replica.Node == from);
            NodeName next = redirect.Leader ?? (mayLead ? from : _meta.Replicas[0].Node);
            if (next == from) return;
            _controllerNode = next;
            _heardAt = _node.Now;
            _hasNews = true;
        }
    }

    /// <summary>The cluster goes on without this node.</summary>
    public void Receive(NodeName from, Dismissal dismissal)
    {
        _node.NoteDismissed(from);
        if (dismissal.ToDo.Count > 0) _node.Start(() => ObeyAsync(dismissal.ToDo));
    }

    private async Task ObeyAsync(IReadOnlyList<Order> orders)
    {
        foreach (Order order in orders)
        {
            string result = await _node.ObeyAsync(order);
            MetaLog.Obeyed(_logger, _node.Name, order.ToString(), result);
        }
        NoteChange();
    }

    private void TakeMeta(GroupDescriptor meta)
    {
        if (meta.Group == GroupId.Meta && meta.ConfigVersion > _meta.ConfigVersion && meta.Replicas.Count > 0)
            _meta = meta;
    }

    /// <summary>Own replica knows best; else, when nothing was heard for long, the next one is asked.</summary>
    private void FindController(TimeSpan now)
    {
        if (_node.MetaLeader is { } leader)
        {
            _controllerNode = leader;
            return;
        }
        if (now - _heardAt < PatienceIntervals * _options.ReportInterval) return;
        _heardAt = now;
        NodeName[] candidates =
        [
            .. _meta.Replicas.Select(replica => replica.Node),
            // The meta group may have moved wholly while this node was down: any node knows better.
            .. _known.Keys, .. _node.Formation.Members.Select(node => node.Name),
        ];
        candidates = [.. candidates.Where(candidate => candidate != _node.Name || _node.Meta is not null).Distinct()];
        if (candidates.Length == 0) return;
        _controllerNode = candidates[(Array.IndexOf(candidates, _controllerNode) + 1) % candidates.Length];
    }

    private NodeReport MakeReport()
    {
        // Only what the controller is known to have heard need not be told again.
        bool isFull = _acknowledged != _number || _number == 0;
        IReadOnlyList<GroupReport> led = _node.LedGroups();
        GroupReport[] news = [.. led.Where(group => isFull || IsNews(group))];
        var ledNow = led.Select(group => group.Group).ToHashSet();
        GroupId[] left = isFull ? [] : [.. _told.Keys.Where(group => !ledNow.Contains(group)).Order()];
        foreach (GroupId group in _told.Keys.Where(group => !ledNow.Contains(group)).ToArray()) _told.Remove(group);
        foreach (GroupReport group in news) _told[group.Group] = group;
        return new NodeReport(
            _boot, ++_number, _map, _node.Zone, isFull, news, left, _node.LeaderlessReplicas(),
            _node.Joining())
        {
            MergeTroubles = _node.MergeTroubles(),
        };
    }

    /// <summary>Sizes and loads are told when they have changed by a twentieth.</summary>
    private bool IsNews(GroupReport group)
    {
        if (!_told.TryGetValue(group.Group, out GroupReport? told)) return true;
        if (ReferenceEquals(told, group)) return false;
        return !told.Descriptor.Equals(group.Descriptor) || told.Term != group.Term || told.Merges != group.Merges
            || Differs(told.Bytes, group.Bytes) || Differs(told.Keys, group.Keys)
            || Differs(told.OperationsPerSecond, group.OperationsPerSecond)
            || (told.LoadSplitKey is null) != (group.LoadSplitKey is null)
            || !told.Members.Select(Essence).SequenceEqual(group.Members.Select(Essence));

        static bool Differs(double before, double now) => Math.Abs(now - before) > 0.05 * before;
    }

    private (ReplicaId, bool, bool) Essence(ModelMember member) =>
        (member.Id, member.IsCaughtUp, member.SilentFor >= _options.Placement.SuspectAfter);
}
