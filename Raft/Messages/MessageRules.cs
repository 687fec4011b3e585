namespace Orleans.Raft.Core;

/// <summary>What a message must satisfy before a replica looks at it: nothing a peer sends may break arithmetic or the
/// log.</summary>
internal static class MessageRules
{
    // Leaves room to count on: no honest replica ever comes near.
    private const ulong LargestNumber = long.MaxValue;

    /// <summary>Whether the core takes this message; snapshot chunks and the word of a removal are the driver's
    /// and not taken.</summary>
    public static bool IsWellFormed(RaftMessage message) => IsTerm(message.Term) && message switch
    {
        PreVote vote => IsLast(vote.Last, vote.Term),
        RequestVote vote => IsLast(vote.Last, vote.Term),
        AppendEntries append => IsAppend(append),
        AppendEntriesReply reply => IsIndex(reply.MatchIndex),
        AppendEntriesRejection rejection => IsIndex(rejection.Rejected) && IsIndex(rejection.ConflictFirst)
            && rejection.ConflictTerm.Value <= LargestNumber,
        Heartbeat heartbeat => IsIndex(heartbeat.Commit),
        HeartbeatReply reply => IsIndex(reply.LastIndex),
        ReadIndexReply reply => IsIndex(reply.Index),
        InstallSnapshot install => install.Snapshot.Index.Value > 0 && IsEntry(install.Snapshot)
            && install.Snapshot.Term <= install.Term && !install.Configuration.IsNone,
        FallSilent offer => IsEntry(offer.Last) && offer.Last.Term <= offer.Term,
        PreVoteReply or RequestVoteReply or FallenSilent or TimeoutNow or ReadIndexRequest => true,
        _ => false,
    };

    private static bool IsAppend(AppendEntries append)
    {
        EntryId last = append.Previous;
        if (!IsEntry(last) || !IsIndex(append.LeaderCommit)) return false;
        foreach (ref readonly LogEntry entry in append.Entries.Span)
        {
            if (entry.Index.Value != last.Index.Value + 1 || entry.Term < last.Term || entry.Term.Value == 0)
                return false;
            bool isConfiguration = entry.Kind == EntryKind.Configuration;
            if (isConfiguration && !Configuration.TryDecode(entry.Payload.Span, out _)) return false;
            last = entry.Id;
        }

        return last.Term <= append.Term && IsIndex(last.Index);
    }

    private static bool IsTerm(Term term) => term.Value is > 0 and <= LargestNumber;

    private static bool IsIndex(LogIndex index) => index.Value <= LargestNumber;

    private static bool IsEntry(EntryId entry) =>
        IsIndex(entry.Index) && entry.Term.Value <= LargestNumber
            && (entry.Index.Value == 0) == (entry.Term.Value == 0);

    private static bool IsLast(EntryId last, Term asked) => IsEntry(last) && last.Term < asked;
}
