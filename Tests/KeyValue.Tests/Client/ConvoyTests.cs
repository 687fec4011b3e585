using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Client;

/// <summary>Which lanes of a client wait for which others before their next batches leave.</summary>
public sealed class ConvoyTests
{
    private readonly VirtualTime _time = new();
    private readonly Convoy _convoy;

    public ConvoyTests() => _convoy = new Convoy(_time);

    [Fact]
    public void Who_travels_alone_never_waits()
    {
        _convoy.Depart("a");
        Assert.True(_convoy.ReturnAsync("a").IsCompleted);
    }

    [Fact]
    public void Who_left_together_leaves_together_again()
    {
        Depart("a", "b", "c");
        _time.Advance(Milliseconds(5));
        Task a = _convoy.ReturnAsync("a");
        Task c = _convoy.ReturnAsync("c");
        _time.Advance(Milliseconds(4));
        Assert.False(a.IsCompleted || c.IsCompleted);
        Assert.True(_convoy.ReturnAsync("b").IsCompleted);
        Assert.True(a.IsCompleted && c.IsCompleted);
    }

    [Theory]
    [InlineData(5.2, 11)] // Whole milliseconds.
    [InlineData(0.1, 1)]
    public void Nobody_waits_longer_than_twice_the_time_he_was_away_himself(double away, double wait)
    {
        Depart("a", "b");
        _time.Advance(Milliseconds(away));
        Task a = _convoy.ReturnAsync("a");
        _time.Advance(Milliseconds(wait - 0.01));
        Assert.False(a.IsCompleted);
        _time.Advance(Milliseconds(0.01));
        Assert.True(a.IsCompleted);
    }

    [Fact]
    public void Who_is_late_again_and_again_leaves_alone_ever_more_often()
    {
        int[] alone = [1, 2, 4, 8, 16, 32, 32];
        foreach (int departures in alone)
        {
            BeLate();
            for (int i = 0; i < departures; i++)
            {
                Depart("a", "late");
                Assert.True(_convoy.ReturnAsync("a").IsCompleted);
                Assert.True(_convoy.ReturnAsync("late").IsCompleted);
            }
        }

        // Once in time, it begins anew.
        Depart("a", "late");
        Task together = _convoy.ReturnAsync("a");
        Assert.False(together.IsCompleted);
        Assert.True(_convoy.ReturnAsync("late").IsCompleted);
        Assert.True(together.IsCompleted);
        BeLate();
        Depart("late");
        Depart("a", "late");
        Assert.False(_convoy.ReturnAsync("a").IsCompleted);

        void BeLate()
        {
            Depart("a", "late");
            _time.Advance(Milliseconds(2));
            Task a = _convoy.ReturnAsync("a");
            Assert.False(a.IsCompleted);
            _time.Advance(Milliseconds(4));
            Assert.True(a.IsCompleted);
            Assert.True(_convoy.ReturnAsync("late").IsCompleted);
        }
    }

    [Fact]
    public void Who_has_no_use_for_the_others_neither_waits_nor_makes_them_wait()
    {
        Depart("a", "b", "c");
        Assert.True(_convoy.ReturnAsync("a", mayWait: false).IsCompleted);
        Task b = _convoy.ReturnAsync("b");
        Assert.False(b.IsCompleted);
        Assert.True(_convoy.ReturnAsync("c", mayWait: false).IsCompleted);
        Assert.True(b.IsCompleted);
    }

    /// <summary>Whatever happens in which order: everybody goes on in the end, and nobody waits for longer than
    /// twice the longest trip.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Nobody_waits_for_ever(int seed)
    {
        var random = new Random(seed);
        var scheduler = new DeterministicScheduler(seed);
        var time = new VirtualTime(scheduler);
        var convoy = new Convoy(time);
        int trips = 0;
        var longest = TimeSpan.Zero;
        Task[] lanes = [.. Enumerable.Range(0, 6).Select(lane => scheduler.Start(async () =>
        {
            for (int trip = 0; trip < 200; trip++, trips++)
            {
                convoy.Depart(lane);
                double milliseconds = random.Next(20) == 0 ? 50 : random.NextDouble() * (lane + 1);
                await Task.Delay(Milliseconds(milliseconds), time);
                TimeSpan back = time.Now;
                await convoy.ReturnAsync(lane, mayWait: random.Next(5) > 0);
                if (time.Now - back > longest) longest = time.Now - back;
                if (random.Next(10) == 0) await Task.Delay(Milliseconds(random.Next(5)), time);
            }
        }))];
        for (int step = 0; step < 100_000 && lanes.Any(lane => !lane.IsCompleted); step++) time.Advance(Milliseconds(1));
        Assert.Equal(6 * 200, trips);
        Assert.InRange(longest, Milliseconds(5), Milliseconds(101));
    }

    [Fact]
    public void Who_leaves_while_others_wait_is_not_waited_for_before_next_time()
    {
        Depart("a", "b");
        _time.Advance(Milliseconds(5));
        Task a = _convoy.ReturnAsync("a");
        Depart("c");
        Assert.True(_convoy.ReturnAsync("b").IsCompleted);
        Assert.True(a.IsCompleted);

        Depart("a", "b");
        _time.Advance(Milliseconds(5));
        Task[] others = [_convoy.ReturnAsync("a"), _convoy.ReturnAsync("b")];
        Assert.All(others, other => Assert.False(other.IsCompleted));
        Assert.True(_convoy.ReturnAsync("c").IsCompleted);
        Assert.All(others, other => Assert.True(other.IsCompleted));
    }

