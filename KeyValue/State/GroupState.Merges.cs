using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>
/// Taking over all that a neighbour has, or giving it away. Whether that happens, the target's log alone decides: taking
/// over and abandoning are entries of it, and whichever comes first rules out the other.
/// </content>
public sealed partial class GroupState
{
    // Reads what comes in as it comes, so that taking it over takes little time: derived from the state, no part of it.
    private GroupStateDecoder? _decoder;
    private int _decodedChunks;
    private string? _undecodable;

    /// <summary>Changed by logged commands only.</summary>
    public MergeState Merges { get; private set; } = MergeState.None;

    /// <summary>Whether nothing is changed and no reads are served but stale ones.</summary>
    public bool IsFrozen => Merges.Frozen is not null && !Faults.Has(FaultPoint.FrozenGroupServesWrites);

    /// <summary>Why the last step of a merge that was refused was; for people.</summary>
    internal string? MergeRefusal { get; private set; }

    /// <summary>Bytes of what a target would get, exactly.</summary>
    internal long MergeContentBytes()
    {
        long head = SnapshotFormat.PreambleBytes + Block(Descriptor.RangeOnly.Encode()) + Block(Limits.Encode())
            + SnapshotFormat.HeadNumbersBytes + (SnapshotFormat.ForgottenBytes * _forgotten.Count);
        long sessions = 0;
        foreach (Session session in _sessions.Values)
            sessions += SnapshotFormat.SessionBytes + (SnapshotFormat.KeptBytes * session.KeptCount) + session.KeptBytes;
        return head + sessions + (_families.Length * SnapshotFormat.FamilyBytes) + (KeyCount * SnapshotFormat.RowBytes)
            + KeyValueBytes + SnapshotFormat.EndBytes;

        static long Block(byte[] bytes) => ByteBuffer.VarintLength((ulong)bytes.Length) + bytes.Length;
    }

    /// <summary>Why the group cannot become the source of a merge; null if it can.</summary>
    internal string? WhyNotFreeze(MergeId merge, GroupId target, ulong rangeVersion)
    {
        GroupId group = Descriptor.Group;
        if (group == GroupId.Meta || target == group) return $"{group} cannot be merged into {target}.";
        if (WhyTooLate(merge) is { } why) return why;
        if (Merges.Frozen is { } frozen) return $"{group} waits for {frozen.Target} to take it over in {frozen.Merge}.";
        if (Merges.Incoming is { } incoming) return $"{group} takes over {incoming.Source.Group} in {incoming.Merge}.";
        if (Descriptor.RangeVersion != rangeVersion) return $"{Descriptor} is not of version {rangeVersion}.";
        return MergeContentBytes() is var bytes and > MergeContent.MaxBytes
            ? $"{group} would take {bytes} bytes; at most {MergeContent.MaxBytes} are merged."
            : null;
    }

    /// <summary>Why a part of what a neighbour has cannot be taken; null if it can.</summary>
    internal string? WhyNotAbsorb(MergeChunk chunk)
    {
        GroupId group = Descriptor.Group;
        if (group == GroupId.Meta || chunk.Source.Group == group) return $"{group} cannot take over {chunk.Source.Group}.";
        if (WhyTooLate(chunk.Merge) is { } why) return why;
        if (Merges.Frozen is { } frozen) return $"{group} waits for {frozen.Target} to take it over in {frozen.Merge}.";
        if (Merges.Incoming is not { } incoming)
        {
            if (!IsNeighbour(chunk.Source)) return $"{chunk.Source} is no neighbour of {Descriptor}.";
            return chunk.OffsetBytes == 0 ? null : $"{group} has nothing of {chunk.Merge} yet.";
        }
        if (incoming.Merge != chunk.Merge) return $"{group} takes over {incoming.Source.Group} in {incoming.Merge}.";
        bool isSame = incoming.Source == chunk.Source && incoming.TotalBytes == chunk.TotalBytes
            && incoming.Checksum == chunk.Checksum;
        if (!isSame) return $"{group} has begun with another content in {chunk.Merge}.";
        return chunk.OffsetBytes <= incoming.NextOffsetBytes
            ? null
            : $"{group} wants what begins at {incoming.NextOffsetBytes} next, not at {chunk.OffsetBytes}.";
    }

    /// <summary>Whether a part is here already.</summary>
    internal bool HasAbsorbed(MergeChunk chunk) => Merges.Incoming is { } incoming && incoming.Merge == chunk.Merge
        && chunk.OffsetBytes < incoming.NextOffsetBytes && WhyNotAbsorb(chunk) is null;

