using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// A client's writes to one group, in a session of that group: each has a sequence number, and an attempt that got no
/// answer is repeated under the same number, so that it is applied at most once. If the group is taken over meanwhile, it is
/// repeated there: that has the session, too, and what was answered in it.
/// </summary>
internal sealed class WriteLane(KvClient client, GroupId group) : GroupLane(client, group, RequestKind.Write)
{
    private readonly CommandBatchWriter _writer = new();
    private SessionId? _session;
    private ulong _lastSequence;

    // The lowest key known to be the group's, by the map seen last. A group keeps its lowest key when it splits, and who
    // takes it over has it.
    private byte[]? _start;
    private RangeMap? _startSeen;

    protected override async Task<Retry?> AttemptAsync(IReadOnlyList<PendingOperation> batch)
    {
        NoteStart();
        PendingOperation[] sent = _session is { } session ? Number(batch, session) : Numbered(batch);
        if (sent.Length == 0) return await OpenSessionAsync(batch);

        _writer.Reset();
        foreach (PendingOperation operation in sent)
            _writer.Add(operation.Session, operation.Sequence, operation.FirstUnacknowledged, operation.Encoded);

        GroupReply reply =
            await Client.Connection.ExecuteAsync(Group, new GroupRequest(RequestKind.Write, _writer.ToArray()));
        switch (reply.Status)
        {
            case GroupReplyStatus.Answered:
                return Distribute(sent, reply.Answers);
            case GroupReplyStatus.Malformed:
                foreach (PendingOperation operation in sent)
                    operation.Fail(operation.MayBeApplied
                        ? new OutcomeUnknownException("The group refused to look at the write again; it may or may "
                        + "not be applied.")
                        : new KeyValueArgumentException("BadArgument",
                            "The group refused the write as malformed or beyond its limits; nothing was changed."));
                return null;
            case GroupReplyStatus.Unknown:
                foreach (PendingOperation operation in sent) operation.MayBeApplied = true;
                break;
        }
        LastProblem = Describe(reply);
        return RetryAfter(reply);
    }

    /// <summary>Gives the next numbers to what has none, as far as the session's window reaches; the rest waits for the
    /// next attempt.</summary>
    /// <returns>What has a number.</returns>
    private PendingOperation[] Number(IReadOnlyList<PendingOperation> batch, SessionId session)
    {
        // The lane keeps one batch in flight, so what it holds is all of its session that is unanswered.
        ulong first = _lastSequence + 1;
        foreach (PendingOperation operation in batch)
            if (operation.Session == session) first = Math.Min(first, operation.Sequence);
        var sent = new List<PendingOperation>(batch.Count);
        foreach (PendingOperation operation in batch)
        {
            if (operation.Sequence == 0)
            {
                if (_lastSequence + 1 - first >= (ulong)Client.Limits.SessionWindow)
                {
                    operation.IsSent = false;
                    continue;
                }
                operation.Number(session, ++_lastSequence);
            }
            // What came from a group that was taken over acknowledges no more than it did there.
            if (operation.Session == session) operation.FirstUnacknowledged = first;
            sent.Add(operation);
        }
        return [.. sent];
    }

    /// <summary>Without a session: what came with a number from a group that was taken over.</summary>
    private static PendingOperation[] Numbered(IReadOnlyList<PendingOperation> batch)
    {
        foreach (PendingOperation operation in batch)
            if (operation.Sequence == 0) operation.IsSent = false;
        return [.. batch.Where(operation => operation.Sequence != 0)];
    }

    /// <summary>Before each attempt: the group may be gone from the map before the next, and what it applied is asked of
    /// whoever has its lowest key then.</summary>
    private void NoteStart()
    {
        if (ReferenceEquals(_startSeen, Client.Ranges)) return;
        _startSeen = Client.Ranges;
        _start = Client.LeastStart(Group, _start);
    }

    protected override GroupId FindHeir()
    {
        NoteStart();
        if (_start is null || Client.OwnerOf(_start) is var heir && heir == Group) return Group;
        // What goes there under this session is the last of it.
        _session = null;
        return heir;
    }

    private async Task<Retry?> OpenSessionAsync(IReadOnlyList<PendingOperation> batch)
    {
        // Nothing of the batch leaves with this attempt: what expires meanwhile was not sent.
        foreach (PendingOperation operation in batch) operation.IsSent = false;
        _writer.Reset();
        _writer.AddUnsessioned(Operation.OpenSession(Client.Limits.SessionTimeoutMilliseconds));
        GroupReply reply =
            await Client.Connection.ExecuteAsync(Group, new GroupRequest(RequestKind.Write, _writer.ToArray()));
        if (reply.Status == GroupReplyStatus.Answered)
        {
            OperationAnswer answer = OperationAnswer.ReadAll(reply.Answers.Span)[0];
            if (answer.Status == AnswerStatus.SessionOpened)
            {
                _session = answer.Session;
                _lastSequence = 0;
                return null;
            }
            if (answer.Status == AnswerStatus.Frozen)
            {
                LastProblem = BeingMerged;
                return Retry.Merging;
            }
            LastProblem = $"opening a session was answered {answer.Status}";
            return Retry.Later;
        }
        LastProblem = Describe(reply);
        return RetryAfter(reply);
    }

    private Retry? Distribute(PendingOperation[] sent, ReadOnlyMemory<byte> answers)
    {
        OperationAnswer[] read = OperationAnswer.ReadAll(answers.Span);
        Invariant.Require(read.Length == sent.Length, $"{Group} gave {read.Length} answers to {sent.Length} writes");
        int refused = 0;
        var retry = Retry.Later;
        for (int i = 0; i < sent.Length; i++)
        {
            PendingOperation operation = sent[i];
            switch (read[i].Status)
            {
                case AnswerStatus.SessionExpired:
                    if (operation.Session == _session) _session = null;
                    if (operation.MayBeApplied)
                        operation.Fail(new OutcomeUnknownException("The session expired before the write's outcome "
                            + "was known; it may or may not be applied. Read before writing again."));
                    operation.ForgetNumber();
                    LastProblem = "the session expired";
                    refused++;
                    break;
                case AnswerStatus.SequenceTooOld:
                    operation.Fail(new OutcomeUnknownException("The group no longer keeps the write's outcome; it may "
                        + "or may not be applied. Read before writing again."));
                    break;
                case AnswerStatus.Frozen:
                    LastProblem = BeingMerged;
                    retry = Retry.Merging;
                    refused++;
                    break;
                case AnswerStatus.WrongRange:
                    // Had an earlier attempt been applied, this one would have been answered the same; and it is recorded,
                    // so none will be.
                    Client.Learn(read[i].Descriptor!);
                    Release(operation);
                    break;
                case AnswerStatus.Busy or AnswerStatus.WindowExceeded:
                    LastProblem = "there was no room for the answer beside those of other writes";
                    refused++;
                    break;
                default:
                    operation.End(read[i]);
                    break;
            }
        }
        // Room for the refused is made by acknowledging the others, so the next attempt needs no wait if there were
        // any.
        return refused == sent.Length ? retry : null;
    }
}
