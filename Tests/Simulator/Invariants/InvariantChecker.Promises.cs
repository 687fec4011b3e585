using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Simulator;

/// <content>What replicas promise each other, and whether they remember it after a restart.</content>
internal sealed partial class InvariantChecker
{
    /// <summary>Takes note of a promise at the moment it leaves its node.</summary>
    public void NoteSent(NodeName from, MessageAddress address, RaftMessage message) =>
        NotePromise(from, address, message, cluster.YoungestReplicaOf(from, address.Group));

    /// <summary>
    /// As <see cref="NoteSent"/>, of the earlier of two openings of a node's storage. What that promises after the
    /// later one opened it may say late, but it had it on disk before: the later one has it.
    /// </summary>
    public void NoteSentByEarlier(NodeName from, MessageAddress address, RaftMessage message)
    {
        Replica? replica = cluster.EarlierReplicaOf(from, address.Group);
        NotePromise(from, address, message, replica);
        GroupRecord group = Of(address.Group);
        ReplicaRecord record = group.Of(address.From, from);
        // In its own life, or while the later opening is under way, it is held to what that will find.
        if (record.Birth is not { } birth || cluster.Nodes.GetValueOrDefault(from) != birth.Node) return;
        switch (message)
        {
            case RequestVote request: CheckVoteOfEarlier(address, from, birth, request.Term, address.From); break;
            case RequestVoteReply { Granted: true } reply:
                CheckVoteOfEarlier(address, from, birth, reply.Term, address.To);
                break;
            case AppendEntriesReply reply when replica?.Id == address.From
                && replica.Core.Log.TryTermAt(reply.MatchIndex, out Term term):
                CheckAcknowledgementOfEarlier(group, from, birth, reply.Term, new EntryId(term, reply.MatchIndex));
                break;
            default: break;
        }
    }

    private void CheckVoteOfEarlier(
        MessageAddress address, NodeName node, ReplicaBirth birth, Term term, ReplicaId candidate)
    {
        if (term > birth.Term || (term == birth.Term && birth.VotedFor != candidate))
            violated($"{node} {address.Group} voted in {term} for {candidate} after its storage was opened elsewhere, "
                + $"in {birth.Term} with a vote for {birth.VotedFor}");
    }

    private void CheckAcknowledgementOfEarlier(
        GroupRecord group, NodeName node, ReplicaBirth birth, Term term, EntryId acknowledged)
    {
        bool mustHave = term == birth.Term || IsCommitted(group, acknowledged);
        if (term > birth.Term || (mustHave && !birth.Has(acknowledged)))
            violated($"{node} {group.Group} acknowledged {acknowledged} in {term} after its storage was opened "
                + $"elsewhere, in {birth.Term} and without that");
    }

    private static bool IsCommitted(GroupRecord group, EntryId entry) => entry.Index.Value is var index && index > 0
        && index <= (ulong)group.Committed.Count && group.Committed[(int)index - 1].Term == entry.Term;

    private void NotePromise(NodeName from, MessageAddress address, RaftMessage message, Replica? replica)
    {
        ReplicaRecord record = Of(address.Group).Of(address.From, from);
        switch (message)
        {
            case RequestVote request: NoteVote(address, from, record, request.Term, address.From); break;
            case RequestVoteReply { Granted: true } reply:
                NoteVote(address, from, record, reply.Term, address.To);
                break;
            case AppendEntriesReply reply: NoteAcknowledgement(address.From, replica, record, reply); break;
            default: break; // Promises nothing that must outlive a crash.
        }
    }

    /// <summary>Raft §5.2: one vote in a term.</summary>
    private void NoteVote(MessageAddress address, NodeName node, ReplicaRecord record, Term term, ReplicaId candidate)
    {
        if (record.Votes.TryGetValue(term, out ReplicaId other) && other != candidate)
            violated($"{node} {address.Group} voted in {term} for {other} and for {candidate}");
        record.Votes[term] = candidate;
        if (term > record.PromisedTerm) record.PromisedTerm = term;
    }

    private static void NoteAcknowledgement(
        ReplicaId by, Replica? replica, ReplicaRecord record, AppendEntriesReply reply)
    {
        if (reply.Term > record.PromisedTerm) record.PromisedTerm = reply.Term;
        bool isNewer = reply.Term > record.AcknowledgedIn
            || (reply.Term == record.AcknowledgedIn && reply.MatchIndex > record.Acknowledged.Index);
        if (!isNewer || replica is null || replica.Id != by
            || !replica.Core.Log.TryTermAt(reply.MatchIndex, out Term term)) return;
        record.AcknowledgedIn = reply.Term;
        record.Acknowledged = new EntryId(term, reply.MatchIndex);
    }

    /// <summary>A new life must remember what earlier ones promised. Raft figure 2.</summary>
    private void BeginLife(GroupRecord group, ReplicaRecord record, NodeName node, Replica replica)
    {
        RaftNode core = replica.Core;
        if (record.IsRetired) violated($"{node} {group.Group} {record.Id} is back, though it was gone for good");
        if (core.Term < record.PromisedTerm)
            violated($"{node} {group.Group} came back in {core.Term}, but had promised something in "
                + $"{record.PromisedTerm}");
        if (record.Votes.TryGetValue(core.Term, out ReplicaId vote) && core.VotedFor != vote)
            violated($"{node} {group.Group} came back with a vote for {core.VotedFor} in {core.Term}, but had voted for "
                + $"{vote}");
        EntryId acknowledged = record.Acknowledged;
        bool mustHave = core.Term == record.AcknowledgedIn || IsCommitted(group, acknowledged);
        bool has = acknowledged.Index <= core.Log.Compacted.Index
            || (core.Log.TryTermAt(acknowledged.Index, out Term term) && term == acknowledged.Term);
        if (mustHave && !has)
            violated($"{node} {group.Group} came back with a log up to {core.LastEntry}, but had acknowledged "
                + $"{acknowledged} in {record.AcknowledgedIn}");
        CheckDurable(group, record, node, core);
        record.Merges = MergeState.None;
        record.BeforeTakeOver = null;
        NoteMerges(group, record, node, replica);
        NoteRange(group, node, replica.State.Descriptor);
        record.Life = replica;
        record.Birth = cluster.EarlierOf(node) is null ? null : ReplicaBirth.Of(cluster.Nodes[node], core);
        record.FailedBefore = cluster.MediumOf(node).FailedOperations;
        record.Term = Term.Zero;
        record.Commit = LogIndex.Zero;
        record.Applied = LogIndex.Zero;
        record.Role = Role.Follower;
        record.Last = EntryId.Zero;
    }

