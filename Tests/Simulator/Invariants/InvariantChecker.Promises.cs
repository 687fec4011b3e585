using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Simulator;

/// <content>What replicas promise each other, and whether they remember it after a restart.</content>
internal sealed partial class InvariantChecker
{
    /// <summary>Takes note of a promise at the moment it leaves its node.</summary>
    public void NoteSent(NodeName from, MessageAddress address, RaftMessage message)
    {
        ReplicaRecord record = Of(address.Group).Of(from);
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
        if (!isNewer || cluster.YoungestReplicaOf(node, address.Group) is not { } replica
            || !replica.Core.Log.TryTermAt(reply.MatchIndex, out Term term)) return;
        record.AcknowledgedIn = reply.Term;
        record.Acknowledged = new EntryId(term, reply.MatchIndex);
    }

    /// <summary>A new life must remember what earlier ones promised. Raft figure 2.</summary>
    private void BeginLife(GroupRecord group, ReplicaRecord record, NodeName node, Replica replica)
    {
        RaftNode core = replica.Core;
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

    /// <summary>Raft §5.3: committed is what a majority had on disk; of a disk that was lost since, too.</summary>
    private void CheckMajority(GroupRecord group, ulong index)
    {
        CommittedEntry entry = group.Committed[(int)index - 1];
        int holders = 0;
        foreach (ReplicaRecord record in group.Replicas.Values)
        {
            bool isLogged = record.Durable.Value >= index && record.Log[(int)index] == entry.Term;
            if (isLogged || record.Compacted.Value >= index) holders++;
        }
        int voters = group.Voters;
        if (holders <= voters / 2)
            violated($"{group.Group} committed {new EntryId(entry.Term, new LogIndex(index))}, but only {holders} of "
                + $"{voters} replicas had it on disk");
    }
}
