using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// Looks after the cluster from the node that leads the meta group: takes reports, keeps the rows, decides once per
/// interval, and sends orders. On any other node it does nothing. All that must outlive it is in the rows; the rest it
/// hears within a report interval. Any thread may call it.
/// </summary>
internal sealed partial class MetaController(IMetaNode node, ControllerOptions options, ILogger logger)
{
    /// <summary>A new controller listens for so many intervals before it changes anything.</summary>
    private const int ListeningIntervals = 3;
    private const int RowsPerWrite = 1000;
    private const int KeptDecisions = 50;
    private const int MostDoublings = 6;

    private static readonly TimeSpan LeastInterval = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly Dictionary<GroupId, byte[]?> _askedSplits = [];
    private readonly Dictionary<GroupId, NodeName> _askedTransfers = [];
    private readonly LinkedList<string> _recent = [];
    private readonly HashSet<(FormationNode, string)> _refusals = [];
    private HashSet<string> _lastRound = [];
    private Task<bool> _lastWrite = Task.FromResult(true);
    private ulong _lastRevision;
    private MetaRegistry? _registry;
    private TimeSpan _decidesFrom;
    private TimeSpan _ranAt;
    private bool _hasNews;

    // Invariant: at most one run goes on; set and cleared under the lock.
    private bool _running;

    // Of the runs that failed one after the other. Only the run touches the first two.
    private int _failures;
    private string? _lastFailure;
    private TimeSpan _retryAt;

    /// <summary>Whether it controls: its rows are read, and its node still leads.</summary>
    public bool IsActive
    {
        get
        {
            lock (_lock) return ActiveRegistry() is not null;
        }
    }

    /// <summary>For checks.</summary>
    internal MetaRegistry? Registry => _registry;

    public void Tick(TimeSpan now)
    {
        lock (_lock)
        {
            if (_registry is not null && _registry.Controller != node.MetaTerm) Resign();
            if (_running || node.MetaTerm is null || now < _retryAt) return;
            TimeSpan wait = _hasNews ? LeastInterval : options.DecisionInterval;
            if (_registry is not null && now - _ranAt < wait) return;
            _running = true;
            _hasNews = false;
            _ranAt = now;
        }
        node.Start(RunAsync);
    }

    /// <summary>Takes a report and answers it, or tells whom to ask.</summary>
    public void Receive(NodeName from, NodeReport report)
    {
        Orders? answer = null;
        lock (_lock)
        {
            if (ActiveRegistry() is { } registry)
            {
                ulong before = registry.Revision;
                if (!registry.Take(from, report, node.Now)) return;
                foreach (FormationNode joining in report.Joining) Join(registry, joining);
                _hasNews |= registry.Revision != before;
                answer = OrdersFor(registry, from, [.. registry.Retirements(from, report.Leaderless)]);
            }
        }
        if (answer is not null) node.Send(from, answer);
        // One that is about to take over says nothing: it will be asked again.
        else if (node.MetaTerm is null) node.Send(from, new Redirect(node.MetaLeader, node.KnownMeta));
    }

    /// <summary>Serves an administrator. Unavailable if this is not the controller, or not yet; Busy while it does not
    /// know enough: then nothing has happened.</summary>
    public async Task<GroupReply> AdministerAsync(AdministrationRequest request)
    {
        AdministrationAnswer answer;
        Term controller;
        lock (_lock)
        {
            if (ActiveRegistry() is not { } registry) return GroupReply.Of(GroupReplyStatus.Unavailable);
            if (DependsOnNodes(request) && registry.IsListening(node.Now)) return GroupReply.Of(GroupReplyStatus.Busy);
            controller = registry.Controller;
            var administration = new MetaAdministration(
                registry, options.Placement, node.Now, _askedSplits, _askedTransfers, [.. _recent]);
            answer = administration.Serve(request);
            _hasNews = true;
        }
        // What it changed counts once it is durable.
        return await WriteAsync(controller)
            ? new GroupReply(GroupReplyStatus.Answered, AdministrationCodec.Encode(answer), node.Name)
            : GroupReply.Of(GroupReplyStatus.Unknown);
    }

    /// <summary>Whether it must be known who is there.</summary>
    private static bool DependsOnNodes(AdministrationRequest request) =>
        request is MoveReplicaRequest or TransferLeaderRequest or DrainNodeRequest or RemoveNodeRequest
            or ReplaceNodeRequest;

