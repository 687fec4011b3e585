using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.KeyValue.Tests;

/// <summary>Answers that no sound group gives, found by <c>Tests/Fuzz</c>: the client must neither spin nor take
/// them.</summary>
public sealed class SenselessAnswerTests
{
    [Theory]
    [InlineData("0103000000030f05010000000000000000")] // A page without rows claims that more follow.
    [InlineData("01010000000600")] // A session whose id means none.
    public void An_impossible_answer_is_malformed(string hex) =>
        Assert.Throws<InvalidDataException>(() => OperationAnswer.ReadAll(Convert.FromHexString(hex)));

    [Fact]
    public void A_read_that_is_always_answered_Busy_is_not_repeated_at_once()
    {
        var connection = new SameAnswer(AnswerStatus.Busy);
        Assert.IsType<UnavailableException>(Run(connection, client => client.GetAsync("a"u8.ToArray())));
        Assert.InRange(connection.Calls, 2, 20);
    }

    [Fact]
    public void A_write_whose_every_session_is_said_to_have_expired_is_not_repeated_at_once()
    {
        var connection = new SameAnswer(AnswerStatus.SessionExpired);
        Assert.IsAssignableFrom<KeyValueException>(Run(connection,
            client => client.PutAsync("a"u8.ToArray(), "b"u8.ToArray())));
        Assert.InRange(connection.Calls, 4, 40);
    }

    /// <summary>What a call fails with.</summary>
    private static Exception Run(SameAnswer connection, Func<KvClient, Task> call)
    {
        var scheduler = new DeterministicScheduler();
        var time = new VirtualTime(scheduler);
        var client = new KvClient(connection, time, scheduler, new KvClientOptions
        {
            Timeout = TimeSpan.FromMilliseconds(500),
            FirstBackoff = TimeSpan.FromMilliseconds(50),
        }, seed: 1);
        Task running = scheduler.Start(() => call(client));
        for (int step = 0; step < 20; step++)
        {
            scheduler.RunUntilIdle(maxSteps: 10_000);
            time.Advance(TimeSpan.FromMilliseconds(50));
        }
        scheduler.RunUntilIdle();
        Assert.True(running.IsFaulted, "the call has not failed");
        return running.Exception.InnerException!;
    }

    /// <summary>Opens every session, and answers all else alike.</summary>
    private sealed class SameAnswer(AnswerStatus status) : IStoreConnection
    {
        private static readonly StoreRoutes Routes = new(new RangeMap(FormationPlan.Create([new("node-1")], [],
            new StoreLimits()).Groups), new StoreLimits());

        public int Calls { get; private set; }

        public ValueTask<StoreRoutes?> GetRoutesAsync() => ValueTask.FromResult<StoreRoutes?>(Routes);

        public Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request)
        {
            Calls++;
            var answers = new AnswerBatchWriter();
            bool opens = request.Kind == RequestKind.Write && request.Batch.Span[5] == 0;
            if (opens) answers.AddSessionOpened(new SessionId((ulong)Calls));
            else answers.Add(status);
            return Task.FromResult(new GroupReply(GroupReplyStatus.Answered, answers.ToArray()));
        }
    }
}
