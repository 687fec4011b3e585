namespace Orleans.Raft.Core;

/// <summary>
/// Who belongs to a group and who decides in it. Immutable, compared by value. While <see cref="IsJoint"/>, elections
/// and commitment need a majority of <see cref="Voters"/> and one of <see cref="Outgoing"/>. Raft §6; Thesis §4.3.
/// </summary>
/// <remarks>Invariant: every list is sorted by id; no replica and no node stands for two members; no learner
/// votes.</remarks>
public sealed class Configuration : IEquatable<Configuration>
{
    /// <summary>Of a replica that was never told of any: a new one, with an empty disk.</summary>
    public static readonly Configuration None = new(0, [], [], []);

    private readonly Member[] _voters;
    private readonly Member[] _outgoing;
    private readonly Member[] _learners;
    private readonly Member[] _members;

    private Configuration(ulong version, Member[] voters, Member[] outgoing, Member[] learners,
        ReplicaId highestReplica = default)
    {
        Version = version;
        _voters = voters;
        _outgoing = outgoing;
        _learners = learners;
        _members = [.. voters.Concat(outgoing).Concat(learners).Distinct().OrderBy(member => member.Id)];
        HighestReplica = _members.Length > 0 && _members[^1].Id > highestReplica ? _members[^1].Id : highestReplica;
    }

    /// <summary>Grows by one with each change; a change of voters is two, into the joint configuration and out of
    /// it.</summary>
    public ulong Version { get; }

    public IReadOnlyList<Member> Voters => _voters;

    /// <summary>The highest id that any replica of the group has or had: only higher ones are new. Invariant: never
    /// falls from one configuration to the next.</summary>
    public ReplicaId HighestReplica { get; }

    /// <summary>The voters before the change that is under way; empty if none is.</summary>
    public IReadOnlyList<Member> Outgoing => _outgoing;

    /// <summary>They get everything and decide nothing. Thesis §4.2.1.</summary>
    public IReadOnlyList<Member> Learners => _learners;

    /// <summary>All of them, each once, sorted by id.</summary>
    public IReadOnlyList<Member> Members => _members;

    public bool IsNone => _voters.Length == 0;

    public bool IsJoint => _outgoing.Length > 0;

    /// <summary>A configuration of these members, in any order.</summary>
    /// <param name="highestReplica">See <see cref="HighestReplica"/>; a member may be higher.</param>
    /// <exception cref="ArgumentException">They cannot be one; the message says why.</exception>
    public static Configuration Create(
        ulong version, IEnumerable<Member> voters, IEnumerable<Member> learners, IEnumerable<Member>? outgoing = null,
        ReplicaId highestReplica = default)
    {
        Configuration made = new(version, Sort(voters), Sort(outgoing ?? []), Sort(learners), highestReplica);
        return made.Problem() is { } problem ? throw new ArgumentException(problem) : made;
    }

    /// <summary>Whether it elects and commits: a voter, or one of the voters before the change under way.</summary>
    public bool IsVoter(ReplicaId replica) => Contains(_voters, replica) || Contains(_outgoing, replica);

    public bool IsLearner(ReplicaId replica) => Contains(_learners, replica);

    /// <summary>Whether it was a member once and never will be again; known for good once this configuration is
    /// committed.</summary>
    public bool HasLeft(ReplicaId replica) => replica <= HighestReplica && !TryFind(replica, out _);

    public bool TryFind(ReplicaId replica, out Member found)
    {
        foreach (Member member in _members)
        {
            found = member;
            if (member.Id == replica) return true;
        }

        found = default;
        return false;
    }

    /// <summary>
    /// What a change leads to, one version later: at once if no voter changes, else through the joint configuration
    /// made by <see cref="JoinedWith"/>.
    /// </summary>
    /// <param name="problem">Why it leads nowhere, if false.</param>
    public bool TryChange(MembershipChange change, out Configuration changed, out string problem)
    {
        ArgumentNullException.ThrowIfNull(change);
        changed = None;
        problem = ProblemOf(change) ?? "";
        if (problem.Length > 0) return false;
        var removed = change.Remove.ToHashSet();
        var promoted = change.Promote.ToHashSet();
        Member[] voters =
        [
            .. _voters.Where(voter => !removed.Contains(voter.Id)),
            .. _learners.Where(learner => promoted.Contains(learner.Id)),
        ];
        Member[] learners =
        [
            .. _learners.Where(learner => !removed.Contains(learner.Id) && !promoted.Contains(learner.Id)),
            .. change.Add,
        ];
        var made = new Configuration(Version + 1, Sort(voters), [], Sort(learners), HighestReplica);
        problem = made.Problem() ?? (made.HasVotersOf(this) ? null : JoinedWith(made).Problem()) ?? "";
        if (problem.Length > 0) return false;
        changed = made;
        return true;
    }