    /// <summary>Takes a node into the cluster, if that is possible; the others hear of it with the map, when it is
    /// durable, and tell the node.</summary>
    private void Join(MetaRegistry registry, FormationNode joining)
    {
        if (RefusalOf(registry, joining.Name, joining.Store) is { } refusal)
        {
            if (_refusals.Add((joining, refusal))) MetaLog.JoinRefused(logger, node.Name, joining.Name, refusal);
            return;
        }
        if (registry.Nodes.TryGetValue(joining.Name, out NodeEntry? known) && known.Row.Store == joining.Store) return;
        registry.SetNode(new NodeRow(joining.Name, joining.Store, "", NodeIntent.Member), node.Now);
        MetaLog.Joined(logger, node.Name, joining.Name, joining.Store);
    }

    private static string? RefusalOf(MetaRegistry registry, NodeName name, StoreId store)
    {
        if (registry.Nodes.Values.FirstOrDefault(n => n.Row.Store == store && n.Row.Name != name) is { } other)
            return $"its data directory is that of {other.Row.Name}: give each node a directory of its own.";
        if (!registry.Nodes.TryGetValue(name, out NodeEntry? known)) return null;
        if (known.Row.Store == store)
        {
            return known.Row.Intent == NodeIntent.Removed
                ? $"{name} was removed from the cluster, and its data with it. Start it with an empty data directory."
                : null;
        }
        if (known.Row.Intent != NodeIntent.Removed)
        {
            return $"{name} has an empty or foreign data directory (store {store}); the cluster knows it with store "
                + $"{known.Row.Store}. It must not vote as if it had not lost its disk. Put its data directory back, "
                + $"or, if that is lost, say 'node replace {name}' and start it again.";
        }
        if (!registry.CoversAllKeys())
            return "a group that was just split off has not reported yet, and may have a replica there.";
        GroupDescriptor? left =
            registry.Groups.Values.Select(g => g.Descriptor).FirstOrDefault(g => g.Replicas.Any(r => r.Node == name));
        return left is null
            ? null
            : $"{left.Group} and perhaps others still have a replica on the {name} that was removed. Start it again "
                + "when they are replaced.";
    }

    private async Task RunAsync()
    {
        try
        {
            if (_registry is null) await TakeOverAsync();
            else await DecideAsync();
            _failures = 0;
            _lastFailure = null;
        }
        // The cluster goes on without a controller, but somebody must hear why it has none.
#pragma warning disable CA1031
        catch (Exception failure)
#pragma warning restore CA1031
        {
            // Said once, and tried again ever more rarely: most of what fails here fails until somebody helps.
            if (_lastFailure != failure.Message) MetaLog.Failed(logger, failure, node.Name, failure.Message);
            _lastFailure = failure.Message;
            lock (_lock)
            {
                _retryAt = node.Now + options.DecisionInterval * Math.Pow(2, Math.Min(_failures++, MostDoublings));
                Resign();
            }
        }
        finally
        {
            lock (_lock) _running = false;
        }
    }

    /// <summary>Reads the rows, or writes the first.</summary>
    private async Task TakeOverAsync()
    {
        if (node.MetaTerm is not { } term || await node.ReadRowsAsync() is not { } rows) return;
        var state = new MetaState();
        foreach (KeyValueEntry row in rows) MetaRows.Load(state, row.Key.Span, row.Value.Span);
        lock (_lock)
        {
            if (node.MetaTerm != term) return;
            TimeSpan now = node.Now;
            var registry = new MetaRegistry(term, state, options.Placement, now, _lastRevision + 1, node.Faults);
            if (state.Nodes.Count == 0) registry.Found(node.Formation, options.IsBalanceOn, now);
            _decidesFrom = now + ListeningIntervals * options.ReportInterval;
            _registry = registry;
        }
        MetaLog.TookOver(logger, node.Name, term, rows.Count);
        await WriteAsync(term);
    }

