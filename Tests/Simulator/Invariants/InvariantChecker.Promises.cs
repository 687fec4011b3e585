using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Simulator;

/// <content>What replicas promise each other, and whether they remember it after a restart.</content>
internal sealed partial class InvariantChecker
{
    /// <summary>Takes note of a promise at the moment it leaves its node.</summary>
    public void NoteSent(NodeName from, MessageAddress address, RaftMessage message)
    {
        ReplicaRecord record = Of(address.Group).Of(address.From, from);
        switch (message)
        {
            case RequestVote request: NoteVote(address, from, record, request.Term, address.From); break;
            case RequestVoteReply { Granted: true } reply:
                NoteVote(address, from, record, reply.Term, address.To);
                break;
            case AppendEntriesReply reply: NoteAcknowledgement(address, from, record, reply); break;
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

    private void NoteAcknowledgement(
        MessageAddress address, NodeName node, ReplicaRecord record, AppendEntriesReply reply)
    {
        if (reply.Term > record.PromisedTerm) record.PromisedTerm = reply.Term;
        bool isNewer = reply.Term > record.AcknowledgedIn
            || (reply.Term == record.AcknowledgedIn && reply.MatchIndex > record.Acknowledged.Index);
        if (!isNewer || cluster.YoungestReplicaOf(node, address.Group) is not { } replica || replica.Id != address.From
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
        int index = (int)acknowledged.Index.Value;
        bool mustHave = core.Term == record.AcknowledgedIn
            || (index > 0 && index <= group.Committed.Count && group.Committed[index - 1].Term == acknowledged.Term);
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
        record.FailedBefore = cluster.Disks[node].FailedOperations;
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
            || (record.Durable.Value >= index && record.Log[(int)index] == entry.Term);
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
