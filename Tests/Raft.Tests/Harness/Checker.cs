namespace Orleans.Raft.Core.Tests;

/// <summary>
/// Checks the safety properties of Raft figure 3 and every durability promise, after each turn of each replica and on
/// each message that leaves one.
/// </summary>
internal sealed class Checker
{
    private readonly Dictionary<Term, ReplicaId> _leaders = [];
    private readonly Dictionary<(ReplicaId Voter, Term Term), ReplicaId> _votes = [];
    private readonly Dictionary<EntryId, (Term Before, LogEntry Entry)> _entries = [];
    private readonly Dictionary<ReplicaId, (RaftNode Node, Term Term, LogIndex Commit)> _seen = [];
    private readonly Dictionary<LogIndex, LogEntry> _committed = [];
    private EntryId _lastCommitted;
    private Term _newestLeaderTerm;
    private bool _hasConfigurations;

    public Func<IEnumerable<Replica>> All { get; set; } = () => [];

    /// <summary>Not when only one of the replicas is real.</summary>
    public bool ChecksMajorities { get; set; }

    public int Elections => _leaders.Count;

    /// <summary>The last entry that any replica found committed.</summary>
    public EntryId LastCommitted => _lastCommitted;

    public LogEntry CommittedAt(LogIndex index) => _committed[index];

    public void Started(ReplicaId id, RaftNode node)
    {
        _seen[id] = (node, node.Term, node.CommitIndex);
        for (LogIndex index = node.FirstKept; index <= node.CommitIndex; index = index.Next())
        {
            if (!_committed.ContainsKey(index)) RecordCommitted(id, node.Log[index], by: null);
        }
    }

    public void Sends(Replica replica, OutboundMessage sent)
    {
        HardState disk = replica.Disk.HardState;
        Term term = sent.Message.Term;
        switch (sent.Message)
        {
            case RequestVote:
                Assert.True(disk.Term == term && disk.VotedFor == replica.Id,
                    $"{replica.Id} asks for votes in {term}; durable is {disk}");
                RecordVote(replica.Id, term, replica.Id);
                break;
            case RequestVoteReply { Granted: true }:
                Assert.True(disk.Term == term && disk.VotedFor == sent.To,
                    $"{replica.Id} votes for {sent.To} in {term}; durable is {disk}");
                RecordVote(replica.Id, term, sent.To);
                break;
            case AppendEntriesReply reply:
                Assert.True(disk.Term == term, $"{replica.Id} acknowledges in {term}; durable is {disk}");
                Assert.True(replica.Disk.LastIndex >= reply.MatchIndex,
                    $"{replica.Id} acknowledges {reply.MatchIndex}; durable is {replica.Disk.LastIndex}");
                CheckDiskAgrees(replica, reply.MatchIndex);
                break;
            case HeartbeatReply or AppendEntriesRejection:
                Assert.True(disk.Term == term, $"{replica.Id} sends {sent.Message}; durable is {disk}");
                break;
            case AppendEntries or Heartbeat or TimeoutNow:
                Assert.True(disk.Term == term && disk.VotedFor == replica.Id,
                    $"{replica.Id} leads {term}; durable is {disk}");
                break;
        }
    }

    public void Writes(Replica replica, PersistRequest write)
    {
        foreach (LogEntry entry in write.Entries.Span)
        {
            Term before = replica.Node.Log.TermAt(entry.Index.Previous());
            _hasConfigurations |= entry.Kind == EntryKind.Configuration;
            if (_entries.TryAdd(entry.Id, (before, entry))) continue;
            (Term Before, LogEntry Entry) known = _entries[entry.Id];
            Assert.True(known.Before == before && Same(known.Entry, entry),
                $"log matching: {replica.Id} has {entry} after {before}, another {known}");
        }
    }

    public void Applies(Replica replica, LogEntry entry)
    {
        LogEntry committed = _committed[entry.Index];
        Assert.True(Same(committed, entry), $"{replica.Id} applies {entry}; {committed} was committed");
    }

    public void Observe(Replica replica, TimeSpan now)
    {
        RaftNode node = replica.Node;
        (RaftNode before, Term term, LogIndex commit) = _seen[replica.Id];
        Assert.Same(before, node);
        Assert.True(node.Term >= term, $"{replica.Id} went from {term} to {node.Term}");
        Assert.True(node.CommitIndex >= commit, $"{replica.Id} went from commit {commit} to {node.CommitIndex}");
        Assert.True(node.LastApplied <= node.CommitIndex && node.CommitIndex <= node.LastEntry.Index);
        CheckDiskAgrees(replica, LogIndex.Min(node.DurableIndex, replica.Disk.LastIndex));
        Assert.True(node.DurableIndex <= replica.Disk.LastIndex,
            $"{replica.Id} takes {node.DurableIndex} as durable; {replica.Disk.LastIndex} is");
        LogIndex first = LogIndex.Max(commit.Next(), node.FirstKept);
        Configuration by = node.Configuration;
        for (LogIndex index = node.CommitIndex; index >= first; index = index.Previous())
        {
            // What is committed with a configuration was decided by it: only then may another follow.
            if (node.Log[index].Kind == EntryKind.Configuration) by = Replica.Decoded(node.Log[index]);
            RecordCommitted(replica.Id, node.Log[index], by);
        }

        _seen[replica.Id] = (node, node.Term, node.CommitIndex);
        CheckConfiguration(replica);
        if (node.Role == Role.Leader) CheckLeader(replica);
        if (node.HasLease(now)) CheckLease(replica);
    }

