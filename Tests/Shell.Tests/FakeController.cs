using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell.Tests;

/// <summary>
/// A controller whose cluster changes as it is told to, a step each time it is asked. It refuses what the real one must
/// refuse. For one thread at a time.
/// </summary>
internal sealed class FakeController
{
    private const int ReplicationFactor = 3;

    private readonly Func<byte[], byte[], long> _bytesOf;
    private readonly List<FakeGroup> _groups = [];
    private readonly SortedDictionary<NodeName, NodeState> _nodes = [];
    private readonly Dictionary<AdministrationRequest, Job> _jobs = [];
    private readonly HashSet<GroupId> _merged = [];
    private readonly List<string> _recent = [];
    private uint _lastGroup;
    private ulong _lastReplica;
    private bool _isOn = true;

    /// <param name="bytesOf">Bytes of keys and values from a start to before an end; empty: unbounded.</param>
    public FakeController(
        IEnumerable<NodeName> nodes, IEnumerable<byte[]> splitKeys, Func<byte[], byte[], long> bytesOf)
    {
        _bytesOf = bytesOf;
        foreach (NodeName node in nodes) _nodes[node] = NodeState.Up;
        Add([], []);
        foreach (byte[] key in splitKeys) Split(key);
    }

    /// <summary>How often what takes its time is still under way when it is asked after.</summary>
    public int StepsPerJob { get; set; } = 1;

    public IReadOnlyList<NodeName> Nodes => [.. _nodes.Keys];

    public IReadOnlyList<GroupOverview> Groups => [.. _groups.Select(g => g.Overview(_bytesOf(g.Start, g.End)))];

    /// <summary>A node joins.</summary>
    public void Join(NodeName node) => _nodes.TryAdd(node, NodeState.Up);

    public void NoteDown(NodeName node) => _nodes[node] = NodeState.Suspect;

    public void NoteUp(NodeName node) => _nodes[node] = NodeState.Up;

    public AdministrationAnswer Answer(AdministrationRequest request)
    {
        try
        {
            return request switch
            {
                ListGroupsRequest => Done("groups") with { Groups = Groups },
                ListNodesRequest => Done("nodes") with { Nodes = [.. _nodes.Select(node => Overview(node.Key))] },
                BalanceStatusRequest => Done("balance") with { Balance = new BalanceOverview(
                    _isOn, [.. _jobs.Values.Select(job => job.Text)], [.. Enumerable.Reverse(_recent)]) },
                SwitchBalanceRequest balance => Switch(balance.On),
                _ => Follow(request),
            };
        }
        catch (AdministrationRefusedException refusal)
        {
            return new AdministrationAnswer(AdministrationStatus.Refused, refusal.Message);
        }
    }

    private AdministrationAnswer Follow(AdministrationRequest request)
    {
        AdministrationRequest asked = request with { IsRepeat = false };
        if (!_jobs.TryGetValue(asked, out Job? job))
        {
            job = Begin(request);
            if (job is null) return Done("it is so already");
            _jobs.Add(asked, job);
        }
        if (job.Steps++ < StepsPerJob)
            return new AdministrationAnswer(AdministrationStatus.UnderWay, $"{job.Text}: step {job.Steps}");
        _jobs.Remove(asked);
        job.Finish();
        _recent.Add(job.Text);
        return Done(job.Text);
    }

    /// <summary>Null if it is so already.</summary>
    private Job? Begin(AdministrationRequest request) => request switch
    {
        SplitRequest split => BeginSplit(split.Key.ToArray(), request.IsRepeat),
        MergeGroupsRequest merge => BeginMerge(merge),
        GrowGroupsRequest grow => _groups.Count >= grow.Target ? null : new Job($"grows to {grow.Target} groups",
            () => GrowTo(grow.Target)),
        MoveReplicaRequest move => BeginMove(move, request.IsRepeat),
        TransferLeaderRequest transfer => BeginTransfer(transfer),
        DrainNodeRequest drain => BeginDrain(drain),
        RemoveNodeRequest remove => BeginRemove(remove.Node, request.IsRepeat, mustBeDown: false),
        ReplaceNodeRequest replace => BeginRemove(replace.Node, request.IsRepeat, mustBeDown: true),
        _ => throw new InvalidOperationException($"{request.GetType().Name} is not known here."),
    };

