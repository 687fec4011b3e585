using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.KeyValue.Tests;

/// <summary>Many callers' batches joined into one, on a scheduler that runs only when told to.</summary>
public sealed class RequestJoinerTests
{
    private static readonly GroupId Group = new(1);

    private readonly DeterministicScheduler _scheduler = new(null);
    private readonly FakeConnection _target = new();

    [Fact]
    public void One_batch_is_on_its_way_and_what_comes_meanwhile_is_joined()
    {
        RequestJoiner joiner = NewJoiner();
        Task<GroupReply> first = Start(joiner, Reads("a"));
        _scheduler.RunUntilIdle();
        Task<GroupReply>[] later =
            [Start(joiner, Reads("b", "c")), Start(joiner, Reads("d")), Start(joiner, Reads("e", "f", "g"))];
        _scheduler.RunUntilIdle();
        Assert.Equal([1], _target.Counts);

        Complete();
        Assert.Equal([1, 6], _target.Counts);
        Assert.Equal(["a"], Values(first));
        Complete();
        Assert.Equal(["b", "c"], Values(later[0]));
        Assert.Equal(["d"], Values(later[1]));
        Assert.Equal(["e", "f", "g"], Values(later[2]));
        Assert.Equal([1, 6], _target.Counts);
    }

    [Fact]
    public void Kinds_and_groups_do_not_wait_for_each_other()
    {
        RequestJoiner joiner = NewJoiner();
        _ = Start(joiner, Reads("a"));
        _ = Start(joiner, Reads("a"), RequestKind.StaleRead);
        _ = Start(joiner, Reads("a"), group: new GroupId(2));
        _ = Start(joiner, Write("a"), RequestKind.Write);
        _scheduler.RunUntilIdle();
        Assert.Equal(4, _target.Counts.Count);
    }

    [Fact]
    public void A_joined_batch_keeps_within_its_bound_and_a_large_one_travels_alone()
    {
        byte[] small = Reads("k"), large = Reads(new string('x', 1000));
        RequestJoiner joiner = NewJoiner(new RequestJoinerOptions { MaxJoinedBytes = small.Length * 3 });
        _ = Start(joiner, small);
        _scheduler.RunUntilIdle();
        _ = Start(joiner, large);
        for (int i = 0; i < 7; i++) _ = Start(joiner, small);
        for (int i = 0; i < 5; i++) Complete();
        Assert.Equal([1, 1, 3, 3, 1], _target.Counts);
    }

    [Fact]
    public void What_waits_is_bounded_and_the_rest_is_refused_at_once()
    {
        RequestJoiner joiner = NewJoiner(new RequestJoinerOptions { MaxWaitingBatches = 2 });
        _ = Start(joiner, Reads("a"));
        _scheduler.RunUntilIdle();
        Task<GroupReply>[] waiting = [Start(joiner, Reads("b")), Start(joiner, Reads("c"))];
        Task<GroupReply> refused = Start(joiner, Reads("d"));
        _scheduler.RunUntilIdle();
        Assert.Equal(GroupReplyStatus.Busy, ReplyOf(refused).Status);
        Complete();
        Complete();
        Assert.Equal(["b"], Values(waiting[0]));
        Assert.Equal(["c"], Values(waiting[1]));
    }

    [Fact]
    public void A_malformed_batch_is_refused_alone()
    {
        RequestJoiner joiner = NewJoiner();
        _ = Start(joiner, Reads("a"));
        _scheduler.RunUntilIdle();
        Task<GroupReply> good = Start(joiner, Reads("b"));
        Task<GroupReply> bad = Start(joiner, [1, 2, 3]);
        Task<GroupReply> unknownKind = Start(joiner, Reads("b"), (RequestKind)99);
        _scheduler.RunUntilIdle();
        Assert.Equal(GroupReplyStatus.Malformed, ReplyOf(bad).Status);
        Assert.Equal(GroupReplyStatus.Malformed, ReplyOf(unknownKind).Status);
        Complete();
        Complete();
        Assert.Equal(["b"], Values(good));
    }

    [Fact]
    public void A_group_that_is_busy_with_all_is_asked_for_each()
    {
        RequestJoiner joiner = NewJoiner();
        _ = Start(joiner, Reads("a"));
        _scheduler.RunUntilIdle();
        Task<GroupReply>[] joined = [Start(joiner, Reads("b")), Start(joiner, Reads("c"))];
        Complete();
        Complete(GroupReply.Of(GroupReplyStatus.Busy));
        Complete(GroupReply.Of(GroupReplyStatus.Busy));
        Complete();
        Assert.Equal([1, 2, 1, 1], _target.Counts);
        Assert.Equal(GroupReplyStatus.Busy, ReplyOf(joined[0]).Status);
        Assert.Equal(["c"], Values(joined[1]));
    }

