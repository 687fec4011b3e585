using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

public sealed class ScanTests
{
    [Theory]
    [InlineData("c", "g", false, "c d e f")]
    [InlineData("c", "g", true, "f e d c")]
    [InlineData("bb", "ee", false, "c d e")]
    [InlineData("bb", "ee", true, "e d c")]
    [InlineData("", "c", true, "b a")]
    [InlineData("g", "", false, "g h")]
    [InlineData("", "", true, "h g f e d c b a")]
    [InlineData("d", "d", false, "")]
    [InlineData("f", "b", true, "")]
    [InlineData("x", "", false, "")]
    public void Start_is_inclusive_and_end_exclusive_in_both_directions(
        string start, string end, bool reverse, string expected)
    {
        TestGroup group = Filled("abcdefgh");
        Answer page = group.Scan(start, end, reverse: reverse);
        Assert.Equal(expected, page.Keys);
        Assert.False(page.More);
    }

    [Theory]
    [InlineData(false, 3, "a b c", true)]
    [InlineData(false, 8, "a b c d e f g h", false)]
    [InlineData(true, 3, "h g f", true)]
    [InlineData(true, 9, "h g f e d c b a", false)]
    public void A_limit_ends_the_page_and_more_tells_whether_rows_remain(
        bool reverse, int limit, string expected, bool more)
    {
        Answer page = Filled("abcdefgh").Scan("", "", limit, reverse);
        Assert.Equal((expected, more), (page.Keys, page.More));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Pages_of_any_size_together_give_the_range_once(int seed)
    {
        var random = new Random(seed);
        var group = new TestGroup();
        var client = new TestClient(group);
        var keys = new SortedSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < 500; i++)
        {
            string key = $"{random.Next(100_000):D6}";
            keys.Add(key);
            client.Put(key, new string('x', random.Next(60)));
        }
        foreach (bool reverse in new[] { false, true })
        {
            var seen = new List<string>();
            string start = "0";
            string end = "9";
            int pages = 0;
            for (bool more = true; more; pages++)
            {
                Answer page = group.Scan(start, end, random.Next(3) == 0 ? 7 : 0, reverse, random.Next(1, 900));
                seen.AddRange(page.Rows.Select(row => row.Key));
                more = page.More;
                if (reverse) end = seen[^1];
                else start = seen[^1] + '\0';
            }
            Assert.True(pages > 10, $"Seed {seed}: {pages} pages.");
            Assert.Equal(reverse ? keys.Reverse() : keys, seen);
        }
    }

    [Fact]
    public void A_page_holds_at_most_its_bytes_but_at_least_one_row()
    {
        var group = new TestGroup(new StoreLimits { ScanPageBytes = 100 });
        var client = new TestClient(group);
        client.Put("a", new string('1', 46));
        client.Put("b", new string('2', 46));
        client.Put("c", new string('3', 200));
        client.Put("d", "");
        // A row takes its key and value and a length byte for each: 49 and 49 fit into 100.
        Assert.Equal("a b", group.Scan("", "").Keys);
        Assert.Equal("a", group.Scan("", "", maxBytes: 97).Keys);
        Assert.Equal("a b", group.Scan("", "", maxBytes: 98).Keys);
        Assert.Equal("a b", group.Scan("", "", maxBytes: 1_000_000).Keys);
        Answer large = group.Scan("c", "");
        Assert.Equal(("c", true), (large.Keys, large.More));
    }

    [Theory]
    [InlineData("b", "m", true)]
    [InlineData("c", "d", true)]
    [InlineData("", "m", false)]
    [InlineData("b", "", false)]
    [InlineData("a", "c", false)]
    [InlineData("l", "n", false)]
    [InlineData("z", "a", true)]
    public void A_range_that_is_not_wholly_the_groups_is_answered_with_the_descriptor(
        string start, string end, bool inside)
    {
        var group = new TestGroup(null, "b", "m");
        Answer page = group.Scan(start, end);
        Assert.Equal(inside ? AnswerStatus.Page : AnswerStatus.WrongRange, page.Status);
        Assert.Equal(inside ? null : group.State.Descriptor, page.Descriptor);
    }

    [Fact]
    public void A_batch_of_reads_that_asks_for_too_much_is_answered_in_part()
    {
        var limits = new StoreLimits { MaxKeyBytes = 8, MaxValueBytes = 400, MaxBatchBytes = 1000 };
        var group = new TestGroup(limits);
        new TestClient(group).Put("k", new string('v', 400));
        var reads = new ReadBatchWriter();
        for (int i = 0; i < 5; i++) reads.AddGet(ColumnFamily.Default, "k"u8);
        var answers = new AnswerBatchWriter();
        group.State.Read(reads.ToArray(), answers);
        Assert.Equal([AnswerStatus.Value, AnswerStatus.Value, AnswerStatus.Value, AnswerStatus.Busy, AnswerStatus.Busy],
            Answer.All(answers.ToArray()).Select(answer => answer.Status));
    }

    [Fact]
    public void Reads_beyond_the_limits_or_malformed_are_refused()
    {
        var group = new TestGroup(new StoreLimits { MaxKeyBytes = 4 });
        Assert.Equal(AnswerStatus.KeyTooLarge, group.Get("12345").Status);
        Assert.Equal(AnswerStatus.KeyTooLarge, group.Scan("123456", "").Status);
        Assert.Equal(AnswerStatus.Page, group.Scan("12345", "").Status);
        Assert.Equal(AnswerStatus.Malformed, group.Get("").Status);
        Assert.Equal(AnswerStatus.Malformed, group.Get("k", (ColumnFamily)3).Status);
    }

    private static TestGroup Filled(string keys)
    {
        var group = new TestGroup();
        var client = new TestClient(group);
        foreach (char key in keys) client.Put(key.ToString(), "v");
        return group;
    }
}
