using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>
/// Holds every replica, after every step, against what was seen of its group before: one leader per term; terms and
/// commits that never go back; logs that agree in an entry agree before it; committed entries that never change, are on
/// the disks of a majority of each configuration in force and in every later leader's log; leaders that such a majority
/// voted for; votes and acknowledgements that outlive every crash; replicas that are gone and do not come back; equal
/// states after equal entries; ranges without overlap or gap; frozen groups that do not change; groups that take over
/// another one with all it has, or leave it all it had; a map that never goes back; no lease in silence. Where two
/// openings of a node's storage live, the later one is the replica, and the earlier one promises nothing new.
/// </summary>
/// <param name="groups">How many there are at first.</param>
internal sealed partial class InvariantChecker(
    StoreCluster cluster, int groups, SimulationTrace trace, Action<string> violated)
{
    private static readonly TimeSpan RareInterval = TimeSpan.FromMilliseconds(100);

    private readonly SortedDictionary<GroupId, GroupRecord> _groups = [];
    private readonly Dictionary<Replica, (GroupRecord Group, ReplicaRecord Record)> _lives = [];
    private readonly Dictionary<Replica, ReplicaRecord> _earlier = [];
    private readonly Queue<(GroupRecord Group, ulong Index, ReplicaRecord By, Configuration? Joint)> _unchecked = [];
    private TimeSpan _rareAt;

    /// <summary>Of all groups.</summary>
    public long Commits => _groups.Values.Sum(group => (long)group.Committed.Count);

    /// <summary>Over all groups, but for the first of each.</summary>
    public int Elections => _groups.Values.Sum(group => Math.Max(0, group.Leaders.Count - 1));

    /// <summary>How often a leader had fallen silent.</summary>
    public int Silences { get; private set; }

    /// <summary>How often a replica became a voter of a group that it was not formed with.</summary>
    public int Moves => _groups.Values.Sum(group => Math.Max(0, group.Voters.Count - 3));

    public void Check()
    {
        foreach ((NodeName node, Replica replica) in cluster.TakeReplicasThatMayHaveChanged()) Check(node, replica);
        foreach ((NodeName node, StoreNode earlier) in cluster.Earlier)
            foreach (Replica replica in cluster.EarlierReplicasOf(node)) CheckEarlier(node, earlier, replica);
        // Only now it is known what every replica holds.
        while (_unchecked.TryDequeue(out var committed))
            CheckMajority(committed.Group, committed.Index, committed.By, committed.Joint);
        if (_rangesChanged) CheckRanges();
        if (cluster.Time.Now < _rareAt) return;
        _rareAt = cluster.Time.Now + RareInterval;
        NoteRetired();
        CheckMap();
    }

    private GroupRecord Of(GroupId group)
    {
        if (!_groups.TryGetValue(group, out GroupRecord? record)) _groups[group] = record = new GroupRecord(group);
        return record;
    }

    private void Check(NodeName node, Replica replica)
    {
        // What is on its disk cannot be seen yet.
        if (replica.AwaitsBase) return;
        if (_lives.TryGetValue(replica, out (GroupRecord Group, ReplicaRecord Record) known)
            && known.Record.Life == replica && known.Record.Turns == replica.Turns) return;
        if (known.Record is null)
        {
            GroupRecord of = Of(replica.Group);
            known = _lives[replica] = (of, of.Of(replica.Id, node));
        }
        (GroupRecord group, ReplicaRecord record) = known;
        record.Turns = replica.Turns;
        RaftNode core = replica.Core;
        record.Configurations = (record.Configurations.Now, core.Configuration);
        if (record.Life != replica) BeginLife(group, record, node, replica);
        if (replica.StopReason is not null) CheckStop(node, cluster.Nodes[node], replica, record);
        record.Durable = core.DurableIndex;
        record.Compacted = core.Log.Compacted.Index;
        bool isSilent = core.IsSilent && core.Role == Role.Leader;
        if (isSilent && !record.IsSilent) Silences++;
        record.IsSilent = isSilent;
        // As of its last input: later there is none all the less.
        if (isSilent && core.HasLease(TimeSpan.Zero)) violated($"{node} {group.Group} is silent and has a lease");
        if (core.LastApplied != record.Applied) NoteState(group, record, node, replica);
        if (core.Term == record.Term && core.CommitIndex == record.Commit && core.Role == record.Role
            && core.LastEntry == record.Last) return;

        // Terms first: they are part of what makes the other changes right.
        if (core.Term < record.Term) violated($"{node} {group.Group} went back from {record.Term} to {core.Term}");
        if (core.CommitIndex < record.Commit)
            violated($"{node} {group.Group}'s commit went back from {record.Commit} to {core.CommitIndex}");
        if (core.LastEntry != record.Last) NoteLog(group, record, node, core);
        if (core.CommitIndex > record.Commit) NoteCommits(group, record, node, core);
        if (core.Role == Role.Leader && (record.Role != Role.Leader || core.Term != record.Term))
            NoteLeader(group, record, node, core);
        record.Term = core.Term;
        record.Commit = core.CommitIndex;
        record.Role = core.Role;
        record.Last = core.LastEntry;
    }

    /// <summary>Of the earlier of two openings of a node's storage only what it applies is bound: what is committed, is
    /// so for everybody. Its log may be what nobody needs any more.</summary>
    private void CheckEarlier(NodeName node, StoreNode earlier, Replica replica)
    {
        if (replica.AwaitsBase) return;
        if (!_earlier.TryGetValue(replica, out ReplicaRecord? record))
            _earlier[replica] = record = new ReplicaRecord(replica.Id, node);
        if (record.Turns == replica.Turns) return;
        record.Turns = replica.Turns;
        CheckStop(node, earlier, replica, record);
        if (replica.Core.LastApplied != record.Applied) NoteState(Of(replica.Group), record, node, replica);
    }

    /// <summary>A replica stops when it is fenced or its node or disk failed, and for no other reason.</summary>
    private void CheckStop(NodeName node, StoreNode host, Replica replica, ReplicaRecord record)
    {
        // A failed snapshot file stops its replica, and not the node. A fenced one is "stopped", not "failed".
        if (replica.Status.Role == "failed" && host.Storage.Failure is null
            && !(cluster.MediumOf(node).FailedOperations > record.FailedBefore
                && replica.StopReason!.StartsWith("its storage failed", StringComparison.Ordinal)))
            violated($"{node} {replica.Group} {replica.Status.Role}: {replica.StopReason}");
    }

    /// <summary>Raft §5.3: what a new entry follows is the same in every log that has it.</summary>
    private void NoteLog(GroupRecord group, ReplicaRecord record, NodeName node, RaftNode core)
    {
        RaftLog log = core.Log;
        List<Term> seen = record.Log;
        ulong last = log.LastIndex.Value;
        while ((ulong)seen.Count <= last) seen.Add(Term.Zero);
        for (ulong index = last; index > log.Compacted.Index.Value; index--)
        {
            ref readonly LogEntry entry = ref log[new LogIndex(index)];
            // From here on down the log is as it was seen before.
            if (index <= record.Last.Index.Value && seen[(int)index] == entry.Term) break;
            seen[(int)index] = entry.Term;
            log.TryTermAt(entry.Index.Previous(), out Term before);
            uint checksum = ChecksumOf(entry);
            if (!group.Entries.TryAdd(entry.Id, (before, checksum))
                && group.Entries[entry.Id] is var known && (known.Checksum != checksum || known.Before != before))
                violated($"{node} {group.Group} has another {entry.Id} than was seen before: after {before} with "
                    + $"checksum {checksum:x8}, was after {known.Before} with {known.Checksum:x8}");
        }
        if (log.Compacted.Index.Value is > 0 and var compacted && compacted < (ulong)seen.Count)
            seen[(int)compacted] = log.Compacted.Term;
    }

    /// <summary>Raft §5.4.3: nobody commits another entry at an index.</summary>
    private void NoteCommits(GroupRecord group, ReplicaRecord record, NodeName node, RaftNode core)
    {
        List<CommittedEntry> committed = group.Committed;
        for (ulong index = record.Commit.Value + 1; index <= core.CommitIndex.Value; index++)
        {
            var at = new LogIndex(index);
            var id = new EntryId(core.Log.TryTermAt(at, out Term term) ? term : Term.Zero, at);
            if (!group.Entries.TryGetValue(id, out (Term Before, uint Checksum) entry))
            {
                // Within one step it was committed and compacted, or came with a snapshot: another replica has it.
                if (index > (ulong)committed.Count) committed.Add(CommittedEntry.Unseen);
                continue;
            }
            var present = new CommittedEntry(term, entry.Checksum, core.Term);
            if (index > (ulong)committed.Count) committed.Add(present);
            else if (committed[(int)index - 1] == CommittedEntry.Unseen) committed[(int)index - 1] = present;
            else
            {
                CommittedEntry known = committed[(int)index - 1];
                if (known.Term != term || known.Checksum != entry.Checksum)
                    violated($"{node} {group.Group} committed {id} where {known.Term} was committed before");
                continue;
            }
            _unchecked.Enqueue((group, index, record, JointAt(core.Log, at)));
        }
    }

    /// <summary>The joint configuration that an entry brings; null if it brings none, or is in a snapshot only.</summary>
    private static Configuration? JointAt(RaftLog log, LogIndex index)
    {
        if (index <= log.Compacted.Index || log[index].Kind != EntryKind.Configuration) return null;
        Invariant.Require(Configuration.TryDecode(log[index].Payload.Span, out Configuration configuration),
            $"the configuration at {index} cannot be read");
        return configuration.IsJoint ? configuration : null;
    }

    /// <summary>Raft §5.2 and §5.4: one leader in a term, and it has all that was committed in terms before.</summary>
    private void NoteLeader(GroupRecord group, ReplicaRecord record, NodeName node, RaftNode core)
    {
        trace.Note($"{node} leads {group.Group} in {core.Term}");
        if (group.Leaders.TryGetValue(core.Term, out NodeName other) && other != node)
            violated($"{other} and {node} both led {group.Group} in {core.Term}");
        group.Leaders[core.Term] = node;
        CheckElection(group, record, core);
        for (int i = group.Committed.Count - 1; i >= 0; i--)
        {
            if (group.Committed[i].CommittedIn >= core.Term || group.Committed[i] == CommittedEntry.Unseen) continue;
            var id = new EntryId(group.Committed[i].Term, new LogIndex((ulong)i + 1));
            bool isThere = id.Index < core.Log.Compacted.Index
                || (core.Log.TryTermAt(id.Index, out Term term) && term == id.Term);
            if (!isThere) violated($"{node} leads {group.Group} in {core.Term} without the committed {id}");
            // Logs that agree here agree before.
            break;
        }
    }

    private static uint ChecksumOf(in LogEntry entry) => Crc32C.Compute(entry.Payload.Span) ^ ((uint)entry.Kind << 24);
}