    private async Task DecideAsync()
    {
        var orders = new SortedDictionary<NodeName, List<Order>>();
        Term controller;
        lock (_lock)
        {
            if (ActiveRegistry() is not { } registry) return;
            controller = registry.Controller;
            TimeSpan now = node.Now;
            if (now >= _decidesFrom) Decide(registry, now, orders);
        }
        // Nothing is ordered that a later controller would not know of.
        if (!await WriteAsync(controller)) return;
        foreach ((NodeName to, List<Order> toDo) in orders)
        {
            Orders? message;
            lock (_lock) message = ActiveRegistry() is { } registry ? OrdersFor(registry, to, toDo) : null;
            if (message is not null) node.Send(to, message);
        }
    }

    private void Decide(MetaRegistry registry, TimeSpan now, SortedDictionary<NodeName, List<Order>> orders)
    {
        var round = new HashSet<string>();
        AdvanceMerges(registry, now, orders, round);
        foreach (Decision decision in PlacementController.Decide(registry.Model(now), options.Placement))
        {
            GroupEntry group = registry.Groups[decision.Group];
            // What an administrator wants of a group goes first.
            if (_askedSplits.ContainsKey(decision.Group) && decision is SplitDecision or TransferDecision) continue;
            if (decision is MergeDecision merge)
            {
                Begin(registry, merge, now, round);
                continue;
            }
            if (decision is SplitDecision && registry.Splitting(now).Contains(decision.Group)) continue;
            Note(decision.ToString(), round);
            if (decision is EndMoveDecision) registry.SetMove(decision.Group, null);
            if (decision is RemoveReplicaDecision { GaveUpOn: { } slow }) registry.GiveUp(decision.Group, slow);
            if (decision is AddLearnerDecision { InsteadOf: var from } add && group.Move is null)
                registry.SetMove(decision.Group, new PlannedMove(from, add.Node, IsAsked: false, add.Reason));
            if (registry.LeaderOf(group, now) is { } leader && ToOrder(registry, decision, now) is { } order)
                Add(orders, leader, order);
        }
        foreach ((GroupId id, byte[]? key) in _askedSplits.OrderBy(split => split.Key))
        {
            if (!registry.Groups.TryGetValue(id, out GroupEntry? group)) continue;
            if (registry.MergeOf(id) is not null || registry.LeaderOf(group, now) is not { } leader) continue;
            Note($"{id}: split, because an administrator asked for it", round);
            Add(orders, leader, Split(registry, id, group.Descriptor.RangeVersion, key, now));
        }
        foreach ((GroupId id, NodeName to) in _askedTransfers.OrderBy(transfer => transfer.Key))
        {
            if (!registry.Groups.TryGetValue(id, out GroupEntry? group)) continue;
            if (registry.LeaderOf(group, now) is not { } leader || leader == to) continue;
            Note($"{id}: let the replica on {to} lead, because an administrator asked for it", round);
            Add(orders, leader, new TransferOrder(id, to));
        }
        // Asked again, they are ordered again.
        _askedSplits.Clear();
        _askedTransfers.Clear();
        _lastRound = round;
    }

    private static SplitOrder Split(
        MetaRegistry registry, GroupId group, ulong rangeVersion, byte[]? key, TimeSpan now)
    {
        GroupId child = registry.TakeGroupId();
        registry.NoteSplit(group, child, now);
        return new SplitOrder(group, rangeVersion, key, child);
    }

    private static Order? ToOrder(MetaRegistry registry, Decision decision, TimeSpan now) => decision switch
    {
        AddLearnerDecision add => new AddLearnerOrder(add.Group, add.ConfigVersion, add.Node),
        PromoteDecision promote =>
            new PromoteOrder(promote.Group, promote.ConfigVersion, promote.Learner, promote.Removed),
        RemoveReplicaDecision remove => new RemoveReplicaOrder(remove.Group, remove.ConfigVersion, remove.Replica),
        TransferDecision transfer => new TransferOrder(transfer.Group, transfer.To),
        SplitDecision split => Split(registry, split.Group, split.RangeVersion, split.Key, now),
        _ => null,
    };

    private static void Add(SortedDictionary<NodeName, List<Order>> orders, NodeName to, Order order)
    {
        if (!orders.TryGetValue(to, out List<Order>? list)) orders[to] = list = [];
        list.Add(order);
    }

    /// <summary>Says what was decided, once as long as it is decided again and again.</summary>
    private void Note(string decision, HashSet<string> round)
    {
        round.Add(decision);
        if (_lastRound.Contains(decision)) return;
        MetaLog.Decided(logger, node.Name, decision);
        _recent.AddFirst(decision);
        if (_recent.Count > KeptDecisions) _recent.RemoveLast();
    }

