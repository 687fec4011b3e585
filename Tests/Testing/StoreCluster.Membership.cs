using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Testing;

/// <content>Changing who belongs to a group, and to the cluster.</content>
public sealed partial class StoreCluster
{
    private readonly List<NodeName> _joined = [];
    private readonly HashSet<NodeName> _gone = [];
    private readonly HashSet<NodeName> _replaced = [];

    /// <summary>All nodes: those that form the cluster and those that joined it, but for those that are gone for
    /// good.</summary>
    public IEnumerable<NodeName> AllNames => Names.Concat(_joined).Where(name => !_gone.Contains(name));

    /// <summary>A group as the replica describes it that knows most; null if none is up.</summary>
    public GroupDescriptor? FindDescriptor(GroupId group) => Nodes.Values
        .Select(node => node.Find(group)?.Descriptor).OfType<GroupDescriptor>()
        .Where(descriptor => descriptor.Replicas.Count > 0)
        .MaxBy(descriptor => (descriptor.RangeVersion, descriptor.ConfigVersion));

    /// <summary>Starts a node that none of the others knows; it waits until they let it in.</summary>
    public void StartJoiningNode(NodeName name)
    {
        _joined.Add(name);
        MakeMedium(name);
        _clocks[name] = new NodeClock(Time, Scheduler.CreateLane());
        StartNode(name);
    }

    /// <summary>A node that is down gets an empty disk and will join as a new one under its name.</summary>
    public void ReplaceNode(NodeName name)
    {
        StopEarlier(name);
        MediumOf(name).Wipe();
        _replaced.Add(name);
    }

    /// <summary>A node that is down never comes back, nor does its disk.</summary>
    public void ForgetNode(NodeName name)
    {
        if (_lives.ContainsKey(name)) throw new InvalidOperationException($"{name} is up.");
        _gone.Add(name);
        StartFailure.Remove(name);
        StopEarlier(name);
        MediumOf(name).Wipe();
    }

    /// <summary>What the controller aims at.</summary>
    public PlacementOptions Placement => _options.Controller?.Placement ?? new PlacementOptions();

    /// <summary>Whether a node is up or starting.</summary>
    public bool IsUp(NodeName name) => _lives.ContainsKey(name);

    /// <summary>Whether a node is up and belongs to the cluster.</summary>
    public bool IsFormed(NodeName name) =>
        Nodes.TryGetValue(name, out StoreNode? node) && node.Formed.IsCompletedSuccessfully;

    /// <summary>An administrator's way to the controller, over a network that may lose its requests and their
    /// answers.</summary>
    public AdministrationClient CreateAdministrator(TimeSpan timeout) => new(new ClientConnection(this), Time, timeout);

    /// <summary>Asks a group's leader for a change until it is accepted and done; throws if it makes no sense, or after
    /// <paramref name="limit"/>.</summary>
    public void ChangeMembers(GroupId group, MembershipChange change, TimeSpan? limit = null)
    {
        TimeSpan end = Time.Now + (limit ?? TimeSpan.FromSeconds(60));
        MembershipAnswer answer;
        do
        {
            answer = Run(() => ChangeMembersOnceAsync(group, change));
            if (answer.Outcome == MembershipOutcome.Invalid && IsDone(group, change)) return;
            if (answer.Outcome == MembershipOutcome.Invalid || Time.Now > end)
                throw new InvalidOperationException($"{change}: {answer.Outcome} {answer.Problem}");
            if (answer.Outcome != MembershipOutcome.Accepted) RunFor(TickPeriod);
        }
        while (answer.Outcome != MembershipOutcome.Accepted);
        RunUntil(() => IsDone(group, change), end - Time.Now, $"{change} is done");
    }

    /// <summary>Asks a group's leader once.</summary>
    public Task<MembershipAnswer> ChangeMembersOnceAsync(GroupId group, MembershipChange change) =>
        LeaderOf(group) is { } leader && Nodes[leader].Find(group) is { } replica
            ? replica.ChangeMembershipAsync(change)
            : Task.FromResult(new MembershipAnswer(MembershipOutcome.NotLeader, EntryId.Zero, "Nobody leads."));

    /// <summary>Adds a replica on a node that learns; returns its id.</summary>
    public ReplicaId AddLearner(GroupId group, NodeName node)
    {
        var added = new Member(new ReplicaId(FindDescriptor(group)!.HighestReplica.Value + 1), node);
        ChangeMembers(group, new MembershipChange { Add = [added] });
        return added.Id;
    }

    /// <summary>Moves a replica: a learner on the one node catches up and takes the place of the voter on the
    /// other.</summary>
    public ReplicaId MoveReplica(GroupId group, NodeName from, NodeName to)
    {
        ReplicaId removed = FindDescriptor(group)!.Replicas.First(replica => replica.Node == from).Id;
        ReplicaId added = AddLearner(group, to);
        ChangeMembers(group, new MembershipChange { Promote = [added], Remove = [removed] });
        return added;
    }

    private bool IsDone(GroupId group, MembershipChange change)
    {
        GroupDescriptor descriptor = FindDescriptor(group)!;
        ReplicaRole? RoleOf(ReplicaId id) => descriptor.Replicas.Where(replica => replica.Id == id)
            .Select(replica => (ReplicaRole?)replica.Role).FirstOrDefault();
        return change.Add.All(member => RoleOf(member.Id) is not null)
            && change.Promote.All(id => RoleOf(id) == ReplicaRole.Voter)
            && change.Remove.All(id => RoleOf(id) is null);
    }
}
