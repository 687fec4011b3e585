using System.Runtime.InteropServices;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Exactly-once writes, and the group's time.</content>
public sealed partial class GroupState
{
    /// <summary>By the group that opened them: the newest of the sessions that were used here, or in a group that came
    /// here, and have expired. What was applied under one that is not newer, and is not here, may be forgotten.</summary>
    private readonly SortedDictionary<GroupId, uint> _forgotten = [];

    internal bool MayHaveForgotten(SessionId session) =>
        _forgotten.TryGetValue(session.Group, out uint newest) && session.Number <= newest;

    private void Forget(GroupId group, uint number) =>
        _forgotten[group] = Math.Max(number, _forgotten.GetValueOrDefault(group));

    private Outcome ApplyInSession(in CommandBatchReader command)
    {
        Session? session = FindForWriting(command.Session.Value);
        if (session is null) return AnswerStatus.SessionExpired;
        long memoryBefore = session.MemoryBytes;
        session.Touch(GroupTimeMilliseconds, Descriptor.Group);
        session.Acknowledge(command.FirstUnacknowledged);
        Outcome outcome = ApplyOnce(session, command.Sequence, command.Operation);
        _sessionBytes += session.MemoryBytes - memoryBefore;
        return outcome;
    }

    private Outcome ApplyOnce(Session session, ulong sequence, ReadOnlySpan<byte> operation)
    {
        if (sequence < session.First) return AnswerStatus.SequenceTooOld;
        if (sequence - session.First >= (ulong)Limits.SessionWindow) return AnswerStatus.WindowExceeded;
        if (session.TryGetKept(sequence, out Outcome kept) && !Faults.Has(FaultPoint.RetryAppliedTwice)) return kept;
        Outcome outcome = Write(operation);
        // Only an answer that carries a value can be too large, and what leads to such a one changes nothing.
        if (outcome.Value is not null && session.KeptBytes + outcome.Value.Length > Limits.SessionAnswerBytes)
            return AnswerStatus.Busy;
        if (outcome.IsRecorded) session.Keep(sequence, outcome);
        return outcome;
    }

    private void ApplyUnsessioned(ReadOnlySpan<byte> bytes, AnswerBatchWriter? answers)
    {
        ParsedOperation operation = ParsedOperation.Parse(bytes, Limits, out AnswerStatus status);
        if (status == AnswerStatus.Ok && operation.Kind == OperationKind.OpenSession)
        {
            OpenSession(operation.Number, answers);
            return;
        }
        if (status == AnswerStatus.Ok && operation.Kind == OperationKind.AdvanceTime) AdvanceTime(operation.Number);
        // The rows of the meta group have one writer, whom a session would not help: what it is not sure of it reads
        // again.
        else if (status == AnswerStatus.Ok && operation.Kind == OperationKind.Batch && Descriptor.Group == GroupId.Meta)
            status = WriteBatch(in operation);
        else status = status == AnswerStatus.Ok ? AnswerStatus.Malformed : status;
        answers?.Add(status);
    }

    private void OpenSession(long timeoutMilliseconds, AnswerBatchWriter? answers)
    {
        // Should the ids ever run out, no session opens any more; those that are open go on.
        if (_sessions.Count >= Limits.MaxSessions || _nextSession == uint.MaxValue)
        {
            answers?.Add(AnswerStatus.Busy);
            return;
        }
        SessionId id = SessionId.Of(Descriptor.Group, _nextSession++);
        var session = new Session(id.Value, timeoutMilliseconds, GroupTimeMilliseconds, _stamp);
        AddSession(session);
        answers?.AddSessionOpened(new SessionId(session.Id));
    }

    private void AddSession(Session session)
    {
        _sessions.Add(session.Id, session);
        _sessionBytes += session.MemoryBytes;
        _nextExpiryMilliseconds = Math.Min(_nextExpiryMilliseconds, session.ExpiresAtMilliseconds);
    }

    private void AdvanceTime(long proposedMilliseconds)
    {
        GroupTimeMilliseconds = Math.Max(GroupTimeMilliseconds, proposedMilliseconds);
        if (GroupTimeMilliseconds < _nextExpiryMilliseconds) return;
        _nextExpiryMilliseconds = long.MaxValue;
        // Which of them expire does not depend on the order in which they are looked at.
        foreach (Session session in _sessions.Values)
        {
            if (session.IsExpiredAt(GroupTimeMilliseconds))
            {
                _sessions.Remove(session.Id);
                _sessionBytes -= session.MemoryBytes;
                if (session.UsedBy == Descriptor.Group) Forget(new SessionId(session.Id).Group, new SessionId(session.Id).Number);
            }
            else
            {
                _nextExpiryMilliseconds = Math.Min(_nextExpiryMilliseconds, session.ExpiresAtMilliseconds);
            }
        }
    }

    private Session? FindForWriting(ulong id)
    {
        ref Session session = ref CollectionsMarshal.GetValueRefOrNullRef(_sessions, id);
        if (System.Runtime.CompilerServices.Unsafe.IsNullRef(ref session)) return null;
        if (session.Stamp != _stamp) session = session.CopyFor(_stamp);
        return session;
    }
}