    [Theory]
    [InlineData(GroupReplyStatus.NotLeader)]
    [InlineData(GroupReplyStatus.Unknown)]
    [InlineData(GroupReplyStatus.Unavailable)]
    [InlineData(GroupReplyStatus.Busy, "the disk hangs")]
    public void A_refusal_goes_to_all_that_were_joined(GroupReplyStatus status, string? reason = null)
    {
        RequestJoiner joiner = NewJoiner();
        _ = Start(joiner, Write("a"), RequestKind.Write);
        _scheduler.RunUntilIdle();
        Task<GroupReply>[] joined =
            [Start(joiner, Write("b"), RequestKind.Write), Start(joiner, Write("c"), RequestKind.Write)];
        Complete();
        Complete(GroupReply.Of(status, new NodeName("node-2"), reason));
        Assert.All(joined, reply =>
            Assert.Equal(GroupReply.Of(status, new NodeName("node-2"), reason), ReplyOf(reply)));
        Assert.Equal([1, 2], _target.Counts);
    }

    [Fact]
    public void Answers_that_do_not_fit_leave_the_outcome_unknown()
    {
        RequestJoiner joiner = NewJoiner();
        _ = Start(joiner, Reads("a"));
        _scheduler.RunUntilIdle();
        Task<GroupReply>[] joined = [Start(joiner, Reads("b")), Start(joiner, Reads("c"))];
        Complete();
        Complete(new GroupReply(GroupReplyStatus.Answered, FakeConnection.Answer(Reads("b"))));
        Assert.All(joined, reply => Assert.Equal(GroupReplyStatus.Unknown, ReplyOf(reply).Status));
    }

    private RequestJoiner NewJoiner(RequestJoinerOptions? options = null) =>
        new(_target, options ?? new RequestJoinerOptions(), _scheduler);

    private Task<GroupReply> Start(RequestJoiner joiner, byte[] batch, RequestKind kind = RequestKind.LinearizableRead,
        GroupId? group = null) =>
        _scheduler.Start(() => joiner.ExecuteAsync(group ?? Group, new GroupRequest(kind, batch)));

    private static GroupReply ReplyOf(Task<GroupReply> call)
    {
        Assert.True(call.IsCompletedSuccessfully, "no reply yet");
        return call.Result;
    }

    private void Complete(GroupReply? reply = null)
    {
        _scheduler.RunUntilIdle();
        _target.Complete(reply);
        _scheduler.RunUntilIdle();
    }

    private static byte[] Reads(params string[] keys)
    {
        var writer = new ReadBatchWriter();
        foreach (string key in keys) writer.AddGet(ColumnFamily.Default, Bytes.Of(key));
        return writer.ToArray();
    }

    private static byte[] Write(string key)
    {
        var writer = new CommandBatchWriter();
        writer.Add(new SessionId(1), 1, 1, Operation.Put(ColumnFamily.Default, Bytes.Of(key), Bytes.Of("v")));
        return writer.ToArray();
    }

    private static string[] Values(Task<GroupReply> reply)
    {
        Assert.Equal(GroupReplyStatus.Answered, ReplyOf(reply).Status);
        var values = new List<string>();
        var answers = new AnswerBatchReader(ReplyOf(reply).Answers.Span);
        while (answers.MoveNext()) values.Add(Bytes.Text(answers.Value));
        return [.. values];
    }

    /// <summary>Answers each read with its own key, when told to.</summary>
    private sealed class FakeConnection : IStoreConnection
    {
        private readonly Queue<(GroupRequest Request, TaskCompletionSource<GroupReply> Reply)> _calls = new();

        /// <summary>Commands or reads of each call so far.</summary>
        public List<int> Counts { get; } = [];

        public ValueTask<StoreRoutes?> GetRoutesAsync() => ValueTask.FromResult<StoreRoutes?>(new StoreRoutes(
            new RangeMap([new GroupDescriptor(Group, [], [], 1, 1, [])]), new StoreLimits()));

        public Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request)
        {
            Counts.Add(request.Kind == RequestKind.Write
                ? new CommandBatchReader(request.Batch.Span).Count
                : new ReadBatchReader(request.Batch.Span).Count);
            var reply = new TaskCompletionSource<GroupReply>(TaskCreationOptions.RunContinuationsAsynchronously);
            _calls.Enqueue((request, reply));
            return reply.Task;
        }

        public void Complete(GroupReply? reply)
        {
            (GroupRequest request, TaskCompletionSource<GroupReply> call) = _calls.Dequeue();
            call.SetResult(reply ?? new GroupReply(GroupReplyStatus.Answered, request.Kind == RequestKind.Write
                ? Acknowledge(request.Batch.Span)
                : Answer(request.Batch.Span)));
        }

        public static byte[] Answer(ReadOnlySpan<byte> batch)
        {
            var writer = new AnswerBatchWriter();
            var reader = new ReadBatchReader(batch);
            while (reader.MoveNext()) writer.AddValue(reader.Key);
            return writer.ToArray();
        }

        private static byte[] Acknowledge(ReadOnlySpan<byte> batch)
        {
            var writer = new AnswerBatchWriter();
            var reader = new CommandBatchReader(batch);
            while (reader.MoveNext()) writer.Add(AnswerStatus.Ok);
            return writer.ToArray();
        }
    }
}