    private Job? BeginSplit(byte[] key, bool isRepeat)
    {
        if (key.Length > 4096) throw Refused("the key has more than 4096 bytes");
        bool isBoundary = _groups.Any(group => group.Start.AsSpan().SequenceEqual(key));
        if (isBoundary && isRepeat) return null;
        if (isBoundary) throw Refused("the key is the boundary of two groups already");
        return new Job("splits a group", () => Split(key));
    }

    private Job? BeginMerge(MergeGroupsRequest merge)
    {
        if (_merged.Contains(merge.Left) || _merged.Contains(merge.Right)) return null;
        FakeGroup left = Find(merge.Left);
        FakeGroup right = Find(merge.Right);
        if (left.End.Length == 0 || !left.End.AsSpan().SequenceEqual(right.Start))
            throw Refused($"{right.Id} is not the right neighbour of {left.Id}");
        return new Job($"merges {left.Id} and {right.Id}", () =>
        {
            left.End = right.End;
            _groups.Remove(right);
            _merged.Add(right.Id);
        });
    }

    private Job? BeginMove(MoveReplicaRequest move, bool isRepeat)
    {
        FakeGroup group = Find(move.Group);
        Require(move.From);
        Require(move.To);
        bool isMoved = !group.Holds(move.From) && group.Holds(move.To);
        if (isMoved && isRepeat) return null;
        if (!group.Holds(move.From)) throw Refused($"{group.Id} has no replica on {move.From}");
        if (group.Holds(move.To)) throw Refused($"{group.Id} has a replica on {move.To} already");
        if (_nodes[move.To] != NodeState.Up) throw Refused($"{move.To} takes no replicas now");
        return new Job($"moves a replica of {group.Id}", () => Move(group, move.From, move.To));
    }

    private Job? BeginTransfer(TransferLeaderRequest transfer)
    {
        FakeGroup group = Find(transfer.Group);
        Require(transfer.Node);
        if (group.Leader == transfer.Node) return null;
        if (!group.Holds(transfer.Node)) throw Refused($"{group.Id} has no replica on {transfer.Node}");
        return new Job($"lets {transfer.Node} lead {group.Id}", () => group.Leader = transfer.Node);
    }

    private Job? BeginDrain(DrainNodeRequest drain)
    {
        Require(drain.Node);
        if (drain.Undo)
        {
            if (_nodes[drain.Node] == NodeState.Draining) _nodes[drain.Node] = NodeState.Up;
            return null;
        }
        RequireRoomWithout(drain.Node);
        _nodes[drain.Node] = NodeState.Draining;
        return new Job($"drains {drain.Node}", () => Empty(drain.Node));
    }

    private Job? BeginRemove(NodeName node, bool isRepeat, bool mustBeDown)
    {
        if (isRepeat && !_nodes.ContainsKey(node)) return null;
        Require(node);
        if (mustBeDown && _nodes[node] == NodeState.Up) throw Refused($"{node} reports, so it has its disk");
        if (!mustBeDown) RequireRoomWithout(node);
        return new Job($"lets {node} go", () =>
        {
            Empty(node);
            foreach (FakeGroup group in _groups) group.Remove(node);
            _nodes.Remove(node);
        });
    }

    private AdministrationAnswer Switch(bool on)
    {
        _isOn = on;
        return Done(on ? "on" : "off");
    }

