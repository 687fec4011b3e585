namespace Orleans.Raft.KeyValue;

/// <summary>What became of a command or a read. Stored and sent as one byte; 0 is not a status.</summary>
public enum AnswerStatus : byte
{
    /// <summary>Applied.</summary>
    Ok = 1,

    /// <summary>Of a get: the value.</summary>
    Value = 2,

    /// <summary>Of a get: the key is missing.</summary>
    NotFound = 3,

    /// <summary>Of a compare-and-set: nothing changed; carries the value found, if any.</summary>
    Mismatch = 4,

    /// <summary>Of a scan: rows, and whether there are more.</summary>
    Page = 5,

    /// <summary>Carries the id of the new session.</summary>
    SessionOpened = 6,

    /// <summary>The session is unknown, so nothing was applied now; what an earlier attempt did is unknown.</summary>
    SessionExpired = 7,

    /// <summary>Not all keys belong to this group; nothing was applied. Of a write it is recorded: under its number this
    /// group applies nothing any more, whatever keys it gets later. Carries the group's descriptor.</summary>
    WrongRange = 8,

    /// <summary>The client had acknowledged the answer already, so it is gone; nothing was applied now.</summary>
    SequenceTooOld = 9,

    /// <summary>Too many writes are unacknowledged; nothing was applied or recorded.</summary>
    WindowExceeded = 10,

    /// <summary>A bound is reached: nothing was applied now, or (of a retry) the answer had no room. Try
    /// again.</summary>
    Busy = 11,

    /// <summary>A value is, or by an append would become, larger than the limit; nothing changed.</summary>
    ValueTooLarge = 12,

    /// <summary>A key is larger than the limit; nothing changed.</summary>
    KeyTooLarge = 13,

    /// <summary>The operation is larger than the limit; nothing changed.</summary>
    BatchTooLarge = 14,

    /// <summary>The bytes make no sense; nothing changed. The only answer of a batch that is broken as a
    /// whole.</summary>
    Malformed = 15,

    /// <summary>The group is about to be merged into its neighbour, which answers soon, or this group does again; nothing
    /// was applied or recorded.</summary>
    Frozen = 16,

    /// <summary>Of a step of a merge: it does not fit; nothing changed.</summary>
    Refused = 17,
}