    /// <summary>Why what came in cannot be taken over, as far as that shows without reading it; null if it can.</summary>
    internal string? WhyNotTakeOver(MergeId merge)
    {
        if (WhyTooLate(merge) is { } why) return why;
        if (Merges.Incoming is not { } incoming || incoming.Merge != merge)
            return $"{Descriptor.Group} has nothing of {merge} yet.";
        if (!incoming.IsComplete)
            return $"{Descriptor.Group} has {incoming.NextOffsetBytes} of {incoming.TotalBytes} bytes of {merge}.";
        return IsNeighbour(incoming.Source) ? null : $"{incoming.Source} is no neighbour of {Descriptor}.";
    }

    /// <summary>Whether a merge ended here, and why nothing of it is to be done any more.</summary>
    internal string? WhyTooLate(MergeId merge) => merge > Merges.Last
        ? null
        : $"{Merges.Last} has ended for {Descriptor.Group} already ({Merges.Outcome}).";

    private bool IsNeighbour(GroupDescriptor source) => IsAbove(source)
        || (source.End.Length > 0 && source.End.AsSpan().SequenceEqual(Descriptor.Start));

    private bool IsAbove(GroupDescriptor source) =>
        Descriptor.End.Length > 0 && Descriptor.End.AsSpan().SequenceEqual(source.Start);

    /// <summary>A retry whose answer is kept gets it: that changes nothing.</summary>
    private void AnswerFrozen(in CommandBatchReader command, AnswerBatchWriter? answers, int answersStart)
    {
        Outcome outcome = AnswerStatus.Frozen;
        if (_sessions.TryGetValue(command.Session.Value, out Session? session)
            && session.TryGetKept(command.Sequence, out Outcome kept)) outcome = kept;
        Answer(outcome, answers, answersStart);
    }

    private void ApplyMerge(ReadOnlySpan<byte> bytes, AnswerBatchWriter? answers)
    {
        ParsedOperation operation = ParsedOperation.Parse(bytes, Limits, out AnswerStatus status);
        if (status == AnswerStatus.Ok)
        {
            MergeRefusal = operation.Kind switch
            {
                OperationKind.Freeze => Freeze(in operation),
                OperationKind.Absorb => Absorb(in operation),
                OperationKind.TakeOver => TakeOver(operation.Merge),
                _ => Abandon(operation.Merge),
            };
            if (MergeRefusal is not null) status = AnswerStatus.Refused;
        }
        answers?.Add(status);
    }

    private string? Freeze(in ParsedOperation freeze)
    {
        if (Merges.Frozen?.Merge == freeze.Merge) return null;
        if (WhyNotFreeze(freeze.Merge, freeze.Group, freeze.RangeVersion) is { } why) return why;
        Merges = Merges with { Frozen = new FrozenMerge(freeze.Merge, freeze.Group) };
        return null;
    }

    private string? Absorb(in ParsedOperation absorb)
    {
        var source = new GroupDescriptor(absorb.Group, absorb.Start.ToArray(), absorb.End.ToArray(), absorb.RangeVersion,
            0, []);
        var chunk = new MergeChunk(absorb.Merge, source, absorb.Number, absorb.TotalBytes, absorb.Checksum, default);
        if (WhyNotAbsorb(chunk) is { } why) return why;
        IncomingMerge incoming = Merges.Incoming
            ?? new IncomingMerge(absorb.Merge, source, absorb.TotalBytes, absorb.Checksum, []);
        // It is here already.
        if (chunk.OffsetBytes < incoming.NextOffsetBytes) return null;
        Merges = Merges with { Incoming = incoming.With(absorb.Value) };
        DecodeIncoming();
        return null;
    }

    private string? TakeOver(MergeId merge)
    {
        if (Merges.Last == merge && Merges.Outcome == MergeOutcome.Taken) return null;
        if (WhyNotTakeOver(merge) is { } why) return why;
        if (DecodedSource(out string? problem) is not { } source) return problem;
        if (UniteSessions(source, out problem) is not { } sessions) return problem;
        GroupDescriptor other = source.Descriptor;
        bool isAbove = IsAbove(other);
        for (int i = 0; i < _families.Length; i++) _families[i].Join(source._families[i], isAbove);
        if (!Faults.Has(FaultPoint.SessionsLostInMerge)) Use(sessions);
        foreach ((GroupId group, uint newest) in source._forgotten) Forget(group, newest);
        Change(Descriptor with
        {
            Start = isAbove ? Descriptor.Start : other.Start,
            End = isAbove ? other.End : Descriptor.End,
            RangeVersion = Math.Max(Descriptor.RangeVersion, other.RangeVersion) + 1,
        });
        EndMerges(merge, MergeOutcome.Taken);
        return null;
    }