    /// <summary>The joint configuration that leads from this one to <paramref name="target"/>.</summary>
    public Configuration JoinedWith(Configuration target) =>
        new(Version + 1, target._voters, _voters, target._learners, target.HighestReplica);

    /// <summary>What a joint configuration ends in.</summary>
    public Configuration Left() => new(Version + 1, _voters, [], _learners, HighestReplica);

    /// <summary>Whether both are decided by the same voters.</summary>
    public bool HasVotersOf(Configuration other) =>
        _voters.AsSpan().SequenceEqual(other._voters) && _outgoing.AsSpan().SequenceEqual(other._outgoing);

    public byte[] Encode() => ConfigurationCodec.Encode(this);

    /// <summary>False if these are not the bytes of a configuration.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, out Configuration configuration)
    {
        bool read = ConfigurationCodec.TryRead(bytes, out ulong version, out Member[][] lists,
            out ReplicaId highest);
        configuration = None;
        if (!read) return false;
        var made = new Configuration(version, lists[0], lists[1], lists[2], highest);
        if (made.Problem() is not null || (!highest.IsNone && !made.RemembersHighest)) return false;
        configuration = made;
        return true;
    }

    public bool Equals(Configuration? other) => other is not null && Version == other.Version
        && HighestReplica == other.HighestReplica && HasVotersOf(other) && _learners.AsSpan().SequenceEqual(other._learners);

    public override bool Equals(object? obj) => Equals(obj as Configuration);

    public override int GetHashCode() => HashCode.Combine(Version, _voters.Length, _outgoing.Length, _learners.Length);

    public override string ToString()
    {
        string outgoing = IsJoint ? $" instead of {string.Join(' ', _outgoing)}" : "";
        string learners = _learners.Length > 0 ? $" learners {string.Join(' ', _learners)}" : "";
        return IsNone
            ? "no configuration"
            : $"configuration {Version}: {string.Join(' ', _voters)}{outgoing}{learners}";
    }

    /// <summary>Whether <see cref="HighestReplica"/> is that of none of the members.</summary>
    internal bool RemembersHighest => _members.Length == 0 || HighestReplica > _members[^1].Id;

    private string? ProblemOf(MembershipChange change)
    {
        if (change.Add.Count + change.Promote.Count + change.Remove.Count == 0) return "Nothing is to be changed.";
        foreach (Member added in change.Add)
        {
            if (TryFind(added.Id, out _)) return $"{added.Id} is a member already.";
            if (!added.Id.IsNone && HasLeft(added.Id))
            {
                return $"{added.Id} is used up: ids up to {HighestReplica} belong to replicas that are here or were. "
                    + "Take a higher one.";
            }
        }

        foreach (ReplicaId promoted in change.Promote)
            if (!IsLearner(promoted)) return $"{promoted} is no learner, so it cannot be promoted; add it first.";
        foreach (ReplicaId removed in change.Remove)
        {
            if (!TryFind(removed, out _)) return $"{removed} is no member.";
            if (change.Promote.Contains(removed)) return $"{removed} cannot be promoted and removed at once.";
        }

        return null;
    }

    // What no configuration but None may look like.
    private string? Problem()
    {
        if (_voters.Length == 0) return "There must be a voter.";
        if ((Repeated(_voters) ?? Repeated(_outgoing) ?? Repeated(_learners)) is { } repeated)
            return $"{repeated} is named twice, or out of order.";
        // A replica in two lists with one node is one member; else it stands there twice.
        for (int i = 1; i < _members.Length; i++)
            if (_members[i].Id == _members[i - 1].Id) return $"{_members[i].Id} would be on two nodes.";
        foreach (Member learner in _learners)
            if (IsVoter(learner.Id)) return $"{learner.Id} cannot both learn and vote.";
        if (IsJoint && _voters.AsSpan().SequenceEqual(_outgoing))
            return "A joint configuration must change the voters.";
        return ProblemOfNodes();
    }

    private string? ProblemOfNodes()
    {
        var nodes = new HashSet<NodeName>();
        foreach (Member member in _members)
        {
            if (member.Id.IsNone) return "A replica's id must not be 0.";
            if (string.IsNullOrEmpty(member.Node.Value)) return $"{member.Id} is on no node.";
            if (!nodes.Add(member.Node)) return $"{member.Node} would hold two replicas.";
        }

        return null;
    }

    private static ReplicaId? Repeated(Member[] sorted)
    {
        for (int i = 1; i < sorted.Length; i++)
            if (sorted[i].Id <= sorted[i - 1].Id) return sorted[i].Id;
        return null;
    }

    private static bool Contains(Member[] members, ReplicaId replica)
    {
        foreach (Member member in members)
            if (member.Id == replica) return true;
        return false;
    }

    private static Member[] Sort(IEnumerable<Member> members) => [.. members.OrderBy(member => member.Id)];
}
