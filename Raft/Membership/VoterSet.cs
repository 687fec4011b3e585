namespace Orleans.Raft.Core;

/// <summary>
/// Who decides. All counting of quorums is here, so that learners (members absent from this set) and joint consensus
/// (two sets, each of which must agree; Thesis §4.3) have one place to go.
/// </summary>
internal sealed class VoterSet
{
    private readonly ReplicaId[] _voters;

    public VoterSet(IReadOnlyList<ReplicaId> voters) => _voters = [.. voters];

    public IReadOnlyList<ReplicaId> Members => _voters;

    public int Count => _voters.Length;

    /// <summary>How many voters are a majority.</summary>
    public int Quorum => (_voters.Length / 2) + 1;

    public bool Contains(ReplicaId replica) => Array.IndexOf(_voters, replica) >= 0;

    /// <summary>The largest value that a quorum has reached. Sorts <paramref name="values"/>, one per voter, in
    /// place.</summary>
    public ulong ReachedByQuorum(Span<ulong> values)
    {
        Invariant.Require(values.Length == _voters.Length, $"{values.Length} values for {_voters.Length} voters");
        values.Sort();
        return values[values.Length - Quorum];
    }
}