    /// <summary>As abandoned, in the target or, once that did, in the source.</summary>
    private string? Abandon(MergeId merge)
    {
        bool mayEnd = merge > Merges.Last || Faults.Has(FaultPoint.AbandonAfterTakeOver);
        if (mayEnd) EndMerges(merge, MergeOutcome.Abandoned);
        // How it ended before is what the state says.
        return merge == Merges.Last ? null : WhyTooLate(merge);
    }

    private void EndMerges(MergeId merge, MergeOutcome outcome)
    {
        Merges = Merges.Ended(merge, outcome);
        if (Merges.Incoming is not null) return;
        _decoder = null;
        _decodedChunks = 0;
        _undecodable = null;
    }

    /// <summary>Reads the parts that were not read yet: the last one, or after a restart all of them.</summary>
    private void DecodeIncoming()
    {
        IncomingMerge incoming = Merges.Incoming!;
        _decoder ??= new GroupStateDecoder(Limits, Faults);
        int count = incoming.Chunks.Length;
        if (incoming.IsComplete && Faults.Has(FaultPoint.MergeDropsTail)) count--;
        try
        {
            while (_undecodable is null && _decodedChunks < count) _decoder.Add(incoming.Chunks[_decodedChunks++]);
        }
        catch (InvalidDataException malformed)
        {
            _undecodable = malformed.Message;
        }
    }

    private GroupState? DecodedSource(out string? problem)
    {
        IncomingMerge incoming = Merges.Incoming!;
        problem = null;
        uint checksum = 0;
        foreach (byte[] chunk in incoming.Chunks) checksum = Crc32C.Append(checksum, chunk);
        if (checksum != incoming.Checksum)
        {
            problem = $"What {Descriptor.Group} got of {incoming.Merge} is damaged: it has another checksum.";
            return null;
        }
        DecodeIncoming();
        try
        {
            GroupState? source = _undecodable is null ? _decoder!.Complete() : null;
            if (source is not null && source.Descriptor == incoming.Source) return source;
            problem = _undecodable ?? $"What {Descriptor.Group} got of {incoming.Merge} is of {source!.Descriptor}.";
        }
        catch (InvalidDataException malformed)
        {
            problem = malformed.Message;
        }
        return null;
    }

    /// <summary>
    /// The sessions of both, each with what either kept of it. One that only one of the two has is dropped if the other
    /// may have used it: it has expired there, and a late repetition of what was applied under it would not be known as
    /// one.
    /// </summary>
    private List<Session>? UniteSessions(GroupState source, out string? problem)
    {
        var united = new List<Session>();
        foreach (Session own in _sessions.Values)
        {
            Session session = own.CopyFor(_stamp);
            if (source._sessions.TryGetValue(own.Id, out Session? other)) Unite(session, source, other);
            else if (source.MayHaveForgotten(new SessionId(own.Id))) continue;
            united.Add(session);
        }
        foreach (Session other in source._sessions.Values)
        {
            if (_sessions.ContainsKey(other.Id) || MayHaveForgotten(new SessionId(other.Id))) continue;
            long used = MapUse(source, other);
            var session = new Session(other.Id, other.TimeoutMilliseconds, used, _stamp);
            Unite(session, source, other);
            united.Add(session);
        }
        problem = united.Count > Limits.MaxSessions ? $"{united.Count} sessions are more than a group may have."
            : united.Exists(session => session.KeptBytes > Limits.SessionAnswerBytes)
                ? "The answers kept for a session are more than a group may keep."
                : _forgotten.Keys.Union(source._forgotten.Keys).Count() > SnapshotFormat.MaxForgotten
                    ? "They have had sessions of more groups than a group can remember."
                    : null;
        return problem is null ? united : null;
    }

    private void Unite(Session session, GroupState source, Session other)
    {
        session.Unite(other, MapUse(source, other));
        // What the source did is this group's doing from now on.
        if (session.UsedBy == Descriptor.Group) return;
        session.UsedBy = other.UsedBy == source.Descriptor.Group ? Descriptor.Group : other.UsedBy;
    }

    /// <summary>What lay as long ago in the source's time, in this group's.</summary>
    private long MapUse(GroupState source, Session session) =>
        Math.Max(0, GroupTimeMilliseconds - (source.GroupTimeMilliseconds - session.LastUsedMilliseconds));

    private void Use(List<Session> sessions)
    {
        _sessions.Clear();
        _sessionBytes = 0;
        _nextExpiryMilliseconds = long.MaxValue;
        foreach (Session session in sessions) AddSession(session);
    }
}
