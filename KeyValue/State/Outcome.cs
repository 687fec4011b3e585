namespace Orleans.Raft.KeyValue;

/// <summary>What applying a write led to, before it is written as an answer.</summary>
/// <param name="Value">Of a mismatch: a copy of the value found; else null.</param>
internal readonly record struct Outcome(AnswerStatus Status, byte[]? Value = null)
{
    /// <summary>Whether a retry must get this answer again. What is not recorded changed nothing and may be tried anew.
    /// That a key is another group's is recorded, too: by a merge it may become this one's, and whoever was told so has
    /// gone there since.</summary>
    public bool IsRecorded => Status is AnswerStatus.Ok or AnswerStatus.Mismatch or AnswerStatus.WrongRange
        or AnswerStatus.ValueTooLarge or AnswerStatus.KeyTooLarge or AnswerStatus.BatchTooLarge
        or AnswerStatus.Malformed;

    public static implicit operator Outcome(AnswerStatus status) => new(status);
}
