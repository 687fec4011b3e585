using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// The replicated state of a group: keys and values, sessions, group time, descriptor. The same entries lead to the
/// same state and the same answers on every replica: nothing but the entries and this state is consulted. One thread at
/// a time.
/// </summary>
public sealed partial class GroupState
{
    /// <summary>By column family.</summary>
    private readonly OrderedMap[] _families;
    private readonly Dictionary<ulong, Session> _sessions = [];
    private byte[] _encodedDescriptor;
    private readonly MapWarmer _warmer = new();

    /// <summary>Grows with every snapshot; see <see cref="Session.Stamp"/>.</summary>
    private long _stamp = 1;

    /// <summary>Ids are never used twice, so an expired session is never taken for a new one.</summary>
    private uint _nextSession = 1;
    private long _sessionBytes;

    /// <summary>Invariant: no session expires before this group time. Only saves work: the answers do not depend on
    /// it.</summary>
    private long _nextExpiryMilliseconds = long.MaxValue;

    public GroupState(GroupDescriptor descriptor, StoreLimits limits)
        : this(descriptor, limits, [new OrderedMap(), new OrderedMap(), new OrderedMap()])
    {
    }

    private GroupState(GroupDescriptor descriptor, StoreLimits limits, OrderedMap[] families)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        ArgumentNullException.ThrowIfNull(limits);
        IReadOnlyList<string> problems = limits.Validate();
        if (problems.Count > 0) throw new ArgumentException(string.Join(' ', problems), nameof(limits));
        Descriptor = descriptor;
        Limits = limits;
        _encodedDescriptor = descriptor.Encode();
        _families = families;
    }

    public StoreLimits Limits { get; }

    /// <summary>Changed by logged configurations, splits and merges only.</summary>
    public GroupDescriptor Descriptor { get; private set; }

    /// <summary>The entry applied last.</summary>
    public EntryId LastApplied { get; private set; }

    /// <summary>Advanced by logged commands only; sessions expire by it.</summary>
    public long GroupTimeMilliseconds { get; private set; }

    internal FaultPoints Faults { get; init; }

    public int SessionCount => _sessions.Count;

    /// <summary>Keys in all column families.</summary>
    public long KeyCount => _families.Sum(family => (long)family.Count);

    /// <summary>Bytes of all keys and values, exactly; the same on every replica that applied the same entries.</summary>
    public long KeyValueBytes
    {
        get
        {
            // Asked with every turn of a replica.
            long bytes = 0;
            foreach (OrderedMap family in _families) bytes += family.KeyValueBytes;
            return bytes;
        }
    }

    /// <summary>Estimated heap use of keys, values and sessions with their overhead, and of what a merge brings.</summary>
    public long MemoryBytes
    {
        get
        {
            long bytes = _sessionBytes + (Merges.Incoming?.NextOffsetBytes ?? 0);
            foreach (OrderedMap family in _families) bytes += family.MemoryBytes;
            return bytes;
        }
    }

    /// <summary>Applies the next entry.</summary>
    /// <param name="answers">Gets one answer per command, or a single <see cref="AnswerStatus.Malformed"/> if the
    /// payload is no batch; other kinds of entries have none. Null where nobody waits for them, as on a
    /// follower.</param>
    /// <returns>If the entry split the group: the state with which the new group begins. Else null.</returns>
    /// <exception cref="InvariantViolationException">This is not the next entry; nothing was applied.</exception>
    public GroupStateSnapshot? Apply(in LogEntry entry, AnswerBatchWriter? answers)
    {
        GroupStateSnapshot? child = null;
        Invariant.Require(entry.Index == LastApplied.Index.Next() && entry.Term >= LastApplied.Term,
            $"{Descriptor.Group}: {entry} does not follow {LastApplied}.");
        Invariant.Require(entry.Kind is EntryKind.Command or EntryKind.NoOp or EntryKind.Configuration,
            $"{Descriptor.Group}: {entry} is of a kind that this program does not know; it needs a newer one.");
        if (entry.Kind == EntryKind.Command) child = ApplyBatch(entry.Payload.Span, answers);
        else if (entry.Kind == EntryKind.Configuration) ApplyConfiguration(entry);
        LastApplied = entry.Id;
        return child;
    }

    /// <summary>
    /// The leader's check before it proposes a write: whether its answer could not be kept, because too many writes of
    /// the session are unacknowledged or their answers are too large. True means Busy. An unknown session does not
    /// exceed anything.
    /// </summary>
    public bool WouldExceedSession(SessionId session, ulong sequence, ulong firstUnacknowledged)
    {
        if (!_sessions.TryGetValue(session.Value, out Session? found)) return false;
        ulong first = Math.Max(found.First, firstUnacknowledged);
        // An old number and a retry are answered without keeping anything more.
        if (sequence < first || found.TryGetKept(sequence, out _)) return false;
        return sequence - first >= (ulong)Limits.SessionWindow
            || found.KeptBytesAfter(firstUnacknowledged) >= Limits.SessionAnswerBytes;
    }

    /// <summary>The state as it is now, for good. Takes time and memory for one reference per session.</summary>
    public GroupStateSnapshot Snapshot()
    {
        var families = Array.ConvertAll(_families, family => family.Snapshot());
        Session[] sessions = Faults.Has(FaultPoint.SessionsLostInSnapshot) ? [] : [.. _sessions.Values];
        return new GroupStateSnapshot(Descriptor, Limits, LastApplied, GroupTimeMilliseconds, _nextSession,
            sessions, _stamp++, families, MemoryBytes, [.. _forgotten], Merges);
    }

    private void ApplyConfiguration(in LogEntry entry)
    {
        bool decoded = Configuration.TryDecode(entry.Payload.Span, out Configuration configuration);
        Invariant.Require(decoded, $"{Descriptor.Group}: {entry} is no configuration.");
        Change(Descriptor.With(configuration));
    }

    private void Change(GroupDescriptor descriptor)
    {
        Descriptor = descriptor;
        _encodedDescriptor = descriptor.Encode();
    }

    private GroupStateSnapshot? ApplyBatch(ReadOnlySpan<byte> payload, AnswerBatchWriter? answers)
    {
        var framing = new CommandBatchReader(payload);
        bool warms = MapWarmer.IsUseful && framing.Count > 1;
        while (framing.MoveNext())
        {
            if (warms) Warm(payload, framing.Operation);
        }
        if (warms) _warmer.Finish(payload);
        if (framing.IsMalformed)
        {
            answers?.Add(AnswerStatus.Malformed);
            return null;
        }
        int answersStart = answers?.Length ?? 0;
        var commands = new CommandBatchReader(payload);
        while (commands.MoveNext())
        {
            // Alone, so that an entry splits once and what is in the group then is plain.
            OperationKind? alone = commands is { Count: 1, Session.IsNone: true }
                ? Operation.KindOf(commands.Operation)
                : null;
            if (alone >= OperationKind.Freeze) ApplyMerge(commands.Operation, answers);
            else if (IsFrozen) AnswerFrozen(in commands, answers, answersStart);
            else if (alone == OperationKind.Split) return ApplySplit(commands.Operation, answers);
            else if (commands.Session.IsNone) ApplyUnsessioned(commands.Operation, answers);
            else Answer(ApplyInSession(in commands), answers, answersStart);
        }
        return null;
    }

    private void Warm(ReadOnlySpan<byte> payload, ReadOnlySpan<byte> operation)
    {
        if (Operation.TryReadKey(operation, out ColumnFamily family, out ReadOnlySpan<byte> key))
            _warmer.Add(_families[(int)family], payload, key);
    }

    private void Answer(Outcome outcome, AnswerBatchWriter? answers, int answersStart)
    {
        if (answers is null) return;
        if (outcome.Status == AnswerStatus.WrongRange) answers.AddWrongRange(_encodedDescriptor);
        else if (outcome.Status != AnswerStatus.Mismatch) answers.Add(outcome.Status);
        // Recorded or not, there is no room to tell it now: a retry gets it.
        else if (answers.Length - answersStart > Limits.MaxBatchBytes) answers.Add(AnswerStatus.Busy);
        else answers.AddMismatch(outcome.Value);
    }
}
