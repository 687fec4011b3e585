using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// A client's writes to one group, in a session of that group: each has a sequence number, and an attempt that got no
/// answer is repeated under the same number, so that it is applied at most once. That goes for those, too, whose keys have
/// become another group's meanwhile: by a split or a merge that has the session as well, and what was answered in it.
/// </summary>
internal sealed class WriteLane(KvClient client, GroupId group) : GroupLane(client, group, RequestKind.Write)
{
    private readonly CommandBatchWriter _writer = new();
    private SessionId? _session;
    private ulong _lastSequence;

    // Numbered here, perhaps applied, and gone to other lanes.
    private readonly List<PendingOperation> _away = [];

    protected override async Task<Retry?> AttemptAsync(IReadOnlyList<PendingOperation> batch)
    {
        if (_session is not { } session) return await OpenSessionAsync(batch);

        PendingOperation[] sent = Number(batch, session);
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
                foreach (PendingOperation operation in sent) operation.NoteUnknown(Group);
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
        ulong first = FirstUnanswered(batch, session);
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
            if (operation.Session == session) operation.FirstUnacknowledged = first;
            sent.Add(operation);
        }
        return [.. sent];
    }

    /// <summary>The lane keeps one batch in flight, so that and what has gone from it to other lanes is all of the session
    /// that is unanswered.</summary>
    private ulong FirstUnanswered(IReadOnlyList<PendingOperation> batch, SessionId session)
    {
        _away.RemoveAll(operation => operation.IsEnded || operation.Session != session);
        ulong first = _lastSequence + 1;
        foreach (PendingOperation operation in batch)
            if (operation.Session == session) first = Math.Min(first, operation.Sequence);
        foreach (PendingOperation operation in _away) first = Math.Min(first, operation.Sequence);
        return first;
    }

    /// <summary>What may be applied keeps its number wherever it goes: who has the keys then has the session, too.</summary>
    protected override void Leave(PendingOperation operation)
    {
        if (!operation.MayBeApplied) operation.ForgetNumber();
        else if (operation.Session == _session) _away.Add(operation);
        base.Leave(operation);
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
                    GroupDescriptor told = read[i].Descriptor!;
                    Client.Learn(told);
                    operation.NoteRefused(Group);
                    // That was recorded before the keys came here. Had another group applied it, that would have come with
                    // them.
                    if (told.ContainsAll(operation.Encoded, Client.Limits)) operation.ForgetNumber();
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
