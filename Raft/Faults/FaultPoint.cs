namespace Orleans.Raft.Core;

/// <summary>
/// Deliberate bugs, one for each place in the code where a test can switch one on. They prove that the tests and the
/// simulator notice when a rule of <c>docs/safety.md</c> is broken; <c>Tests/Mutations/README.md</c> says which finds
/// which.
/// </summary>
internal enum FaultPoint
{
    /// <summary>A replica grants its vote without looking whether another has it. Breaks: at most one leader in a
    /// term.</summary>
    TwoVotesInOneTerm,

    /// <summary>A granted vote leaves while it is still being written. Breaks: granted votes leave once
    /// durable.</summary>
    VoteBeforeDurable,

    /// <summary>A candidate asks for votes while its term and own vote are still being written. Breaks: vote requests
    /// leave once both are durable.</summary>
    VoteRequestBeforeDurable,

    /// <summary>A vote goes to a candidate whose log lacks what the voter has. Breaks: a leader has every committed
    /// entry (Raft §5.4.1).</summary>
    UpToDateCheckDropped,

    /// <summary>A replica votes although it has just heard from a leader. Breaks: votes are refused for a timeout after
    /// hearing a leader, on which leases rest.</summary>
    VoteWhileLeaderLives,

    /// <summary>A restarted replica votes at once, although its earlier life may have confirmed a lease. Breaks: votes
    /// are refused for a timeout after a restart.</summary>
    PromiseForgottenByRestart,

    /// <summary>A leader that fell silent goes on trusting the lease it had. Breaks: no lease outlives
    /// silence.</summary>
    LeaseOutlivesSilence,

    /// <summary>A silent follower waits for its leader's word whatever becomes of it. Breaks: a silent follower wakes
    /// when its leader may be gone.</summary>
    SilentFollowerNeverWakes,

    /// <summary>A follower acknowledges entries that its disk still writes. Breaks: acknowledgements leave once what
    /// they promise is durable.</summary>
    AcknowledgementBeforeFlush,

    /// <summary>A leader counts itself for entries that its own disk still writes. Breaks: it counts itself only once
    /// durable.</summary>
    LeaderCountsUnflushed,

    /// <summary>After a truncation the new entries pass for durable because the old ones were. Breaks: a truncation
    /// lowers the durable mark at once.</summary>
    DurableMarkKeptByTruncation,

    /// <summary>The completion of a write counts for entries that replaced the ones it wrote. Breaks: a completion
    /// counts only for entries that no later write overwrote.</summary>
    OverwrittenWriteCounts,

    /// <summary>An append is taken if there is an entry before it, of whatever term. Breaks: logs that agree at an
    /// entry agree on all before it (Raft §5.3).</summary>
    PreviousTermUnchecked,

    /// <summary>An append replaces what is stored from its first entry on, even if it is the same. Breaks: a late
    /// message undoes nothing.</summary>
    LogTruncatedOnMatch,

    /// <summary>A leader commits an entry of an older term because a majority has it. Breaks: only entries of the own
    /// term commit by counting (Raft §5.4.2).</summary>
    CommitByOlderTerm,

    /// <summary>A follower commits as far as the leader did, though the end of its log was never compared with the
    /// leader's. Breaks: no two replicas commit different entries at an index.</summary>
    CommitPastMatch,

    /// <summary>An acknowledgement that arrives late sets back what the leader knows of a follower. Breaks: messages
    /// may be reordered; a match index never falls.</summary>
    MatchIndexLowered,

    /// <summary>A new leader answers reads before it knows how far the log was committed. Breaks: a read index only
    /// after an entry of the own term is committed (Raft §8).</summary>
    ReadIndexBeforeNoOp,

    /// <summary>A read waits for the round that is already under way. Breaks: only rounds started after the request
    /// count.</summary>
    ReadJoinsEarlierRound,

    /// <summary>A read index that an earlier life asked for is taken for the answer to this one's request. Breaks: an
    /// answer to an earlier life is ignored.</summary>
    EarlierLifeAnswered,

    /// <summary>A leader keeps its lease although it told another to campaign. Breaks: a transfer ends the
    /// lease.</summary>
    LeaseKeptThroughTransfer,

    /// <summary>A lease is checked against the time of the last input, which after a pause is long ago. Breaks: a lease
    /// is checked when the answer is made.</summary>
    LeaseKeptThroughPause,

    /// <summary>A lease runs from the arrival of the answers instead of from the sending of the round. Breaks: a lease
    /// runs from the sending of its round.</summary>
    LeaseFromAnswer,

    /// <summary>A late snapshot replaces a state that has gone on since. Breaks: a snapshot never replaces newer
    /// state.</summary>
    SnapshotOverNewerState,

    /// <summary>While two configurations are joint, the incoming one decides alone. Breaks: a majority of each (Raft
    /// §6).</summary>
    JointQuorumCountedAsSimple,

    /// <summary>A learner counts like a voter. Breaks: learners decide nothing (Thesis §4.2.1).</summary>
    LearnerCounted,

    /// <summary>A vote counts whoever sent it. Breaks: only voters of the configuration in force count.</summary>
    RemovedReplicaCounted,

    /// <summary>A leader that its last configuration leaves out counts itself all the same. Breaks: only voters of the
    /// configuration in force count (Raft §6).</summary>
    RemovedLeaderCountsItself,

    /// <summary>A configuration stays in force although its entry was truncated. Breaks: the latest configuration in
    /// the log is in force (Raft §6).</summary>
    ConfigurationKeptAfterTruncation,

