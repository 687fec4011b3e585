namespace Orleans.Raft.Core;

// Elections, from both sides of the pre-vote. Raft §5.2; Thesis §9.6.
public sealed partial class RaftNode
{
    private readonly HashSet<ReplicaId> _granted = [];
    private readonly HashSet<ReplicaId> _refused = [];

    /// <summary>Asks for the votes of those who follow nobody without waiting for an election timeout: for a replica that
    /// is expected to lead. Nothing happens if a leader is known, while this replica refuses votes itself, or to one that
    /// may not campaign.</summary>
    public void CampaignNow(TimeSpan now)
    {
        Advance(now);
        // It promised a leader that it heard, whose lease may run, not to help another: not even itself.
        if (_now < _refuseVotesUntil) return;
        if (Role is Role.Follower or Role.PreCandidate && Leader.IsNone) Campaign();
    }

    private void Campaign()
    {
        if (!MayCampaign) ForgetLeader();
        else if (!_voters.IsOnly(Id)) BecomePreCandidate();
        else if (Role == Role.Follower) BecomeCandidate(isTransfer: false);
        else ResetElectionDeadline(); // The disk is slow; another term would only make it slower.
    }

    // Whoever does not vote waits for others to elect a leader, however long it takes.
    private void ForgetLeader()
    {
        SetLeader(ReplicaId.None);
        ResetElectionDeadline();
    }

    private void HandleTimeoutNow()
    {
        if (MayCampaign) BecomeCandidate(isTransfer: true);
        else Refuse();
    }

    private void BecomePreCandidate()
    {
        Invariant.Require(Role != Role.Leader, $"{Id} leads {Term} and would campaign");
        EnterCampaign(Role.PreCandidate);
        _granted.Add(Id);
        foreach (ReplicaId other in _voters.Members)
        {
            if (other != Id) Send(other, new PreVote(Term.Next(), _log.Last));
        }
    }

    // The own vote counts, and the requests leave, only once term and vote are durable: see PersistCompleted.
    private void BecomeCandidate(bool isTransfer)
    {
        Invariant.Require(Role != Role.Leader, $"{Id} leads {Term} and would campaign");
        SetTerm(Term.Next());
        _votedFor = Id;
        EnterCampaign(Role.Candidate);
        foreach (ReplicaId other in _voters.Members)
        {
            if (other == Id) continue;
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
            case AppendEntries or Heartbeat or InstallSnapshot or FallSilent:
                BecomeFollower(Term, from);
                StepFollower(from, message);
                break;
            case TimeoutNow: HandleTimeoutNow(); break;
            case RequestVoteReply reply: HandleVote(from, Role.Candidate, reply.Granted); break;
            case PreVoteReply: HandleVote(from, Role.PreCandidate, granted: false); break;
            case ReadIndexRequest request: HandleReadIndexRequest(from, request); break;
            case AppendEntriesReply or AppendEntriesRejection or HeartbeatReply or ReadIndexReply or FallenSilent:
                break; // Late.
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
        if (_voters.IsQuorum(_granted))
        {
            if (Role == Role.PreCandidate) BecomeCandidate(isTransfer: false);
            else BecomeLeader();
        }
        else if (_voters.IsRefused(_refused))
        {
            BecomeFollower(Term, ReplicaId.None);
        }
    }
}
