using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

/// <summary>The bytes that kept answers may take.</summary>
public sealed class KeptAnswerTests
{
    private static readonly byte[] Mismatch = Operation.CompareAndSet(ColumnFamily.Default, "k"u8, null, null);

    private readonly TestGroup _group = new(new StoreLimits { MaxValueBytes = 100, SessionAnswerBytes = 250 });
    private readonly SessionId _session;

    public KeptAnswerTests()
    {
        _session = _group.Open();
        _group.Write(_session, 1, 1, Operation.Put(ColumnFamily.Default, "k"u8, new byte[100]));
    }

    [Fact]
    public void Limits_with_room_for_less_than_two_values_are_invalid()
    {
        Assert.Contains("two values",
            Assert.Single(new StoreLimits { MaxValueBytes = 100, SessionAnswerBytes = 199 }.Validate()));
        Assert.Empty(new StoreLimits { MaxValueBytes = 100, SessionAnswerBytes = 200 }.Validate());
    }

    [Fact]
    public void A_mismatch_that_cannot_be_kept_is_busy_and_not_recorded()
    {
        Assert.Equal(AnswerStatus.Mismatch, _group.Write(_session, 2, 1, Mismatch).Status);
        Assert.Equal(AnswerStatus.Mismatch, _group.Write(_session, 3, 1, Mismatch).Status);
        Assert.Equal(AnswerStatus.Busy, _group.Write(_session, 4, 1, Mismatch).Status);
        // Acknowledging makes room; the refused number is still free.
        Assert.Equal(AnswerStatus.Mismatch, _group.Write(_session, 4, 3, Mismatch).Status);
    }

    [Fact]
    public void A_write_that_takes_effect_is_recorded_however_full_the_session_is()
    {
        _group.Write(_session, 2, 1, Mismatch);
        _group.Write(_session, 3, 1, Mismatch);
        byte[] append = Operation.Append(ColumnFamily.Default, "other"u8, "x"u8);
        Assert.Equal(AnswerStatus.Ok, _group.Write(_session, 4, 1, append).Status);
        Assert.Equal(AnswerStatus.Ok, _group.Write(_session, 4, 1, append).Status);
        Assert.Equal("x", _group.Get("other").Value);
    }

    [Fact]
    public void The_leader_can_tell_beforehand_that_the_kept_answers_are_full()
    {
        _group.Write(_session, 2, 1, Mismatch);
        _group.Write(_session, 3, 1, Mismatch);
        Assert.False(_group.State.WouldExceedSession(_session, 4, 1));
        _group.Write(_session, 4, 1, Operation.Put(ColumnFamily.Default, "k"u8, new byte[50]));
        Assert.Equal(AnswerStatus.Mismatch, _group.Write(_session, 5, 1, Mismatch).Status);
        Assert.True(_group.State.WouldExceedSession(_session, 6, 1));
        Assert.False(_group.State.WouldExceedSession(_session, 6, 3));
        Assert.False(_group.State.WouldExceedSession(_session, 5, 1));
    }

    [Fact]
    public void Answers_of_one_entry_have_a_bound_and_a_retry_gets_what_had_no_room()
    {
        var limits =
            new StoreLimits { MaxKeyBytes = 8, MaxValueBytes = 100, MaxBatchBytes = 300, SessionAnswerBytes = 10_000 };
        var group = new TestGroup(limits);
        SessionId session = group.Open();
        group.Write(session, 1, 1, Operation.Put(ColumnFamily.Default, "k"u8, new byte[100]));
        var batch = new CommandBatchWriter();
        for (ulong sequence = 2; sequence <= 6; sequence++) batch.Add(session, sequence, 2, Mismatch);
        Assert.Equal(
            [AnswerStatus.Mismatch, AnswerStatus.Mismatch, AnswerStatus.Mismatch, AnswerStatus.Busy, AnswerStatus.Busy],
            Answer.All(group.Apply(batch.ToArray())).Select(answer => answer.Status));
        group.Write(session, 7, 2, Operation.Delete(ColumnFamily.Default, "k"u8));
        Answer retry = group.Write(session, 6, 2, Mismatch);
        Assert.Equal((AnswerStatus.Mismatch, 100), (retry.Status, retry.Value!.Length));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Every_write_is_applied_at_most_once_and_answered_the_same_under_random_retries(int seed)
    {
        const int Window = 100;
        var random = new Random(seed);
        var group = new TestGroup(new StoreLimits { SessionWindow = Window });
        var other = new TestClient(group);
        SessionId session = group.Open();
        var answered = new Dictionary<long, (AnswerStatus, string?)>();
        long wanted = 1;
        long first = 1;
        int retries = 0;
        int refused = 0;
        other.Put("c", "0");
        for (int step = 0; step < 5000; step++)
        {
            // Late messages carry an older first unacknowledged number.
            long told = random.Next(4) == 0 ? Math.Max(1, wanted - 5) : wanted;
            long sequence = Math.Max(0, wanted + random.Next(-3, Window + 3));
            byte[] operation = sequence % 3 == 0
                ? Operation.CompareAndSet(ColumnFamily.Default, "c"u8, null, null)
                : Operation.Append(ColumnFamily.Default, Bytes.Of($"{sequence}"), "x"u8);
            Answer answer = group.Write(session, (ulong)sequence, (ulong)told, operation);
            first = Math.Max(first, told);
            (AnswerStatus, string?) expected;
            if (sequence < first) expected = (AnswerStatus.SequenceTooOld, null);
            else if (sequence >= first + Window) expected = (AnswerStatus.WindowExceeded, null);
            else if (answered.TryGetValue(sequence, out (AnswerStatus, string?) before)) expected = before;
            else answered[sequence] = expected = sequence % 3 == 0 ? Compared(step) : (AnswerStatus.Ok, null);
            bool same = expected == (answer.Status, answer.Value);
            Assert.True(same, $"Seed {seed}, step {step}, sequence {sequence}: {answer}, not {expected}.");
            if (sequence < first || sequence >= first + Window) refused++;
            else if (sequence % 3 == 0 && answer.Value != $"{step}") retries++;
            other.Put("c", $"{step + 1}");
            if (random.Next(20) == 0) wanted += random.Next(30);
        }
        IReadOnlyList<(string Key, string Value)> rows = group.Scan("0", "9~").Rows;
        foreach ((string key, string value) in rows)
            Assert.True(value == "x", $"Seed {seed}: {key} was applied {value.Length} times.");
        Assert.Equal(answered.Keys.Count(sequence => sequence % 3 != 0), rows.Count);
        Assert.True(retries > 100 && refused > 50, $"Seed {seed}: {retries} retries, {refused} refusals are no test.");

        // The other client has put the number of the step.
        static (AnswerStatus, string?) Compared(int step) => (AnswerStatus.Mismatch, $"{step}");
    }
}
