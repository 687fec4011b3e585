namespace Orleans.Raft.Core;

/// <summary>How a leader treats one follower. The states of etcd's raft.</summary>
public enum ReplicationState
{
    /// <summary>Where the logs agree is not known: one append at a time.</summary>
    Probe,

    /// <summary>The logs agree: appends are pipelined, up to the window.</summary>
    Replicate,

    /// <summary>The follower needs entries that are no longer kept: waits for the driver to send a snapshot.</summary>
    Snapshot,
}

/// <summary>What a leader knows of one follower, for status and tests.</summary>
/// <param name="Match">The follower's log durably agrees up to here. Invariant: never falls within a term.</param>
/// <param name="Next">The next index to send.</param>
/// <param name="InFlightAppends">Messages sent and not yet answered.</param>
/// <param name="InFlightBytes">Payload bytes sent and not yet answered.</param>
/// <param name="IsVoter">Whether its acknowledgements count; else it learns, or is leaving.</param>
/// <param name="IsCaughtUp">Whether it lags by less than an election timeout, so that a learner may become a voter.
/// Thesis §4.2.1.</param>
/// <param name="IsAbsent">It was left out when silence was last offered, for its node did not answer.</param>
/// <param name="LastHeard">When it answered last in this term; a new leader gives everyone an election
/// timeout.</param>
public readonly record struct ProgressInfo(
    LogIndex Match, LogIndex Next, ReplicationState State, int InFlightAppends, long InFlightBytes, bool IsVoter,
    bool IsCaughtUp, bool IsAbsent, TimeSpan LastHeard);