    [Fact]
    public void Who_left_later_and_is_back_sooner_waits_like_the_others()
    {
        Depart("a", "b");
        _time.Advance(Milliseconds(5));
        Task a = _convoy.ReturnAsync("a");
        Depart("c");
        Task c = _convoy.ReturnAsync("c");
        Assert.False(a.IsCompleted || c.IsCompleted);
        Assert.True(_convoy.ReturnAsync("b").IsCompleted);
        Assert.True(a.IsCompleted && c.IsCompleted);
    }

    [Fact]
    public void After_its_end_nobody_waits()
    {
        Depart("a", "b", "c");
        Task a = _convoy.ReturnAsync("a");
        _convoy.Dispose();
        Assert.True(a.IsCompleted);
        Depart("d", "e");
        Assert.True(_convoy.ReturnAsync("d").IsCompleted);
    }

    /// <summary>The same, seen from outside: whether a group's next batch leaves while another group's is away.</summary>
    [Theory]
    [InlineData(Convoy.LeastOperations, true, false)]
    [InlineData(Convoy.LeastOperations - 1, true, true)] // Few are not worth it,
    [InlineData(Convoy.LeastOperations, false, true)] // nor is a connection within the process.
    public void Large_batches_to_several_groups_leave_together(int writes, bool isRemote, bool leavesAlone)
    {
        var client = new Held(isRemote);
        List<Running<bool>> other = client.Write("z", writes);
        List<Running<bool>> first = client.Write("A", writes);
        List<Running<bool>> next = client.AnswerAndWrite("A", first, writes);
        Assert.Equal(leavesAlone ? ["z", "A"] : ["z"], client.Away);
        client.Answer("z", other);
        client.Cluster.RunUntil(() => client.Away.SequenceEqual(["A"]), Milliseconds(1), "the next batch has left");
        client.Answer("A", next);
    }

    /// <summary>A group without a leader must not hold up the others again and again.</summary>
    [Fact]
    public void A_group_that_has_refused_is_waited_for_by_nobody()
    {
        var client = new Held(isRemote: true);
        List<Running<bool>> refused = client.Write("z", Convoy.LeastOperations);
        client.Refuse("z");
        client.Cluster.RunUntil(() => client.Away.SequenceEqual(["z"]), Seconds(1), "it is asked again");
        List<Running<bool>> first = client.Write("A", Convoy.LeastOperations);
        List<Running<bool>> next = client.AnswerAndWrite("A", first, Convoy.LeastOperations);
        Assert.Equal(["z", "A"], client.Away);
        client.Answer("A", next);
        client.Answer("z", refused);
    }

    private static TimeSpan Milliseconds(double milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    private void Depart(params string[] who)
    {
        foreach (string one in who) _convoy.Depart(one);
    }

    /// <summary>A client of two groups, one with the key "A" and one with "z", whose batches stay away until the test
    /// lets them be answered.</summary>
    private sealed class Held : IStoreConnection
    {
        private readonly List<(GroupId Group, TaskCompletionSource<bool> Gate)> _away = [];
        private readonly Dictionary<GroupId, string> _keys = [];
        private readonly KvClient _client;
        private bool _holds;

        public Held(bool isRemote)
        {
            IsRemote = isRemote;
            _client = new KvClient(this, Cluster.Time, Cluster.Scheduler, new KvClientOptions(), seed: 1);
            foreach (string key in new[] { "A", "z" })
            {
                _keys[Cluster.Run(() => Cluster.GetRoutesAsync().AsTask())!.Ranges.Find(Bytes.Of(key)).Group] = key;
                Cluster.Put(_client, key, "0"); // The first write of each group opens its session.
            }
            Assert.Equal(2, _keys.Count);
            _holds = true;
        }

        public StoreCluster Cluster { get; } = StoreCluster.Start(new StoreClusterOptions { Groups = 2 });

        public bool IsRemote { get; }

        /// <summary>The keys of the groups whose batches are away, in the order in which they left.</summary>
        public IEnumerable<string> Away => _away.Select(batch => _keys[batch.Group]);

        public ValueTask<StoreRoutes?> GetRoutesAsync() => Cluster.GetRoutesAsync();

        public async Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request)
        {
            if (!_holds) return await Cluster.ExecuteAsync(group, request);
            var gate = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            _away.Add((group, gate));
            return await gate.Task
                ? await Cluster.ExecuteAsync(group, request)
                : GroupReply.Of(GroupReplyStatus.Unavailable);
        }

        public List<Running<bool>> Write(string key, int count)
        {
            List<Running<bool>> running = [.. Enumerable.Range(0, count).Select(_ => Begin(key))];
            Cluster.Scheduler.RunUntilIdle();
            Assert.Contains(key, Away);
            return running;
        }

        public void Answer(string key, List<Running<bool>> running)
        {
            Release(key, serves: true);
            Cluster.RunUntil(() => running.All(put => put.HasEnded), Seconds(1), $"the writes to {key} are answered");
            Assert.All(running, put => Assert.Null(put.Failure));
        }

        /// <summary>Answers a batch, having begun the next one's writes.</summary>
        public List<Running<bool>> AnswerAndWrite(string key, List<Running<bool>> running, int count)
        {
            List<Running<bool>> next = [.. Enumerable.Range(0, count).Select(_ => Begin(key))];
            Answer(key, running);
            Cluster.Scheduler.RunUntilIdle();
            return next;
        }

        public void Refuse(string key) => Release(key, serves: false);

        private Running<bool> Begin(string key) => Cluster.Begin(() => _client.PutAsync(Bytes.Of(key), Bytes.Of("1")));

        private void Release(string key, bool serves)
        {
            (GroupId Group, TaskCompletionSource<bool> Gate) batch = _away.First(away => _keys[away.Group] == key);
            _away.Remove(batch);
            batch.Gate.SetResult(serves);
        }
    }
}
