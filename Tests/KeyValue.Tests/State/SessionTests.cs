using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

/// <summary>Exactly once: a write is applied at most once per session and sequence number. Thesis §6.3.</summary>
[Trait("Raft", "Thesis §6.3")]
public sealed class SessionTests
{
    private static readonly byte[] AppendX = Operation.Append(ColumnFamily.Default, "k"u8, "x"u8);

    private readonly TestGroup _group =
        new(new StoreLimits { SessionWindow = 40, SessionTimeoutMilliseconds = 10_000 });

    [Fact]
    public void The_group_assigns_ids_that_are_never_used_again()
    {
        Assert.Equal([TestGroup.SessionOf(1), TestGroup.SessionOf(2)], [_group.Open(), _group.Open()]);
        Advance(5000);
        Assert.Equal(0, _group.State.SessionCount);
        Assert.Equal("g7.s3", _group.Open().ToString());
    }

    [Fact]
    public void A_retry_is_answered_but_not_applied_again()
    {
        SessionId session = _group.Open();
        for (int attempt = 0; attempt < 3; attempt++)
            Assert.Equal(AnswerStatus.Ok, _group.Write(session, 1, 1, AppendX).Status);
        Assert.Equal("x", _group.Get("k").Value);
    }

    [Fact]
    public void A_retry_within_the_same_entry_is_not_applied_again()
    {
        SessionId session = _group.Open();
        var batch = new CommandBatchWriter();
        batch.Add(session, 1, 1, AppendX);
        batch.Add(session, 1, 1, AppendX);
        Assert.Equal([AnswerStatus.Ok, AnswerStatus.Ok], Answer.All(_group.Apply(batch.ToArray()))
            .Select(a => a.Status));
        Assert.Equal("x", _group.Get("k").Value);
    }

    [Fact]
    public void A_retry_gets_the_first_answer_even_if_the_value_has_changed_since()
    {
        SessionId session = _group.Open();
        byte[] compare = Operation.CompareAndSet(ColumnFamily.Default, "k"u8, [1], [2]);
        _group.Write(session, 1, 1, Operation.Put(ColumnFamily.Default, "k"u8, "first"u8));
        Assert.Equal("first", _group.Write(session, 2, 1, compare).Value);
        _group.Write(session, 3, 1, Operation.Put(ColumnFamily.Default, "k"u8, [1]));
        Answer retry = _group.Write(session, 2, 1, compare);
        Assert.Equal((AnswerStatus.Mismatch, "first"), (retry.Status, retry.Value));
        Assert.Equal("\u0001", _group.Get("k").Value);
    }

    [Fact]
    public void Writes_may_arrive_in_any_order()
    {
        SessionId session = _group.Open();
        foreach (ulong sequence in new ulong[] { 3, 1, 2, 3, 2, 1 })
            Assert.Equal(AnswerStatus.Ok, _group.Write(session, sequence, 1, AppendX).Status);
        Assert.Equal("xxx", _group.Get("k").Value);
    }

    [Fact]
    public void An_acknowledged_number_is_refused_and_not_applied()
    {
        SessionId session = _group.Open();
        _group.Write(session, 1, 1, AppendX);
        _group.Write(session, 2, 1, AppendX);
        _group.Write(session, 4, 3, AppendX);
        Assert.Equal(AnswerStatus.SequenceTooOld, _group.Write(session, 1, 1, AppendX).Status);
        Assert.Equal(AnswerStatus.SequenceTooOld, _group.Write(session, 2, 3, AppendX).Status);
        // A late message with a lower first unacknowledged number does not bring anything back.
        Assert.Equal(AnswerStatus.SequenceTooOld, _group.Write(session, 2, 1, AppendX).Status);
        Assert.Equal(AnswerStatus.SequenceTooOld, _group.Write(session, 0, 0, AppendX).Status);
        Assert.Equal("xxx", _group.Get("k").Value);
        Assert.Equal(AnswerStatus.Ok, _group.Write(session, 3, 3, AppendX).Status);
    }

    [Fact]
    public void A_number_beyond_the_window_is_refused_and_can_be_applied_once_the_window_moved()
    {
        SessionId session = _group.Open();
        Assert.Equal(AnswerStatus.WindowExceeded, _group.Write(session, 41, 1, AppendX).Status);
        Assert.Equal(AnswerStatus.WindowExceeded, _group.Write(session, ulong.MaxValue, 1, AppendX).Status);
        Assert.Equal(AnswerStatus.Ok, _group.Write(session, 40, 1, AppendX).Status);
        Assert.Equal(AnswerStatus.Ok, _group.Write(session, 41, 2, AppendX).Status);
        Assert.Equal("xx", _group.Get("k").Value);
    }

