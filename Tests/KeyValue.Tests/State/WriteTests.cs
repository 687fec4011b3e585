using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

public sealed class WriteTests
{
    private static readonly StoreLimits Small = new() { MaxKeyBytes = 4, MaxValueBytes = 8, MaxBatchBytes = 100 };

    private readonly TestGroup _group = new(Small, "b", "m");
    private readonly TestClient _client;

    public WriteTests() => _client = new TestClient(_group);

    [Fact]
    public void Append_adds_at_the_end_and_takes_a_missing_key_as_empty()
    {
        Append("k", "ab");
        Append("k", "cd");
        Assert.Equal("abcd", _group.Get("k").Value);
    }

    [Fact]
    public void Append_beyond_the_largest_value_changes_nothing()
    {
        Assert.Equal(AnswerStatus.Ok, Append("k", "12345").Status);
        Assert.Equal(AnswerStatus.ValueTooLarge, Append("k", "6789").Status);
        Assert.Equal("12345", _group.Get("k").Value);
        Assert.Equal(AnswerStatus.Ok, Append("k", "678").Status);
        Assert.Equal("12345678", _group.Get("k").Value);
    }

    [Theory]
    [InlineData(null, null, "new", AnswerStatus.Ok, null, "new")]
    [InlineData(null, "old", "new", AnswerStatus.Mismatch, null, null)]
    [InlineData(null, null, null, AnswerStatus.Ok, null, null)]
    [InlineData("old", "old", "new", AnswerStatus.Ok, null, "new")]
    [InlineData("old", "other", "new", AnswerStatus.Mismatch, "old", "old")]
    [InlineData("old", null, "new", AnswerStatus.Mismatch, "old", "old")]
    [InlineData("old", "old", null, AnswerStatus.Ok, null, null)]
    [InlineData("", "", "new", AnswerStatus.Ok, null, "new")]
    [InlineData("", null, "new", AnswerStatus.Mismatch, "", "")]
    [InlineData(null, "", "new", AnswerStatus.Mismatch, null, null)]
    public void Compare_and_set_replaces_only_what_is_expected(
        string? present, string? expected, string? replacement, AnswerStatus status, string? told, string? after)
    {
        if (present is not null) _client.Put("k", present);
        Answer answer = _client.Write(Operation.CompareAndSet(ColumnFamily.Default, "k"u8,
            expected is null ? null : Bytes.Of(expected), replacement is null ? null : Bytes.Of(replacement)));
        Assert.Equal((status, told), (answer.Status, answer.Value));
        Assert.Equal(after, _group.Get("k").Value);
    }

    [Fact]
    public void A_batch_is_applied_wholly_or_not_at_all()
    {
        _client.Put("k", "1");
        Assert.Equal(AnswerStatus.WrongRange, Batch("k", "l", "z").Status);
        Assert.Equal(AnswerStatus.KeyTooLarge, Batch("k", "l", "lllll").Status);
        Assert.Equal(AnswerStatus.Malformed, Batch("k", "l", "").Status);
        Assert.Equal([("k", "1")], _group.Scan("b", "m").Rows);
        Assert.Equal(AnswerStatus.Ok, Batch("k", "l", "b").Status);
        Assert.Equal([("b", "new"), ("k", "new"), ("l", "new")], _group.Scan("b", "m").Rows);
    }

    [Fact]
    public void An_operation_beyond_its_limits_changes_nothing()
    {
        Assert.Equal(AnswerStatus.KeyTooLarge, _client.Put("kkkkk", "").Status);
        Assert.Equal(AnswerStatus.ValueTooLarge, _client.Put("k", "123456789").Status);
        Assert.Equal(AnswerStatus.Malformed, _client.Put("", "1").Status);
        Assert.Equal(AnswerStatus.Malformed, _client.Put("k", "1", (ColumnFamily)3).Status);
        Assert.Equal(AnswerStatus.BatchTooLarge, Batch([.. Enumerable.Repeat("k", 20)]).Status);
        Assert.Equal(AnswerStatus.Malformed, _client.Write([]).Status);
        Assert.Equal(AnswerStatus.Malformed, _client.Write([200]).Status);
        Assert.Equal(AnswerStatus.Malformed, _client.Write(Operation.OpenSession(1)).Status);
        Assert.Equal(0, _group.State.KeyCount);
    }

    [Fact]
    public void Largest_key_and_value_are_accepted()
    {
        Assert.Equal(AnswerStatus.Ok, _client.Put("kkkk", "12345678").Status);
        Assert.Equal("12345678", _group.Get("kkkk").Value);
    }

