namespace Orleans.Raft.KeyValue;

/// <summary>One call on its way: encoded once, sent as often as needed, ended once.</summary>
internal sealed class PendingOperation : TaskCompletionSource<OperationAnswer>
{
    private CancellationTokenRegistration _cancellation;

    /// <param name="encoded">An <see cref="Operation"/>, or a batch of one read; never changed.</param>
    /// <param name="routingKey">Finds the group anew if it was the wrong one; null: the caller does.</param>
    /// <param name="deadline">On the client's clock.</param>
    public PendingOperation(byte[] encoded, ReadOnlyMemory<byte>? routingKey, TimeSpan deadline)
        : base(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        Encoded = encoded;
        RoutingKey = routingKey;
        Deadline = deadline;
    }

    public byte[] Encoded { get; }

    public ReadOnlyMemory<byte>? RoutingKey { get; }

    public TimeSpan Deadline { get; }

    /// <summary>The place in the session; 0 while none is given.</summary>
    public ulong Sequence { get; set; }

    /// <summary>An attempt is under way.</summary>
    public bool IsSent { get; set; }

    /// <summary>An earlier attempt ended without an answer: the write may be applied.</summary>
    public bool MayBeApplied { get; set; }

    public bool IsEnded => Task.IsCompleted;

    /// <summary>Ends the call as cancelled when the caller asks for it; what was sent may still happen.</summary>
    public void Observe(CancellationToken token)
    {
        if (token.CanBeCanceled)
            _cancellation = token.UnsafeRegister(static (operation, token) => ((PendingOperation)operation!)
                .TrySetCanceled(token), this);
    }

    public void End(in OperationAnswer answer)
    {
        TrySetResult(answer);
        _cancellation.Unregister();
    }

    public void Fail(Exception failure)
    {
        TrySetException(failure);
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
