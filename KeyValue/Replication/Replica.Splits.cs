using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Splitting the group, and bringing up the replica here of the group that begins with it.</content>
public sealed partial class Replica
{
    // Of children that were split off here: each until it needs this replica's log no more.
    private readonly List<(GroupId Group, ReplicaId Id)> _bearing = [];
    private readonly List<GroupStateSnapshot> _unborn = [];
    private readonly KeySample _sample = new();
    private GroupDescriptor? _toldDescriptor;

    // Its log follows a base that its parent, which is open here, too, has yet to hand over: until then it does nothing.
    private bool _awaitsBase;

    /// <summary>For checks: what is on its disk it cannot take up yet.</summary>
    internal bool AwaitsBase => _awaitsBase;

    // It began with a base that only its parent's log holds: it takes a snapshot as soon as it can.
    private bool _isNewborn;

    /// <summary>
    /// Splits the group at a key: from there on its keys belong to a new one, which begins on the same nodes. Done on
    /// return, if so answered, as far as this replica goes; the new group's has to be opened. Never throws.
    /// </summary>
    /// <param name="key">Null: where about half of the bytes lie on either side.</param>
    /// <param name="child">An id that no group ever had.</param>
    /// <param name="rangeVersion">Of the group that is to be split; one that has changed since is left alone. Null: as it
    /// is now. Who may ask twice for one child must name it: a second split would give keys to a group that does not
    /// begin again.</param>
    public Task<SplitAnswer> SplitAsync(ReadOnlyMemory<byte>? key, GroupId child, ulong? rangeVersion = null)
    {
        var input = new SplitInput(key?.ToArray(), child, rangeVersion);
        Post(input);
        return input.Result;
    }

    /// <summary>A key that about half of the recent requests were below; null if there is none, or this replica has
    /// stopped.</summary>
    public Task<ReadOnlyMemory<byte>?> FindLoadSplitKeyAsync() => AskAsync<ReadOnlyMemory<byte>>(static replica =>
        replica._sample.Middle(key => replica._state.CanSplitAt(key)));

    internal void OnSplit(SplitInput input)
    {
        if (_node.Role != Role.Leader || _stall is not null || _awaitsBase)
        {
            input.End(new SplitAnswer(SplitStatus.NotLeader));
            return;
        }
        if (input.RangeVersion is { } expected && expected != _state.Descriptor.RangeVersion)
        {
            input.End(new SplitAnswer(SplitStatus.Refused, input.Key, $"{_state.Descriptor} is not of version {expected}."));
            return;
        }
        byte[]? key = input.Key ?? _state.MiddleKey();
        if (WhyNotSplit(key, input.Child) is { } reason)
        {
            input.End(new SplitAnswer(SplitStatus.Refused, key, reason));
            return;
        }
        GroupDescriptor now = _state.Descriptor;
        Task<GroupReply> proposed = ProposeOwn(Operation.Split(now, key, input.Child,
            [.. Enumerable.Range(1, now.Replicas.Count).Select(id => new ReplicaId((ulong)id))]));
        _ = FollowSplitAsync(input, key!, proposed);
    }

    private string? WhyNotSplit(byte[]? key, GroupId child)
    {
        GroupDescriptor now = _state.Descriptor;
        if (Group.Value == 0 || child.Value == 0 || child == Group) return $"{Group} cannot be split into {child}.";
        if (_node.Configuration.IsJoint || !_node.IsConfigurationCommitted)
            return $"The members of {Group} are being changed; try again.";
        if (_state.Merges.Frozen is { } frozen) return $"{frozen.Target} is about to take {Group} over.";
        if (_state.Merges.Incoming is { } incoming) return $"{Group} is about to take {incoming.Source.Group} over.";
        if (key is null) return $"{Group} has no key with others below it.";
        if (key.AsSpan().SequenceEqual(now.Start)) return $"The key is where {Group} begins already.";
        if (!_state.CanSplitAt(key)) return $"The key is not one of {now}.";
        if (key.Length > _state.Limits.MaxKeyBytes) return "The key is larger than keys may be.";
        return null;
    }

