namespace Orleans.Raft.Core;

// Vote requests are answered the same way whatever the role. Raft §5.2, §5.4.1; Thesis §4.2.3, §9.6.
public sealed partial class RaftNode
{
    // Written with the term; see RaftNode.Persistence for when it is durable.
    private ReplicaId _votedFor;

    private bool HeardLeaderLately => Role == Role.Leader || _now < _refuseVotesUntil;

    private void AnswerPreVote(ReplicaId from, PreVote request)
    {
        bool granted = request.Term > Term && !HeardLeaderLately && request.Last.IsAtLeastAsUpToDateAs(_log.Last);
        Send(from, new PreVoteReply(granted ? request.Term : Term, granted));
    }

    private void AnswerRequestVote(ReplicaId from, RequestVote request)
    {
        bool isSticky = HeardLeaderLately && !request.IsLeadershipTransfer;
        if (request.Term > Term)
        {
            // A live leader is not disrupted: not even the term is taken over.
            if (isSticky) return;
            BecomeFollower(request.Term, ReplicaId.None);
        }

        bool isFree = _votedFor == from || (_votedFor.IsNone && Leader.IsNone && !isSticky);
        if (request.Term < Term || !isFree || !request.Last.IsAtLeastAsUpToDateAs(_log.Last))
        {
            Send(from, new RequestVoteReply(Term, Granted: false));
            return;
        }

        if (Role == Role.PreCandidate) BecomeFollower(Term, ReplicaId.None);
        _votedFor = from;
        ResetElectionDeadline();
        SendWhenTermIsDurable(from, new RequestVoteReply(Term, Granted: true));
    }
}