    [Fact]
    public void A_write_of_an_unknown_session_is_never_applied()
    {
        Assert.Equal(AnswerStatus.SessionExpired, _group.Write(TestGroup.SessionOf(9), 1, 1, AppendX).Status);
        Assert.Equal(AnswerStatus.NotFound, _group.Get("k").Status);
    }

    [Fact]
    public void Sessions_expire_by_group_time_alone_and_their_writes_are_never_applied()
    {
        SessionId brief = _group.Open(1000);
        SessionId lasting = _group.Open(3000);
        for (int i = 0; i < 500; i++) _group.Apply(default, Core.EntryKind.NoOp);
        Advance(1000);
        Assert.Equal(AnswerStatus.Ok, _group.Write(lasting, 1, 1, AppendX).Status);
        Assert.Equal(2, _group.State.SessionCount);
        Advance(1001);
        Assert.Equal(1, _group.State.SessionCount);
        Assert.Equal(AnswerStatus.SessionExpired, _group.Write(brief, 1, 1, AppendX).Status);
        Advance(4000);
        Assert.Equal(1, _group.State.SessionCount);
        Advance(4001);
        Assert.Equal(0, _group.State.SessionCount);
        Assert.Equal("x", _group.Get("k").Value);
    }

    [Fact]
    public void A_write_keeps_its_session_alive()
    {
        SessionId session = _group.Open(1000);
        for (int i = 1; i <= 10; i++)
        {
            Advance(i * 900);
            Assert.Equal(AnswerStatus.Ok, _group.Write(session, (ulong)i, (ulong)i, AppendX).Status);
        }
    }

    [Fact]
    public void Group_time_never_goes_back()
    {
        Advance(500);
        Advance(300);
        Assert.Equal(500, _group.State.GroupTimeMilliseconds);
    }

    [Fact]
    public void Other_refusals_are_recorded()
    {
        SessionId session = _group.Open();
        Assert.Equal(AnswerStatus.Malformed, _group.Write(session, 1, 1, [99]).Status);
        Assert.Equal(AnswerStatus.Malformed, _group.Write(session, 1, 1, AppendX).Status);
        Assert.Equal(AnswerStatus.NotFound, _group.Get("k").Status);
    }

    [Fact]
    public void Only_so_many_sessions_and_only_such_timeouts_are_granted()
    {
        var group = new TestGroup(new StoreLimits { MaxSessions = 2, SessionTimeoutMilliseconds = 1000 });
        Assert.Equal(AnswerStatus.Malformed, group.Unsessioned(Operation.OpenSession(0)).Status);
        Assert.Equal(AnswerStatus.Malformed, group.Unsessioned(Operation.OpenSession(1001)).Status);
        group.Open();
        group.Open();
        Assert.Equal(AnswerStatus.Busy, group.Unsessioned(Operation.OpenSession(1000)).Status);
        group.Unsessioned(Operation.AdvanceTime(2000));
        group.Open();
    }

    [Fact]
    public void The_leader_can_tell_beforehand_that_the_window_is_full()
    {
        SessionId session = _group.Open();
        _group.Write(session, 1, 1, AppendX);
        Assert.False(_group.State.WouldExceedSession(session, 40, 1));
        Assert.True(_group.State.WouldExceedSession(session, 41, 1));
        Assert.False(_group.State.WouldExceedSession(session, 41, 2));
        Assert.False(_group.State.WouldExceedSession(session, 1, 1));
        Assert.False(_group.State.WouldExceedSession(TestGroup.SessionOf(99), 1000, 1));
    }

    [Fact]
    public void Memory_goes_back_when_sessions_expire()
    {
        long before = _group.State.MemoryBytes;
        SessionId session = _group.Open();
        Write(_group, session, 1, Operation.Put(0, "k"u8, new byte[1000]));
        for (ulong sequence = 2; sequence <= 39; sequence++)
            Write(_group, session, sequence, Operation.CompareAndSet(0, "k"u8, null, null));
        Write(_group, session, 40, Operation.Delete(0, "k"u8));
        Assert.True(_group.State.MemoryBytes > before + 38_000);
        Advance(100_000);
        Assert.Equal(before, _group.State.MemoryBytes);

        static void Write(TestGroup group, SessionId session, ulong sequence, byte[] operation) =>
            group.Write(session, sequence, 1, operation);
    }

    private void Advance(long milliseconds) =>
        Assert.Equal(AnswerStatus.Ok, _group.Unsessioned(Operation.AdvanceTime(milliseconds)).Status);
}
