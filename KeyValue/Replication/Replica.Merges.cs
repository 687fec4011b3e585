using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>
/// The steps by which a neighbour takes over all that a group has. Each may be asked for again and again, and of any
/// replica: only a leader takes it, and what is done already stays as it is.
/// </content>
public sealed partial class Replica
{
    /// <summary>Where the group is in its merges, as far as this replica has applied its log. That a merge has ended is true
    /// for good.</summary>
    public MergeState Merges => _summary.Merges;

    /// <summary>Of the source, first: from now on the group serves nothing. Never throws.</summary>
    /// <param name="rangeVersion">What the group's must be.</param>
    public Task<MergeAnswer> FreezeAsync(MergeId merge, GroupId target, ulong rangeVersion) => AskStepAsync(
        Operation.Freeze(merge, target, rangeVersion), state => state.Merges.Frozen?.Merge == merge,
        state => state.WhyNotFreeze(merge, target, rangeVersion));

    /// <summary>Of the source, once it is frozen: all that it has, the same bytes whichever replica is asked. Null if it is
    /// not frozen in this merge here, or this replica does not lead. Never throws.</summary>
    public async Task<MergeContent?> CutForMergeAsync(MergeId merge)
    {
        FrozenContent? frozen = await AskAsync<FrozenContent>(replica =>
        {
            replica.NoteAsked();
            bool isFrozen = replica._node.Role == Role.Leader && replica._state.Merges.Frozen?.Merge == merge;
            return isFrozen ? new FrozenContent(replica._state.Snapshot()) : null;
        });
        return frozen is { } found ? MergeContent.Of(merge, found.Snapshot) : null;
    }

    /// <summary>Of the target: takes the next part of what the source has. One that it has already changes nothing:
    /// <see cref="IncomingMerge.NextOffsetBytes"/> tells which is the next. Never throws.</summary>
    public Task<MergeAnswer> AbsorbAsync(MergeChunk chunk)
    {
        ArgumentNullException.ThrowIfNull(chunk);
        return AskStepAsync(Operation.Absorb(chunk), state => state.HasAbsorbed(chunk),
            state => state.WhyNotAbsorb(chunk));
    }

    /// <summary>Of the target, once it has all parts: from now on the source's keys are its own. Never throws.</summary>
    public Task<MergeAnswer> TakeOverAsync(MergeId merge) => AskStepAsync(Operation.TakeOver(merge),
        state => state.Merges.Last == merge && state.Merges.Outcome == MergeOutcome.Taken,
        state => state.WhyNotTakeOver(merge));

    /// <summary>Of the target: ends the merge, unless it took over before; <see cref="MergeAnswer.State"/> tells. Never
    /// throws.</summary>
    public Task<MergeAnswer> AbandonAsync(MergeId merge) => AskStepAsync(Operation.Abandon(merge),
        state => state.Merges.Last == merge && !_faults.Has(FaultPoint.AbandonAfterTakeOver),
        state => merge == state.Merges.Last ? null : state.WhyTooLate(merge));

    /// <summary>Of the source, and only after the target said that it abandoned the merge: it serves again. Never
    /// throws.</summary>
    public Task<MergeAnswer> ThawAsync(MergeId merge) => AskStepAsync(Operation.Thaw(merge),
        state => state.Merges.Last == merge, state => merge == state.Merges.Last ? null : state.WhyTooLate(merge));

    private Task<MergeAnswer> AskStepAsync(byte[] operation, Func<GroupState, bool> isDone,
        Func<GroupState, string?> whyNot)
    {
        var input = new MergeInput(operation, isDone, whyNot);
        Post(input);
        return input.Result;
    }

    internal void OnMergeStep(MergeInput input)
    {
        NoteAsked();
        if (_node.Role != Role.Leader || _stall is not null || _awaitsBase)
        {
            _node.Wake(_host.Now);
            input.End(new MergeAnswer(MergeStatus.NotLeader, _state.Merges));
        }
        else if (input.IsDone(_state)) input.End(new MergeAnswer(MergeStatus.Done, _state.Merges));
        // What its predecessors decided may still be ahead of it.
        else if (_state.LastApplied.Term != _node.Term)
            input.End(new MergeAnswer(MergeStatus.Busy, _state.Merges, $"{Group} has a new leader; try again."));
        else if (input.WhyNot(_state) is { } reason)
            input.End(new MergeAnswer(MergeStatus.Refused, _state.Merges, reason));
        else _ = FollowStepAsync(input, ProposeOwn(input.Operation));
    }

    /// <summary>Proposes what only a leader itself may ask for.</summary>
    private Task<GroupReply> ProposeOwn(byte[] operation)
    {
        var batch = new CommandBatchWriter();
        batch.AddUnsessioned(operation);
        var request = new RequestInput(new GroupRequest(RequestKind.Write, batch.ToArray()), isOwn: true);
        Interlocked.Increment(ref _pendingRequests);
        Interlocked.Add(ref _pendingBytes, request.Request.Batch.Length);
        // What passed in silence counts first.
        if (_node.IsSilent) AdvanceGroupTime();
        ProposeChecked(request);
        return request.Reply;
    }

    private async Task FollowStepAsync(MergeInput input, Task<GroupReply> proposed)
    {
        GroupReply reply = await proposed;
        AnswerStatus? status = reply.Status == GroupReplyStatus.Answered
            ? OperationAnswer.ReadAll(reply.Answers.Span)[0].Status
            : null;
        MergeStatus outcome = reply.Status switch
        {
            GroupReplyStatus.Answered => status == AnswerStatus.Ok ? MergeStatus.Done : MergeStatus.Refused,
            GroupReplyStatus.NotLeader or GroupReplyStatus.Unavailable => MergeStatus.NotLeader,
            GroupReplyStatus.Busy => MergeStatus.Busy,
            _ => MergeStatus.Unknown,
        };
        // In a turn of its own: what is published may still be as before the step.
        StepEnd? end = await AskAsync<StepEnd>(static replica =>
            new StepEnd(replica._state.Merges, replica._state.MergeRefusal));
        string? reason = outcome == MergeStatus.Refused ? end?.Refusal ?? $"{Group} changed meanwhile." : null;
        input.End(new MergeAnswer(outcome, end?.State ?? Merges, reason));
    }

    /// <summary>An entry was applied.</summary>
    private void NoteMerges(LogIndex index, MergeState before)
    {
        MergeState now = _state.Merges;
        if (ReferenceEquals(now, before)) return;
        if (now.Frozen is { } frozen && before.Frozen is null)
            ReplicaLog.Frozen(_logger, _host.Name, Group, Id, index, frozen.Merge, frozen.Target);
        if (now.Last == before.Last && now.Outcome == before.Outcome) return;
        ReplicaLog.MergeEnded(_logger, _host.Name, Group, Id, index, now.Last, now.Outcome, _state.Descriptor);
        // Where its requests are will be elsewhere from now on.
        if (now.Outcome == MergeOutcome.Taken) _sample.Clear();
    }

    /// <summary>Nothing is proposed or read: the callers come again, here or to the group that takes over.</summary>
    private void AnswerFrozen(RequestInput request, int count)
    {
        _answers.Reset();
        for (int i = 0; i < count; i++) _answers.Add(AnswerStatus.Frozen);
        Answer(request, new GroupReply(GroupReplyStatus.Answered, _answers.ToArray(), NodeOf(_node.Leader)));
    }

    private readonly record struct FrozenContent(GroupStateSnapshot Snapshot);

    private readonly record struct StepEnd(MergeState State, string? Refusal);
}