    /// <summary>Writes the changes of rows so far, and waits for those under way; false, and the rows are read again by
    /// whoever controls then, if that is not sure.</summary>
    private async Task<bool> WriteAsync(Term controller)
    {
        Task<bool> writing;
        MetaRegistry? registry;
        ulong revision;
        lock (_lock)
        {
            registry = ActiveRegistry();
            if (registry is null || registry.Controller != controller) return false;
            revision = registry.Revision;
            IReadOnlyList<WriteOperation> rows = registry.TakeUnwritten();
            var parts = new List<Task<bool>>();
            // Proposed under the lock, they are applied in the order of the changes.
            for (int start = 0; start < rows.Count; start += RowsPerWrite)
                parts.Add(node.WriteRowsAsync([.. rows.Skip(start).Take(RowsPerWrite)]));
            _lastWrite = writing = AllAsync(_lastWrite, parts);
        }
        bool written = await writing;
        lock (_lock)
        {
            if (written) registry.MakeDurable(revision);
            else if (_registry?.Controller == controller) Resign();
        }
        return written;
    }

    private static async Task<bool> AllAsync(Task<bool> before, List<Task<bool>> parts)
    {
        bool all = await before;
        foreach (Task<bool> part in parts) all &= await part;
        return all;
    }

    private static Orders OrdersFor(MetaRegistry registry, NodeName to, IReadOnlyList<Order> toDo)
    {
        NodeEntry entry = registry.Nodes[to];
        ulong since = entry.Map.Controller == registry.Controller ? entry.Map.Number : 0;
        ulong taken = entry.IsComplete ? entry.Number : 0;
        return new Orders(registry.Controller, entry.Boot, taken, since, registry.DurableRevision,
            registry.NodesSince(since), registry.GroupsSince(since), toDo)
        {
            Merged = registry.MergedSince(since),
            NextGroup = registry.NextGroup,
        };
    }

    private MetaRegistry? ActiveRegistry() =>
        _registry is { } registry && registry.Controller == node.MetaTerm ? registry : null;

    private void Resign()
    {
        _lastRevision = Math.Max(_lastRevision, _registry?.Revision ?? 0);
        _lastWrite = Task.FromResult(true);
        _registry = null;
        _askedSplits.Clear();
        _askedTransfers.Clear();
        _lastRound = [];
        _refusals.Clear();
    }
}

internal static partial class MetaLog
{
    [LoggerMessage(90, LogLevel.Information, "{Node}: controls the cluster in {Term}, {Rows} rows read")]
    public static partial void TookOver(ILogger logger, NodeName node, Term term, int rows);

    [LoggerMessage(91, LogLevel.Information, "{Node}: {Decision}")]
    public static partial void Decided(ILogger logger, NodeName node, string decision);

    [LoggerMessage(92, LogLevel.Information, "{Node}: {Joined} joins with store {Store}")]
    public static partial void Joined(ILogger logger, NodeName node, NodeName joined, StoreId store);

    [LoggerMessage(93, LogLevel.Information, "{Node}: {Order}: {Result}")]
    public static partial void Obeyed(ILogger logger, NodeName node, string order, string result);

    [LoggerMessage(97, LogLevel.Critical, "{Node}: cannot control the cluster: {Reason}")]
    public static partial void Failed(ILogger logger, Exception failure, NodeName node, string reason);

    [LoggerMessage(95, LogLevel.Warning, "{Node}: {Joining} may not join: {Reason}")]
    public static partial void JoinRefused(ILogger logger, NodeName node, NodeName joining, string reason);

    [LoggerMessage(98, LogLevel.Critical, "{Node}: was removed from the cluster, says {Told}: it serves nothing any "
        + "more, and its replicas go. Stop it; to use it again, start it with an empty data directory")]
    public static partial void Dismissed(ILogger logger, NodeName node, NodeName told);

    [LoggerMessage(99, LogLevel.Error, "{Node}: work for the controller ended early: {Reason}")]
    public static partial void WorkFailed(ILogger logger, Exception failure, NodeName node, string reason);

    [LoggerMessage(96, LogLevel.Error, "{Node}: the cluster's nodes could not be recorded: {Reason}")]
    public static partial void NotRecorded(ILogger logger, Exception failure, NodeName node, string reason);
}