    [Theory]
    [InlineData("a", false)]
    [InlineData("b", true)]
    [InlineData("c", true)]
    [InlineData("lz", true)]
    [InlineData("m", false)]
    [InlineData("z", false)]
    public void Whether_a_key_belongs_to_the_group_is_decided_when_applied(string key, bool belongs)
    {
        byte[][] operations =
        [
            Operation.Put(ColumnFamily.Default, Bytes.Of(key), []),
                Operation.Append(ColumnFamily.Lock, Bytes.Of(key), []),
            Operation.Delete(ColumnFamily.Default, Bytes.Of(key)),
            Operation.CompareAndSet(ColumnFamily.Write, Bytes.Of(key), null, null),
        ];
        foreach (byte[] operation in operations)
        {
            Answer answer = _client.Write(operation);
            Assert.Equal(belongs ? AnswerStatus.Ok : AnswerStatus.WrongRange, answer.Status);
            Assert.Equal(belongs ? null : _group.State.Descriptor, answer.Descriptor);
        }
        Assert.Equal(belongs ? AnswerStatus.NotFound : AnswerStatus.WrongRange, _group.Get(key).Status);
    }

    [Fact]
    public void An_entry_that_is_not_the_next_one_is_refused_and_changes_nothing()
    {
        EntryId before = _group.State.LastApplied;
        foreach (ulong index in new[] { before.Index.Value, before.Index.Value + 2 })
        {
            var entry = new LogEntry(before.Term, new LogIndex(index), EntryKind.NoOp, default);
            Assert.Throws<InvariantViolationException>(() => _group.State.Apply(entry, null));
        }
        Assert.Equal(before, _group.State.LastApplied);
    }

    [Fact]
    public void A_no_op_has_no_answer_but_counts_as_applied()
    {
        LogIndex next = _group.State.LastApplied.Index.Next();
        Assert.Empty(Answer.All(_group.Apply(default, EntryKind.NoOp)));
        Assert.Equal(next, _group.State.LastApplied.Index);
    }

    [Fact]
    public void A_batch_broken_as_a_whole_is_answered_once_and_none_of_it_is_applied()
    {
        var writer = new CommandBatchWriter();
        writer.Add(TestGroup.SessionOf(1), 1, 1, Operation.Put(ColumnFamily.Default, "c"u8, "1"u8));
        writer.Add(TestGroup.SessionOf(1), 2, 1, Operation.Put(ColumnFamily.Default, "d"u8, "1"u8));
        byte[] batch = writer.ToArray();
        foreach (byte[] broken in new byte[][] { batch[..^1], [.. batch, 0], [], [9, .. batch[1..]] })
            Assert.Equal(AnswerStatus.Malformed, Assert.Single(Answer.All(_group.Apply(broken))).Status);
        Assert.Equal(0, _group.State.KeyCount);
        Assert.Equal([AnswerStatus.Ok, AnswerStatus.Ok], Answer.All(_group.Apply(batch))
            .Select(answer => answer.Status));
    }

    [Fact]
    public void One_malformed_command_does_not_harm_the_others_of_its_entry()
    {
        var writer = new CommandBatchWriter();
        writer.Add(TestGroup.SessionOf(1), 1, 1, Operation.Put(ColumnFamily.Default, "c"u8, "1"u8));
        writer.Add(TestGroup.SessionOf(1), 2, 1, [1, 0, 200]);
        writer.AddUnsessioned(Operation.Put(ColumnFamily.Default, "d"u8, "1"u8));
        writer.Add(TestGroup.SessionOf(1), 3, 1, Operation.Put(ColumnFamily.Default, "e"u8, "1"u8));
        Assert.Equal([AnswerStatus.Ok, AnswerStatus.Malformed, AnswerStatus.Malformed, AnswerStatus.Ok],
            Answer.All(_group.Apply(writer.ToArray())).Select(answer => answer.Status));
        Assert.Equal("c e", _group.Scan("b", "m").Keys);
    }

    [Fact]
    public void What_is_stored_does_not_share_memory_with_the_entry()
    {
        var writer = new CommandBatchWriter();
        writer.Add(TestGroup.SessionOf(1), 1, 1, Operation.Put(ColumnFamily.Default, "c"u8, "value"u8));
        byte[] batch = writer.ToArray();
        _group.Apply(batch);
        Array.Clear(batch);
        Assert.Equal([("c", "value")], _group.Scan("b", "m").Rows);
    }

    private Answer Append(string key, string suffix) =>
        _client.Write(Operation.Append(ColumnFamily.Default, Bytes.Of(key), Bytes.Of(suffix)));

    private Answer Batch(params string[] keys) =>
        _client.Write(Operation.Batch([.. keys.Select(key => new WriteOperation(Bytes.Of(key), Bytes.Of("new")))]));
}
