using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

/// <summary>What TinyKV's first project asks of a store: raw reads and writes in column families.</summary>
public sealed class RawKeyValueTests
{
    private readonly TestGroup _group = new();
    private readonly TestClient _client;

    public RawKeyValueTests() => _client = new TestClient(_group);

    [Fact]
    public void A_get_returns_what_was_put()
    {
        Assert.Equal(AnswerStatus.Ok, _client.Put("k", "v").Status);
        Answer answer = _group.Get("k");
        Assert.Equal((AnswerStatus.Value, "v"), (answer.Status, answer.Value));
    }

    [Fact]
    public void A_get_of_a_missing_key_answers_not_found() =>
        Assert.Equal(AnswerStatus.NotFound, _group.Get("k").Status);

    [Fact]
    public void An_empty_value_is_not_a_missing_key()
    {
        _client.Put("k", "");
        Answer answer = _group.Get("k");
        Assert.Equal((AnswerStatus.Value, ""), (answer.Status, answer.Value));
    }

    [Fact]
    public void A_get_after_a_second_put_returns_the_second_value()
    {
        _client.Put("k", "1");
        _client.Put("k", "2");
        Assert.Equal("2", _group.Get("k").Value);
    }

    [Fact]
    public void A_get_after_a_delete_answers_not_found_and_deleting_again_is_no_error()
    {
        _client.Put("k", "1");
        Assert.Equal(AnswerStatus.Ok, _client.Delete("k").Status);
        Assert.Equal(AnswerStatus.NotFound, _group.Get("k").Status);
        Assert.Equal(AnswerStatus.Ok, _client.Delete("k").Status);
    }

    [Fact]
    public void Column_families_do_not_see_each_other()
    {
        _client.Put("k", "d");
        _client.Put("k", "l", ColumnFamily.Lock);
        _client.Put("k", "w", ColumnFamily.Write);
        _client.Delete("k", ColumnFamily.Lock);
        Assert.Equal("d", _group.Get("k").Value);
        Assert.Equal(AnswerStatus.NotFound, _group.Get("k", ColumnFamily.Lock).Status);
        Assert.Equal("w", _group.Get("k", ColumnFamily.Write).Value);
        Assert.Equal("k", _group.Scan("", "", family: ColumnFamily.Write).Keys);
        Assert.Equal("", _group.Scan("", "", family: ColumnFamily.Lock).Keys);
        Assert.Equal(2, _group.State.KeyCount);
    }

    [Fact]
    public void A_scan_returns_rows_in_order_up_to_its_limit()
    {
        foreach (string key in new[] { "d", "b", "a", "c" }) _client.Put(key, key.ToUpperInvariant());
        Answer page = _group.Scan("b", "", limit: 2);
        Assert.Equal([("b", "B"), ("c", "C")], page.Rows);
        Assert.True(page.More);
    }

    [Fact]
    public void A_scan_sees_a_put_and_a_delete_before_it()
    {
        _client.Put("a", "1");
        _client.Put("b", "1");
        _client.Put("b", "2");
        _client.Put("c", "3");
        _client.Delete("a");
        Assert.Equal([("b", "2"), ("c", "3")], _group.Scan("", "").Rows);
    }

    [Fact]
    public void A_scan_does_not_see_what_its_batch_put_and_deleted_again()
    {
        _client.Put("b", "old");
        _client.Write(Operation.Batch(
        [
            new WriteOperation(Bytes.Of("a"), Bytes.Of("1")), new WriteOperation(Bytes.Of("b"), null),
            new WriteOperation(Bytes.Of("c"), Bytes.Of("1")), new WriteOperation(Bytes.Of("c"), null),
            new WriteOperation(Bytes.Of("d"), Bytes.Of("1")), new WriteOperation(Bytes.Of("d"), Bytes.Of("2")),
        ]));
        Assert.Equal([("a", "1"), ("d", "2")], _group.Scan("", "").Rows);
    }
}
