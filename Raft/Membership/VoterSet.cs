namespace Orleans.Raft.Core;

/// <summary>
/// Who decides under one configuration: a majority of its voters and, while it is joint, one of the voters before, too.
/// All counting of quorums is here; learners and strangers are not in it. Raft §6; Thesis §4.3.
/// </summary>
internal sealed class VoterSet
{
    private const int StackVoters = 32;

    // Of both majorities, each once: values and votes are counted by their positions here.
    private readonly ReplicaId[] _members;
    private readonly int[] _incoming;
    private readonly int[] _outgoing;
    private readonly FaultPoints _faults;

    public VoterSet(Configuration configuration, FaultPoints faults)
    {
        _faults = faults;
        IEnumerable<Member> incoming = configuration.Voters;
        IEnumerable<Member> outgoing = configuration.Outgoing;
        if (faults.Has(FaultPoint.LearnerCounted)) incoming = incoming.Concat(configuration.Learners);
        if (faults.Has(FaultPoint.JointQuorumCountedAsSimple)) outgoing = [];

        _members = [.. incoming.Concat(outgoing).Select(member => member.Id).Distinct().Order()];
        _incoming = [.. incoming.Select(member => PositionOf(member.Id))];
        _outgoing = [.. outgoing.Select(member => PositionOf(member.Id))];
    }

    public IReadOnlyList<ReplicaId> Members => _members;

    public int Count => _members.Length;

    /// <summary>Where a replica's value belongs; -1 if it does not count.</summary>
    public int PositionOf(ReplicaId replica) => Array.IndexOf(_members, replica);

    /// <summary>Whether this replica decides alone.</summary>
    public bool IsOnly(ReplicaId replica) => _members.Length == 1 && _members[0] == replica;

    /// <summary>The largest value that a quorum has reached. May reorder <paramref name="values"/>, which holds one for
    /// each of <see cref="Members"/>, in their order.</summary>
    public ulong ReachedByQuorum(Span<ulong> values)
    {
        Invariant.Require(values.Length == _members.Length && values.Length > 0,
            $"{values.Length} values for {_members.Length} voters");
        if (_outgoing.Length == 0)
        {
            values.Sort();
            return values[values.Length - MajorityOf(values.Length)];
        }

        return Math.Min(ReachedByMajority(_incoming, values), ReachedByMajority(_outgoing, values));
    }

    /// <summary>Whether those who granted something are a quorum.</summary>
    public bool IsQuorum(HashSet<ReplicaId> granted)
    {
        if (_faults.Has(FaultPoint.RemovedReplicaCounted)) return granted.Count >= MajorityOf(_incoming.Length);
        return HasMajority(_incoming, granted) && (_outgoing.Length == 0 || HasMajority(_outgoing, granted));
    }

    /// <summary>Whether those who refused something keep it from ever getting a quorum.</summary>
    public bool IsRefused(HashSet<ReplicaId> refused) =>
        HasMajority(_incoming, refused) || (_outgoing.Length > 0 && HasMajority(_outgoing, refused));

    private bool HasMajority(int[] voters, HashSet<ReplicaId> agreeing)
    {
        int count = 0;
        foreach (int position in voters)
            if (agreeing.Contains(_members[position])) count++;
        return count >= MajorityOf(voters.Length);
    }

    private static ulong ReachedByMajority(int[] voters, ReadOnlySpan<ulong> values)
    {
        Span<ulong> own = voters.Length <= StackVoters ? stackalloc ulong[voters.Length] : new ulong[voters.Length];
        for (int i = 0; i < own.Length; i++) own[i] = values[voters[i]];
        own.Sort();
        return own[own.Length - MajorityOf(own.Length)];
    }

    private static int MajorityOf(int voters) => (voters / 2) + 1;
}
