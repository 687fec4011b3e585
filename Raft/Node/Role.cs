namespace Orleans.Raft.Core;

/// <summary>A replica's role. Raft §5.1; pre-candidate: Thesis §9.6.</summary>
public enum Role
{
    Follower,
    PreCandidate,
    Candidate,
    Leader,
}