    private async Task FollowSplitAsync(SplitInput input, byte[] key, Task<GroupReply> proposed)
    {
        GroupReply reply = await proposed;
        AnswerStatus? status = reply.Status == GroupReplyStatus.Answered
            ? OperationAnswer.ReadAll(reply.Answers.Span)[0].Status
            : null;
        input.End(reply.Status switch
        {
            GroupReplyStatus.Answered when status == AnswerStatus.Ok => new SplitAnswer(SplitStatus.Split, key),
            GroupReplyStatus.Answered =>
                new SplitAnswer(SplitStatus.Refused, key, $"{Group} changed meanwhile: {Descriptor}; try again."),
            GroupReplyStatus.NotLeader or GroupReplyStatus.Unavailable => new SplitAnswer(SplitStatus.NotLeader, key),
            GroupReplyStatus.Busy => new SplitAnswer(SplitStatus.Refused, key, $"{Group} is busy; try again."),
            _ => new SplitAnswer(SplitStatus.Unknown, key),
        });
    }

    /// <summary>An entry was applied; if it split off a group, that begins as soon as the next life of this replica is sure
    /// to split it off again.</summary>
    private void NoteSplit(LogIndex index, GroupStateSnapshot? child)
    {
        if (child is null) return;
        ReplicaLog.Split(_logger, _host.Name, Group, Id, index, _state.Descriptor, child.Descriptor);
        _sample.Clear();
        MeasureAnew(_host.Now);
        // A replica that is not a member gets no child; it is here by mistake or on its way out.
        _unborn.Add(child);
        _node.PersistCommit();
    }

    /// <summary>The writes of this turn are in the node's log now, before any of the children.</summary>
    private void BearChildren()
    {
        foreach (GroupStateSnapshot child in _unborn)
        {
            if (ReplicaBesideThis(child.Descriptor) is not { } id) continue;
            GroupId group = child.Descriptor.Group;
            if (!_host.IsSettled(group, id)) _bearing.Add((group, id));
            _host.BearChild(id, child, _node.Role == Role.Leader);
        }
        _unborn.Clear();
    }

    private ReplicaId? ReplicaBesideThis(GroupDescriptor child)
    {
        foreach (ReplicaPlacement placement in child.Replicas)
            if (placement.Node == _host.Name) return placement.Id;
        return null;
    }

    /// <param name="batch">Well formed.</param>
    private void SampleWrite(ReadOnlySpan<byte> batch)
    {
        var commands = new CommandBatchReader(batch);
        if (!commands.MoveNext() || commands.Session.IsNone) return;
        _sample.Add(ParsedOperation.Parse(commands.Operation, _state.Limits, out _)
            .FirstKey(_state.Limits));
    }

    /// <param name="batch">Well formed.</param>
    private void SampleRead(ReadOnlySpan<byte> batch)
    {
        var reads = new ReadBatchReader(batch);
        if (reads.MoveNext()) _sample.Add(reads.IsScan ? reads.Start : reads.Key);
    }

    /// <summary>Whether a child here begins with what only this replica's log holds.</summary>
    private bool IsBearing()
    {
        if (_bearing.Count > 0) _bearing.RemoveAll(child => _host.IsSettled(child.Group, child.Id));
        return (_bearing.Count > 0 || _unborn.Count > 0 || _node.LastApplied < _node.CommitIndex)
            && !_faults.Has(FaultPoint.ParentCompactedBeforeChildDurable);
    }

    /// <summary>A snapshot of its own is durable.</summary>
    private void GrowUp()
    {
        if (!_isNewborn) return;
        _isNewborn = false;
        _host.ForgetBase(Group);
    }

    /// <summary>Tells the node, for whoever asks it for routes.</summary>
    private void TellRange()
    {
        if (ReferenceEquals(_toldDescriptor, _state.Descriptor)) return;
        _toldDescriptor = _state.Descriptor;
        _host.Learn(_state.Descriptor);
    }
}