    /// <summary>What a replica took for durable when it was last seen must be there in its next life.</summary>
    private void CheckDurable(GroupRecord group, ReplicaRecord record, NodeName node, RaftNode core)
    {
        LogIndex durable = record.Durable;
        if (record.Life is null || durable <= core.Log.Compacted.Index) return;
        Term before = record.Log[(int)durable.Value];
        if (!core.Log.TryTermAt(durable, out Term now) || now != before)
            violated($"{node} {group.Group} came back with a log up to {core.LastEntry}, but had taken "
                + $"{new EntryId(before, durable)} for durable");
    }

    /// <summary>Raft §5.3 and §6: committed is what a majority of each configuration in force had on disk; of a disk that
    /// was lost since, too.</summary>
    /// <param name="joint">What the entry brings: left as soon as it is committed, so it decides of itself.</param>
    private void CheckMajority(GroupRecord group, ulong index, ReplicaRecord by, Configuration? joint)
    {
        CommittedEntry entry = group.Committed[(int)index - 1];
        ReplicaRecord leader = group.Replicas.Values
            .FirstOrDefault(record => record.Role == Role.Leader && record.Term == entry.CommittedIn) ?? by;
        if (joint is null ? IsDecidedBy(leader, IsHeldBy) : IsQuorum(joint, IsHeldBy)) return;
        violated($"{group.Group} committed {new EntryId(entry.Term, new LogIndex(index))}, but only "
            + $"{Describe(group.Replicas.Values.Where(HasOnDisk))} had it on disk of "
            + $"{joint ?? leader.Configurations.Now}");

        bool IsHeldBy(Member member) => group.Find(member) is { } record && HasOnDisk(record);

        bool HasOnDisk(ReplicaRecord record) => record.Compacted.Value >= index
            || (record.Durable.Value >= index && record.Log[(int)index] == entry.Term)
            // Written by an opening that is not looked at any more, and acknowledged late.
            || cluster.MediumOf(record.Node).Holds(
                group.Group, record.Id, new EntryId(entry.Term, new LogIndex(index)));
    }

    /// <summary>Raft §5.2 and §6: a majority of each configuration in force voted for the leader.</summary>
    private void CheckElection(GroupRecord group, ReplicaRecord leader, RaftNode core)
    {
        if (IsDecidedBy(leader, VotedForIt)) return;
        violated($"{leader.Node} {group.Group} leads in {core.Term}, but only "
            + $"{Describe(group.Replicas.Values.Where(record => VotedForIt(new Member(record.Id, record.Node))))} voted "
            + $"for it of {leader.Configurations.Now}");

        bool VotedForIt(Member member) => (member.Id == leader.Id && member.Node == leader.Node)
            || (group.Find(member) is { } record && record.Votes.TryGetValue(core.Term, out ReplicaId vote)
                && vote == leader.Id);
    }

    private static bool IsDecidedBy(ReplicaRecord record, Func<Member, bool> agrees) =>
        IsQuorum(record.Configurations.Now, agrees) || IsQuorum(record.Configurations.Before, agrees);

    private static bool IsQuorum(Configuration configuration, Func<Member, bool> agrees) =>
        IsMajority(configuration.Voters, agrees)
        && (!configuration.IsJoint || IsMajority(configuration.Outgoing, agrees));

    private static bool IsMajority(IReadOnlyList<Member> voters, Func<Member, bool> agrees) =>
        2 * voters.Count(agrees) > voters.Count;

    private static string Describe(IEnumerable<ReplicaRecord> replicas) =>
        string.Join(' ', replicas.Select(record => $"{record.Id}@{record.Node}"));

    /// <summary>A disk is gone, and with it every replica on it.</summary>
    public void NoteDestroyed(NodeName node)
    {
        foreach (GroupRecord group in _groups.Values)
        {
            foreach (ReplicaRecord record in group.Replicas.Values.Where(record => record.Node == node))
                record.IsRetired = true;
            foreach (ReplicaPlacement placement in group.Descriptor?.Replicas ?? [])
                if (placement.Node == node) group.Of(placement.Id, node).IsRetired = true;
        }
    }

    private void NoteRetired()
    {
        foreach (GroupRecord group in _groups.Values)
        {
            foreach (ReplicaRecord record in group.Replicas.Values)
            {
                if (record.IsRetired || !cluster.Nodes.TryGetValue(record.Node, out StoreNode? node)) continue;
                // That it is gone may be on its way to the disk: until the second look it has got there, or is late.
                bool isGone = node.Storage is { Failure: null, StalledFor.Ticks: 0 }
                    && node.Storage.FindReplica(group.Group).Removed >= record.Id;
                record.IsRetired = isGone && record.IsRetiring;
                record.IsRetiring = isGone;
            }
        }
    }
}
