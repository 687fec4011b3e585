namespace Orleans.Raft.Core;

/// <summary>What a replica must remember besides its log. Raft figure 2, "persistent state".</summary>
/// <param name="VotedFor">Invariant: set at most once per term, and durable before the vote is sent or counted. Raft
/// §5.2.</param>
/// <param name="Commit">A hint that saves work after a restart. Invariant: never beyond the durable log.</param>
public readonly record struct HardState(Term Term, ReplicaId VotedFor, LogIndex Commit);
