using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>One call on its way: encoded once, sent as often as needed, ended once.</summary>
internal sealed class PendingOperation : TaskCompletionSource<OperationAnswer>
{
    private CancellationTokenRegistration _cancellation;

    private readonly KvClient _client;
    private readonly AnswerStatus? _expected;

    // The groups that may have applied it, or may yet, under its number.
    private List<GroupId>? _unknownAt;

    /// <param name="encoded">An <see cref="Operation"/>, or a batch of one read; never changed.</param>
    /// <param name="deadline">On the client's clock.</param>
    /// <param name="expected">The only answer that is a success; null: the caller looks at the answer.</param>
    /// <param name="canMove">Whether the operation may go to another group if its keys are there; else the caller hears of it.</param>
    public PendingOperation(KvClient client, byte[] encoded, TimeSpan deadline, AnswerStatus? expected, bool canMove)
        : base(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        _client = client;
        _expected = expected;
        Encoded = encoded;
        Deadline = deadline;
        CanMove = canMove;
    }

    public byte[] Encoded { get; }

    public TimeSpan Deadline { get; }

    public bool CanMove { get; }

    /// <summary>The session it was numbered in, also where it has moved to another group since; none while it has no
    /// number.</summary>
    public SessionId Session { get; private set; }

    /// <summary>The place in the session; 0 while none is given.</summary>
    public ulong Sequence { get; private set; }

    /// <summary>As sent with it last. Invariant: everything of the session below was answered by then.</summary>
    public ulong FirstUnacknowledged { get; set; }

    /// <summary>An attempt is under way.</summary>
    public bool IsSent { get; set; }

    /// <summary>An earlier attempt ended without an answer: the write may be applied.</summary>
    public bool MayBeApplied => _unknownAt is { Count: > 0 };

    public bool IsEnded => Task.IsCompleted;

    public void Number(SessionId session, ulong sequence) => (Session, Sequence) = (session, sequence);

    /// <summary>It is applied nowhere under its number, nor will be: it gets another one.</summary>
    public void ForgetNumber()
    {
        (Session, Sequence, FirstUnacknowledged) = (SessionId.None, 0, 0);
        _unknownAt = null;
    }

    /// <summary>An attempt at a group ended without an answer.</summary>
    public void NoteUnknown(GroupId group)
    {
        _unknownAt ??= [];
        if (!_unknownAt.Contains(group)) _unknownAt.Add(group);
    }

    /// <summary>A group said that it has not applied this and never will under this number.</summary>
    public void NoteRefused(GroupId group) => _unknownAt?.Remove(group);

    /// <summary>Ends the call as cancelled when the caller asks for it; what was sent may still happen.</summary>
    public void Observe(CancellationToken token)
    {
        if (token.CanBeCanceled)
            _cancellation = token.UnsafeRegister(static (operation, token) => ((PendingOperation)operation!).Cancel(token), this);
    }

    public void End(in OperationAnswer answer)
    {
        if (_expected is { } expected && answer.Status != expected) Fail(KvClient.Refused(answer.Status));
        else NoteEnded(TrySetResult(answer));
    }

    public void Fail(Exception failure) => NoteEnded(TrySetException(failure));

    private void Cancel(CancellationToken token) => NoteEnded(TrySetCanceled(token));

    /// <param name="endedNow">False if it had ended before.</param>
    private void NoteEnded(bool endedNow)
    {
        if (!endedNow) return;
        _client.NoteEnded();
        _cancellation.Unregister();
    }

    /// <summary>Ends a call whose time is up, saying as much as is known.</summary>
    public void Expire(bool isWrite, string why)
    {
        if (isWrite && (IsSent || MayBeApplied)) Fail(new OutcomeUnknownException("No answer before the deadline "
            + $"({why}); the write may or may not be applied. Read before writing again."));
        else Fail(new UnavailableException($"Nobody could serve the call before its deadline ({why}); nothing was "
            + "changed. See `status` for which nodes are up, and try again."));
    }
}