    private void GrowTo(int target)
    {
        while (_groups.Count < target)
        {
            FakeGroup largest = _groups.MaxBy(group => group.End.Length == 0 ? 256 : group.End[0] - FirstOf(group))!;
            int middle = (FirstOf(largest) + (largest.End.Length == 0 ? 256 : largest.End[0])) / 2;
            Split([(byte)middle]);
        }
    }

    private static int FirstOf(FakeGroup group) => group.Start.Length == 0 ? 0 : group.Start[0];

    private void Split(byte[] key)
    {
        FakeGroup parent = _groups.Last(group => group.Start.AsSpan().SequenceCompareTo(key) <= 0);
        Add(key, parent.End);
        parent.End = key;
    }

    private void Add(byte[] start, byte[] end)
    {
        NodeName[] homes = [.. _nodes.Where(node => node.Value == NodeState.Up).Take(ReplicationFactor)
            .Select(node => node.Key)];
        _groups.Add(new FakeGroup(new GroupId(++_lastGroup), start, end, [.. homes.Select(Place)], homes[0]));
        _groups.Sort((left, right) => left.Start.AsSpan().SequenceCompareTo(right.Start));
    }

    private void Empty(NodeName node)
    {
        foreach (FakeGroup group in _groups.Where(group => group.Holds(node)))
        {
            if (FindRoom(group, node) is { } room) Move(group, node, room);
        }
    }

    private void Move(FakeGroup group, NodeName from, NodeName to)
    {
        group.Replace(from, Place(to));
        if (group.Leader == from) group.Leader = to;
    }

    private ReplicaPlacement Place(NodeName node) => new(new ReplicaId(++_lastReplica), node);

    private NodeName? FindRoom(FakeGroup group, NodeName besides)
    {
        foreach ((NodeName node, NodeState state) in _nodes)
        {
            if (node != besides && state == NodeState.Up && !group.Holds(node)) return node;
        }
        return null;
    }

    private void RequireRoomWithout(NodeName node)
    {
        FakeGroup? stuck = _groups.Find(group => group.Holds(node) && FindRoom(group, node) is null);
        if (stuck is not null)
            throw Refused($"nowhere is left for the replica of {stuck.Id} on {node}: add a node first");
    }

    private FakeGroup Find(GroupId id) =>
        _groups.Find(group => group.Id == id) ?? throw Refused($"there is no group {id}");

    private void Require(NodeName node)
    {
        if (!_nodes.ContainsKey(node)) throw Refused($"there is no node {node}");
    }

    private NodeOverview Overview(NodeName node) => new(node, Zone: "", _nodes[node],
        _groups.Count(group => group.Holds(node)), _groups.Count(group => group.Leader == node),
        _groups.Where(group => group.Holds(node)).Sum(group => _bytesOf(group.Start, group.End)));

    private static AdministrationAnswer Done(string text) => new(AdministrationStatus.Done, text);

    private static AdministrationRefusedException Refused(string why) => new(why);

    private sealed class Job(string text, Action finish)
    {
        public string Text => text;

        public int Steps { get; set; }

        public void Finish() => finish();
    }

    private sealed class FakeGroup(
        GroupId id, byte[] start, byte[] end, List<ReplicaPlacement> replicas, NodeName leader)
    {
        public GroupId Id => id;

        public byte[] Start => start;

        public byte[] End { get; set; } = end;

        public NodeName Leader { get; set; } = leader;

        public bool Holds(NodeName node) => replicas.Exists(replica => replica.Node == node);

        public void Replace(NodeName node, ReplicaPlacement with)
        {
            replicas.RemoveAll(replica => replica.Node == node);
            replicas.Add(with);
        }

        public void Remove(NodeName node) => replicas.RemoveAll(replica => replica.Node == node);

        public GroupOverview Overview(long bytes) => new(
            new GroupDescriptor(Id, Start, End, RangeVersion: 1, ConfigVersion: 1, [.. replicas]), bytes, Keys: 0,
            Leader, OperationsPerSecond: 0, Operation: null);
    }
}
