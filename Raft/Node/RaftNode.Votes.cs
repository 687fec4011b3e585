namespace Orleans.Raft.Core;

// Vote requests are answered the same way whatever the role. Raft §5.2, §5.4.1; Thesis §4.2.3, §9.6.
public sealed partial class RaftNode
{
    // Written with the term; see RaftNode.Persistence for when it is durable.
    private ReplicaId _votedFor;

    private bool HeardLeaderLately => Role == Role.Leader
        || (_now < _refuseVotesUntil && !_faults.Has(FaultPoint.VoteWhileLeaderLives));

    private void AnswerPreVote(ReplicaId from, PreVote request)
    {
        bool granted = request.Term > Term && !HeardLeaderLately && IsUpToDate(request.Last);
        Send(from, new PreVoteReply(granted ? request.Term : Term, granted));
    }

    private void AnswerRequestVote(ReplicaId from, RequestVote request)
    {
        // A removed replica that was told to campaign long ago disrupts nobody.
        bool isTransfer = request.IsLeadershipTransfer && Configuration.IsVoter(from);
        bool isSticky = HeardLeaderLately && !isTransfer;
        if (request.Term > Term)
        {
            // A live leader is not disrupted: not even the term is taken over.
            if (isSticky) return;
            BecomeFollower(request.Term, ReplicaId.None);
        }

        bool hasVote = _votedFor.IsNone || _faults.Has(FaultPoint.TwoVotesInOneTerm);
        bool isFree = _votedFor == from || (hasVote && Leader.IsNone && !isSticky);
        if (request.Term < Term || !isFree || !IsUpToDate(request.Last))
        {
            Send(from, new RequestVoteReply(Term, Granted: false));
            return;
        }

        if (Role == Role.PreCandidate) BecomeFollower(Term, ReplicaId.None);
        _votedFor = from;
        ResetElectionDeadline();
        var vote = new RequestVoteReply(Term, Granted: true);
        if (_faults.Has(FaultPoint.VoteBeforeDurable)) Send(from, vote);
        else SendWhenTermIsDurable(from, vote);
    }

    private bool IsUpToDate(EntryId last) =>
        last.IsAtLeastAsUpToDateAs(_log.Last) || _faults.Has(FaultPoint.UpToDateCheckDropped);
}
