namespace Orleans.Raft.Core;

// Elections, from both sides of the pre-vote. Raft §5.2; Thesis §9.6.
public sealed partial class RaftNode
{
    private readonly HashSet<ReplicaId> _granted = [];
    private readonly HashSet<ReplicaId> _refused = [];

    private void Campaign()
    {
        if (_voters.Count > 1) BecomePreCandidate();
        else if (Role == Role.Follower) BecomeCandidate(isTransfer: false);
        else ResetElectionDeadline(); // The disk is slow; another term would only make it slower.
    }

    private void BecomePreCandidate()
    {
        Invariant.Require(Role != Role.Leader, $"{Id} leads {Term} and would campaign");
        EnterCampaign(Role.PreCandidate);
        _granted.Add(Id);
        foreach (ReplicaId other in _others) Send(other, new PreVote(Term.Next(), _log.Last));
    }

    // The own vote counts, and the requests leave, only once term and vote are durable: see PersistCompleted.
    private void BecomeCandidate(bool isTransfer)
    {
        Invariant.Require(Role != Role.Leader, $"{Id} leads {Term} and would campaign");
        SetTerm(Term.Next());
        _votedFor = Id;
        EnterCampaign(Role.Candidate);
        foreach (ReplicaId other in _others)
        {
            var request = new RequestVote(Term, _log.Last, isTransfer);
            if (_faults.Has(FaultPoint.VoteRequestBeforeDurable)) Send(other, request);
            else SendWhenTermIsDurable(other, request);
        }
    }

    private void EnterCampaign(Role role)
    {
        Role = role;
        SetLeader(ReplicaId.None);
        _granted.Clear();
        _refused.Clear();
        ResetElectionDeadline();
    }

    private void StepCandidate(ReplicaId from, RaftMessage message)
    {
        switch (message)
        {
            case AppendEntries or Heartbeat or InstallSnapshot:
                BecomeFollower(Term, from);
                StepFollower(from, message);
                break;
            case TimeoutNow: BecomeCandidate(isTransfer: true); break;
            case RequestVoteReply reply: HandleVote(from, Role.Candidate, reply.Granted); break;
            case PreVoteReply: HandleVote(from, Role.PreCandidate, granted: false); break;
            case ReadIndexRequest request: HandleReadIndexRequest(from, request); break;
            case AppendEntriesReply or AppendEntriesRejection or HeartbeatReply or ReadIndexReply: break; // Late.
            default: Refuse(); break;
        }
    }

    private void HandlePreVoteGranted(ReplicaId from, PreVoteReply reply)
    {
        if (reply.Term == Term.Next()) HandleVote(from, Role.PreCandidate, granted: true);
    }

    private void HandleVote(ReplicaId from, Role campaign, bool granted)
    {
        if (Role != campaign) return;
        (granted ? _granted : _refused).Add(from);
        CountVotes();
    }

    private void CountVotes()
    {
        if (_granted.Count >= _voters.Quorum)
        {
            if (Role == Role.PreCandidate) BecomeCandidate(isTransfer: false);
            else BecomeLeader();
        }
        else if (_refused.Count >= _voters.Quorum)
        {
            BecomeFollower(Term, ReplicaId.None);
        }
    }
}
