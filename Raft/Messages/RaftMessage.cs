namespace Orleans.Raft.Core;

/// <summary>What replicas of one group send each other. Messages may be lost, duplicated and reordered.</summary>
/// <param name="Term">The sender's term; of a <see cref="PreVote"/> and a granted <see cref="PreVoteReply"/>, the term
/// asked for.</param>
public abstract record RaftMessage(Term Term);

/// <summary>Asks whether an election for <paramref name="Term"/> could be won, changing nothing at the receiver. Thesis
/// §9.6.</summary>
/// <param name="Last">The last entry of the candidate's log.</param>
public sealed record PreVote(Term Term, EntryId Last) : RaftMessage(Term);

/// <summary>Answers a <see cref="PreVote"/>. Thesis §9.6.</summary>
/// <param name="Term">If granted the term asked for, else the receiver's own.</param>
public sealed record PreVoteReply(Term Term, bool Granted) : RaftMessage(Term);

/// <summary>Asks for the receiver's vote in <paramref name="Term"/>. Raft §5.2.</summary>
/// <param name="Last">The last entry of the candidate's log.</param>
/// <param name="IsLeadershipTransfer">The leader asked for this election, so having heard it lately is no reason to
/// refuse. Thesis §4.2.3.</param>
public sealed record RequestVote(Term Term, EntryId Last, bool IsLeadershipTransfer) : RaftMessage(Term);

/// <summary>Answers a <see cref="RequestVote"/>; sent only once the vote is durable.</summary>
public sealed record RequestVoteReply(Term Term, bool Granted) : RaftMessage(Term);

/// <summary>Asks a follower to extend its log after <paramref name="Previous"/>. Raft §5.3.</summary>
/// <param name="Entries">Contiguous, oldest first; empty means a probe.</param>
/// <param name="LeaderCommit">May exceed the last index sent.</param>
public sealed record AppendEntries(
    Term Term, EntryId Previous, ReadOnlyMemory<LogEntry> Entries, LogIndex LeaderCommit) : RaftMessage(Term);

/// <summary>Accepts an <see cref="AppendEntries"/> or an installed snapshot; sent only once what it promises is
/// durable.</summary>
/// <param name="MatchIndex">The follower's durable log agrees with the leader's up to here.</param>
public sealed record AppendEntriesReply(Term Term, LogIndex MatchIndex) : RaftMessage(Term);

/// <summary>Refuses an <see cref="AppendEntries"/> whose previous entry the follower does not have. Raft §5.3, fast
/// back-off.</summary>
/// <param name="Rejected">The previous index that was refused: tells a late answer from a current one.</param>
/// <param name="ConflictTerm">The follower's term at <paramref name="Rejected"/>; 0 if its log is shorter.</param>
/// <param name="ConflictFirst">The follower's first index of that term, or one past its last index if its log is
/// shorter; 0 if it is new and begins with a snapshot.</param>
public sealed record AppendEntriesRejection(
    Term Term, LogIndex Rejected, Term ConflictTerm, LogIndex ConflictFirst) : RaftMessage(Term);

/// <summary>Keeps followers from campaigning, tells the commit index, and asks to confirm a read round. Raft §5.2,
/// Thesis §6.4.</summary>
/// <param name="Commit">The leader's commit index, at most the follower's known match index.</param>
/// <param name="Round">Grows with every round the leader starts in this term.</param>
public sealed record Heartbeat(Term Term, LogIndex Commit, ulong Round) : RaftMessage(Term);

/// <summary>Confirms that the sender still followed the leader when round <paramref name="Round"/> reached
/// it.</summary>
/// <param name="LastIndex">The follower's log agrees with the leader's up to here, durably or not: lets a leader notice
/// lost appends.</param>
public sealed record HeartbeatReply(Term Term, ulong Round, LogIndex LastIndex) : RaftMessage(Term);

/// <summary>Offers silence: the group is idle, and all that the leader has is committed. A follower whose log is the same
/// waits without a timer from then on.</summary>
/// <param name="Last">The last entry of the leader's log, and its commit.</param>
/// <param name="Round">The leader's latest round: tells a late copy from a current offer.</param>
public sealed record FallSilent(Term Term, EntryId Last, ulong Round) : RaftMessage(Term);

/// <summary>The sender took the offer of <paramref name="Round"/>, and is silent.</summary>
public sealed record FallenSilent(Term Term, ulong Round) : RaftMessage(Term);

/// <summary>Tells a follower whose log is complete to campaign at once. Thesis §3.10.</summary>
public sealed record TimeoutNow(Term Term) : RaftMessage(Term);

/// <summary>A follower asks the leader from which index it may serve a linearizable read. Thesis §6.4.</summary>
/// <param name="BootNonce">Names the follower's present life: an answer to an earlier one is ignored.</param>
public sealed record ReadIndexRequest(Term Term, ulong BootNonce, ulong Number) : RaftMessage(Term);

/// <summary>Answers a <see cref="ReadIndexRequest"/>.</summary>
/// <param name="Index">The index that must be applied before reading; 0 if refused (the receiver does not
/// lead).</param>
public sealed record ReadIndexReply(Term Term, ulong BootNonce, ulong Number, LogIndex Index) : RaftMessage(Term);

/// <summary>Replaces the follower's state up to <paramref name="Snapshot"/>, whose file the driver has already
/// received. Raft §7.</summary>
/// <param name="Configuration">The group's configuration as of <paramref name="Snapshot"/>: what the log held of it is
/// gone.</param>
public sealed record InstallSnapshot(Term Term, EntryId Snapshot, Configuration Configuration) : RaftMessage(Term);

/// <summary>A part of a snapshot file, handled by the driver; the core never sees it. Raft §7.</summary>
/// <param name="Snapshot">The last entry the snapshot covers.</param>
/// <param name="OffsetBytes">Where <paramref name="Data"/> starts in the file.</param>
/// <param name="TotalBytes">The file's length.</param>
/// <param name="FileChecksum">CRC-32C of the whole file.</param>
/// <param name="Data">At most 1 MiB.</param>
public sealed record SnapshotChunk(
    Term Term, EntryId Snapshot, long OffsetBytes, long TotalBytes, uint FileChecksum, ReadOnlyMemory<byte> Data)
    : RaftMessage(Term);

/// <summary>
/// Tells a replica that its group has removed it for good, so that it removes itself; handled by the driver. It is sent
/// in answer to anything from a replica that a committed configuration has left out. Thesis §4.2.3.
/// </summary>
/// <param name="ConfigurationVersion">That of the configuration without it.</param>
public sealed record ReplicaRemoved(Term Term, ulong ConfigurationVersion) : RaftMessage(Term);

/// <summary>Acknowledges snapshot bytes; handled by the driver.</summary>
/// <param name="NextOffsetBytes">Where the receiver wants the next chunk to start; <c>-1</c> if it cannot take this
/// snapshot.</param>
public sealed record SnapshotChunkReply(Term Term, EntryId Snapshot, long NextOffsetBytes) : RaftMessage(Term);