    /// <summary>A snapshot leaves the configuration as it was. Breaks: a snapshot brings the configuration as of its
    /// end.</summary>
    SnapshotConfigurationIgnored,

    /// <summary>A new leader changes members before it knows what its predecessors left. Breaks: no change before an
    /// entry of the own term is committed.</summary>
    ChangeBeforeOwnTermCommitted,

    /// <summary>A change begins while another is under way. Breaks: one change at a time.</summary>
    TwoChangesInFlight,

    /// <summary>The last configuration of a change follows the joint one at once. Breaks: a joint configuration is left
    /// only when it is committed (Raft §6).</summary>
    JointLeftUncommitted,

    /// <summary>A learner becomes a voter with an empty log. Breaks: only a learner that has caught up becomes a voter
    /// (Thesis §4.2.1).</summary>
    PromotedBeforeCaughtUp,

    /// <summary>A learner campaigns like a voter. Breaks: who is no voter never campaigns.</summary>
    LearnerCampaigns,

    /// <summary>When several entries are ready to be applied, the first is left out. Breaks: no two replicas apply
    /// different commands at one index.</summary>
    ApplySkipsEntry,

    /// <summary>The log writes without flushing. Breaks: flush before acknowledgement.</summary>
    LogNotFlushed,

    /// <summary>Recovery believes a batch whose checksum is wrong. Breaks: damage is never taken for data.</summary>
    LogChecksumIgnored,

    /// <summary>A snapshot file is believed although its checksum is wrong. Breaks: whole-file checksum.</summary>
    SnapshotChecksumIgnored,

    /// <summary>Recovery leaves a torn batch where it is and goes on writing behind it. Breaks: a torn tail is
    /// cut.</summary>
    TornTailKept,

    /// <summary>Recovery believes what may be in the page cache only. Breaks: replayed data is flushed before anything
    /// is sent.</summary>
    RecoveredNotFlushed,

    /// <summary>The oldest segment goes although an idle group's records are nowhere else. Breaks: what is live is
    /// carried before its segment goes.</summary>
    IdleGroupDropped,

    /// <summary>Opening a replica again leaves the older instance in power; in a database, an opening whose slot was
    /// taken believes that its flushes are durable. Breaks: each opening fences the older handle.</summary>
    FencedInstanceWrites,

    /// <summary>A snapshot file gets its name, and the log names it, before its content is flushed. Breaks: a snapshot
    /// is written beside, flushed, renamed, recorded.</summary>
    SnapshotNotFlushed,

    /// <summary>A received snapshot is installed without comparing its checksum with the sender's. Breaks: whole-file
    /// checksum.</summary>
    ReceivedSnapshotUnchecked,

    /// <summary>Snapshots leave out the sessions. Breaks: sessions are in snapshots.</summary>
    SessionsLostInSnapshot,

    /// <summary>A group that begins by a split has none of the sessions. Breaks: sessions travel with a split.</summary>
    SessionsLostInSplit,

    /// <summary>A group that split is compacted past the split although the new group's replica beside it has nothing
    /// durable yet. Breaks: a parent's log is kept until the child has its own durable base.</summary>
    ParentCompactedBeforeChildDurable,

    /// <summary>When a split is replayed, the new group begins again. Breaks: replaying a split never resets a child that
    /// has moved on.</summary>
    SplitReplayResetsChild,

    /// <summary>What a group takes over lacks its last part. Breaks: a merge takes all or nothing.</summary>
    MergeDropsTail,

    /// <summary>A merge is abandoned although the target took over before. Breaks: of taking over and abandoning, the first
    /// in the target's log rules out the other.</summary>
    AbandonAfterTakeOver,

    /// <summary>A group that another one is about to take over goes on serving. Breaks: what a source has when it is frozen
    /// is its last.</summary>
    FrozenGroupServesWrites,

    /// <summary>A group takes over keys without the sessions. Breaks: sessions travel with a merge.</summary>
    SessionsLostInMerge,

    /// <summary>A write that was applied before is applied again. Breaks: a write applies at most once.</summary>
    RetryAppliedTwice,

    /// <summary>A write is applied although a split that stands before it in the log took its key away: the range counts
    /// that the group had when it was proposed. Breaks: whether a key belongs to a group is decided when
    /// applied.</summary>
    RangeCheckedWhenProposed,

    /// <summary>A leader sets the group's time to its own clock instead of adding what it measured. Breaks: group time
    /// moves only by the leader's own elapsed time.</summary>
    GroupTimeFromLocalClock,

    /// <summary>A read whose leadership could not be confirmed is served all the same. Breaks: reads are
    /// linearizable.</summary>
    ReadServedAfterSteppingDown,

    /// <summary>A replica whose storage was opened elsewhere confirms read rounds. Breaks: a round is confirmed by the one
    /// that has the storage, asked during the round.</summary>
    RoundConfirmedByTheReplaced,

    /// <summary>A read is served as soon as its index is known, applied or not. Breaks: reads are
    /// linearizable.</summary>
    ReadServedBeforeApplied,

    /// <summary>A write that waits is answered by whatever is applied at its index, and stepping down does not end its
    /// waiting. Breaks: stepping down answers unknown.</summary>
    WriteAnsweredByIndex,

    /// <summary>The controller takes what it is told of a group although it knows newer. Breaks: stale reports are
    /// refused.</summary>
    StaleDescriptorAccepted,

    /// <summary>A group that was to end goes on before the one that was to take it has said that it will not. Breaks: a
    /// merge is given up in the target's log first.</summary>
    ThawWithoutAbandon,
}