    private void CheckLeader(Replica replica)
    {
        RaftNode node = replica.Node;
        if (_leaders.TryAdd(node.Term, replica.Id)) CheckLeaderCompleteness(node);
        Assert.True(_leaders[node.Term] == replica.Id,
            $"{node.Term} has leaders {_leaders[node.Term]} and {replica.Id}");
    }

    private void CheckLeaderCompleteness(RaftNode node)
    {
        if (node.Term < _newestLeaderTerm) return;
        _newestLeaderTerm = node.Term;
        EntryId last = _lastCommitted;
        Assert.True(node.LastEntry.Index >= last.Index, $"{node.Id} leads {node.Term} without {last}");
        if (!node.Log.TryTermAt(last.Index, out Term term)) return;
        Assert.True(term == last.Term, $"{node.Id} leads {node.Term} with an entry of {term} instead of {last}");
    }

    // With a lease nobody else may lead a later term, and nothing may be committed that the lease holder does not know.
    private void CheckLease(Replica replica)
    {
        Assert.True(_newestLeaderTerm == replica.Node.Term,
            $"{replica.Id} has a lease in {replica.Node.Term}; {_newestLeaderTerm} has a leader");
        Assert.True(replica.Node.CommitIndex.Value >= _lastCommitted.Index.Value);
    }

    // A majority of each list of voters has what is committed on its disk.
    private void RecordCommitted(ReplicaId id, LogEntry entry, Configuration? by)
    {
        if (_committed.TryGetValue(entry.Index, out LogEntry known))
        {
            Assert.True(Same(known, entry), $"{id} committed {entry}, another {known}");
            return;
        }

        _committed.Add(entry.Index, entry);
        if (entry.Index > _lastCommitted.Index) _lastCommitted = entry.Id;
        if (by is null || !ChecksMajorities) return;
        HashSet<ReplicaId> holders =
        [
            .. All().Where(other => other.Disk.TermAt(entry.Index) == entry.Term
                || other.Disk.Snapshot.Index > entry.Index).Select(other => other.Id),
        ];
        RequireMajority(id, entry, by.Voters, holders);
        if (by.Outgoing.Count > 0) RequireMajority(id, entry, by.Outgoing, holders);
    }

    private static void RequireMajority(
        ReplicaId id, LogEntry entry, IReadOnlyList<Member> voters, HashSet<ReplicaId> holders)
    {
        int count = voters.Count(voter => holders.Contains(voter.Id));
        Assert.True(2 * count > voters.Count, $"{id} committed {entry}, durable on {count} of {voters.Count}");
    }

    // Raft §6: the latest in the log is in force, and what was never committed is undone with its entry.
    private void CheckConfiguration(Replica replica)
    {
        RaftNode node = replica.Node;
        if (!_hasConfigurations) return;
        LogIndex index = node.LastEntry.Index;
        while (index >= node.FirstKept && node.Log[index].Kind != EntryKind.Configuration) index = index.Previous();
        if (index < node.FirstKept) return;
        Configuration latest = Replica.Decoded(node.Log[index]);
        Assert.True(node.Configuration.Equals(latest),
            $"{replica.Id} goes by {node.Configuration}; its log ends with {latest} at {index}");
    }

    private void RecordVote(ReplicaId voter, Term term, ReplicaId candidate)
    {
        _votes.TryAdd((voter, term), candidate);
        Assert.True(_votes[(voter, term)] == candidate,
            $"{voter} voted in {term} for {_votes[(voter, term)]} and {candidate}");
    }

    private static void CheckDiskAgrees(Replica replica, LogIndex upTo)
    {
        if (!replica.Node.Log.TryTermAt(upTo, out Term term) || replica.Disk.TermAt(upTo) is not { } durable) return;
        Assert.True(durable == term, $"{replica.Id} takes {upTo} as durable with {term}; the disk has {durable}");
    }

    private static bool Same(LogEntry left, LogEntry right) =>
        left.Id == right.Id && left.Kind == right.Kind && left.Payload.Span.SequenceEqual(right.Payload.Span);
}
