using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Client;

/// <summary>How calls end: deadlines, cancellation, bounds, wrong arguments.</summary>
public class CallTests
{
    /// <summary>As MIT lab 3A asks: a call waits for disks and messages, not for the next heartbeat or tick.</summary>
    [Fact]
    public void A_thousand_calls_in_a_row_take_less_than_33_ms_each()
    {
        StoreCluster cluster = StoreCluster.Start();
        cluster.Network.Faults = new NetworkFaults { Delay = (Seconds(0.001), Seconds(0.003)) };
        foreach (SimulatedDisk disk in cluster.Disks.Values)
        {
            disk.Latency = operation => operation.Kind == DiskOperationKind.Flush
                ? new ValueTask(Task.Delay(TimeSpan.FromMilliseconds(2), cluster.Time)) : ValueTask.CompletedTask;
        }
        KvClient client = cluster.CreateClient();
        TimeSpan start = cluster.Time.Now;
        for (int i = 0; i < 500; i++)
        {
            cluster.Put(client, "k", $"{i}");
            Assert.Equal($"{i}", cluster.Get(client, "k"));
        }
        TimeSpan each = (cluster.Time.Now - start) / 1000;
        Assert.True(each < TimeSpan.FromMilliseconds(33), $"{each.TotalMilliseconds} ms of virtual time each");
    }

    [Fact]
    public void A_write_that_was_sent_and_not_answered_has_an_unknown_outcome_at_its_deadline()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient(new KvClientOptions { Timeout = Seconds(3) });
        cluster.Put(client, "k", "1");
        foreach (NodeName node in cluster.Names) cluster.Isolate(node);
        TimeSpan start = cluster.Time.Now;
        Assert.Throws<OutcomeUnknownException>(() => cluster.Put(client, "k", "2"));
        Assert.InRange(cluster.Time.Now - start, Seconds(3), Seconds(3.1));
    }

    /// <summary>Whoever waits hears of it, and what is asked next of the same group is not lost behind it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Routes_that_cannot_be_read_end_the_calls_that_need_them_and_none_after(bool isWrite)
    {
        StoreCluster cluster = StoreCluster.Start();
        var connection = new WrappedConnection(cluster);
        var client = new KvClient(connection, cluster.Time, cluster.Scheduler,
            new KvClientOptions { Timeout = Seconds(60) }, 1);
        cluster.Put(client, "k", "1");
        Assert.Equal("1", cluster.Get(client, "k"));
        connection.Handle = (_, _) => Task.FromResult(GroupReply.Of(GroupReplyStatus.Unavailable));
        connection.Routes = () =>
            Task.FromException<StoreRoutes?>(new InvalidDataException("routes of another format"));
        Running<bool> call = cluster.Begin(async () =>
        {
            if (isWrite) await client.PutAsync(Bytes.Of("k"), Bytes.Of("2"));
            else await client.GetAsync(Bytes.Of("k"));
        });
        cluster.RunUntil(() => call.HasEnded, Seconds(50), "the call has ended before its deadline");
        Assert.Contains("routes of another format", call.Failure!.Message, StringComparison.Ordinal);
        connection.Handle = null;
        connection.Routes = null;
        if (isWrite) cluster.Put(client, "k", "3");
        Assert.Equal(isWrite ? "3" : "1", cluster.Get(client, "k"));
    }

    [Fact]
    public void A_call_that_nobody_took_is_unavailable_at_its_deadline()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient(new KvClientOptions { Timeout = Seconds(3) });
        cluster.Put(client, "k", "1");
        foreach (NodeName node in cluster.Names) cluster.CrashNode(node);
        TimeSpan start = cluster.Time.Now;
        Assert.Throws<UnavailableException>(() => cluster.Get(client, "k"));
        Assert.InRange(cluster.Time.Now - start, Seconds(3), Seconds(3.1));
    }

    [Fact]
    public void Without_routes_a_call_is_unavailable_by_its_deadline_and_nothing_is_sent()
    {
        StoreCluster cluster = StoreCluster.Start();
        var connection = new WrappedConnection(cluster) { Routes = () => Task.FromResult<StoreRoutes?>(null) };
        var client =
            new KvClient(connection, cluster.Time, cluster.Scheduler, new KvClientOptions { Timeout = Seconds(3) }, 1);
        Assert.Throws<UnavailableException>(() => cluster.Put(client, "k", "1"));
        Assert.Equal(0, connection.Attempts);
    }

    [Theory]
    [InlineData(2.5)]
    [InlineData(60)]
    public void Looking_for_the_routes_counts_towards_the_deadline(double lookupSeconds)
    {
        StoreCluster cluster = StoreCluster.Start();
        var connection = new WrappedConnection(cluster);
        connection.Routes = async () =>
        {
            await Task.Delay(Seconds(lookupSeconds), cluster.Time);
            return await cluster.GetRoutesAsync();
        };
        var client =
            new KvClient(connection, cluster.Time, cluster.Scheduler, new KvClientOptions { Timeout = Seconds(3) }, 1);
        foreach (NodeName node in cluster.Names) cluster.Isolate(node);
        TimeSpan start = cluster.Time.Now;
        Assert.Throws<UnavailableException>(() => cluster.Get(client, "k"));
        Assert.InRange(cluster.Time.Now - start, Seconds(3), Seconds(3.1));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_call_that_is_sent_round_in_circles_ends_by_its_deadline(bool scan)
    {
        StoreCluster cluster = StoreCluster.Start();
        var answers = new AnswerBatchWriter();
        answers.AddWrongRange(cluster.Nodes[cluster.Names[0]].Formation.Groups[0].Encode());
        var connection = new WrappedConnection(cluster)
        {
            Handle = (_, _) => Task.FromResult(new GroupReply(GroupReplyStatus.Answered, answers.ToArray())),
        };
        var client =
            new KvClient(connection, cluster.Time, cluster.Scheduler, new KvClientOptions { Timeout = Seconds(3) }, 1);
        TimeSpan start = cluster.Time.Now;
        UnavailableException failure = Assert.Throws<UnavailableException>(() => cluster.Run(async () =>
        {
            if (!scan) await client.GetAsync(Bytes.Of("k"));
            else await foreach (KeyValueEntry _ in client.ScanAsync(default, default)) break;
        }));
        Assert.Contains("does not own the keys", failure.Message);
        Assert.InRange(cluster.Time.Now - start, Seconds(3), Seconds(3.1));
    }

    [Fact]
    public void A_cancelled_call_ends_at_once_and_the_client_works_on()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient(new KvClientOptions { Timeout = Seconds(30) });
        cluster.Put(client, "k", "1");
        foreach (NodeName node in cluster.Names) cluster.Isolate(node);
        using var cancellation = new CancellationTokenSource();
        Running<ReadOnlyMemory<byte>?> read =
            cluster.Begin(() => client.GetAsync(Bytes.Of("k"), cancellationToken: cancellation.Token));
        cluster.RunFor(Seconds(1));
        Assert.False(read.HasEnded);
        cancellation.Cancel();
        cluster.RunFor(TimeSpan.FromMilliseconds(1));
        Assert.IsAssignableFrom<OperationCanceledException>(read.Failure);
        cluster.Network.Heal();
        Assert.Equal("1", cluster.Get(client, "k"));
        Assert.IsAssignableFrom<OperationCanceledException>(Record.Exception(() =>
            cluster.Run(() => client.GetAsync(Bytes.Of("k"), cancellationToken: cancellation.Token))));
    }

    [Fact]
    public void A_client_queues_only_so_many_calls_and_recovers_when_they_end()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient(new KvClientOptions { MaxQueuedOperations = 2, Timeout = Seconds(3) });
        cluster.Put(client, "k", "1");
        foreach (NodeName node in cluster.Names) cluster.Isolate(node);
        Running<ReadOnlyMemory<byte>?>[] waiting =
            [.. Enumerable.Range(0, 2).Select(_ => cluster.Begin(() => client.GetAsync(Bytes.Of("k"))))];
        cluster.RunFor(TimeSpan.FromMilliseconds(1));
        TimeSpan start = cluster.Time.Now;
        Assert.Throws<UnavailableException>(() => cluster.Get(client, "k"));
        Assert.Equal(start, cluster.Time.Now);
        cluster.Network.Heal();
        cluster.RunUntil(() => waiting.All(w => w.HasEnded), Seconds(10), "the waiting calls ended");
        Assert.Equal("1", cluster.Get(client, "k"));
    }

    [Fact]
    public void A_replica_with_too_many_requests_waiting_answers_Busy()
    {
        StoreCluster cluster =
            StoreCluster.Start(new StoreClusterOptions { Replica = new ReplicaOptions { MaxPendingRequests = 2 } });
        Replica leader = cluster.ReplicaOn(cluster.Leader());
        SessionId session = cluster.OpenSession(leader, 60_000);
        cluster.Isolate(cluster.Leader());
        Running<GroupReply>[] waiting = [.. Enumerable.Range(1, 2)
            .Select(i => cluster.Begin(() => leader.ExecuteAsync(PutOf(session, (ulong)i, "k", "v"))))];
        cluster.RunFor(TimeSpan.FromMilliseconds(1));
        Assert.Equal(GroupReplyStatus.Busy, cluster.Execute(leader, ReadOf("k", RequestKind.StaleRead)).Status);
        // It gives up leadership, answers those who wait, and has room again.
        cluster.RunFor(Seconds(2));
        Assert.All(waiting, w => Assert.Equal(GroupReplyStatus.Unknown, w.Result.Status));
        Assert.Equal(GroupReplyStatus.Answered, cluster.Execute(leader, ReadOf("k", RequestKind.StaleRead)).Status);
    }

    [Fact]
    public void A_replica_with_too_many_bytes_of_requests_waiting_answers_Busy()
    {
        StoreCluster cluster =
            StoreCluster.Start(new StoreClusterOptions { Replica = new ReplicaOptions { MaxPendingBytes = 10_000 } });
        Replica leader = cluster.ReplicaOn(cluster.Leader());
        SessionId session = cluster.OpenSession(leader, 60_000);
        // One alone may be as large as it likes, and leaves as much room as there was.
        for (ulong i = 1; i <= 2; i++)
            Assert.Equal(GroupReplyStatus.Answered,
                cluster.Execute(leader, PutOf(session, i, "k", new string('v', 20_000))).Status);
        cluster.Isolate(cluster.Leader());
        string value = new('v', 4_000);
        Running<GroupReply>[] waiting = [.. Enumerable.Range(3, 2)
            .Select(i => cluster.Begin(() => leader.ExecuteAsync(PutOf(session, (ulong)i, "k", value))))];
        cluster.RunFor(TimeSpan.FromMilliseconds(1));
        Assert.Equal(GroupReplyStatus.Busy, cluster.Execute(leader, PutOf(session, 5, "k", value)).Status);
        Assert.Equal(GroupReplyStatus.Answered, cluster.Execute(leader, ReadOf("k", RequestKind.StaleRead)).Status);
        Assert.All(waiting, w => Assert.False(w.HasEnded));
    }

    [Fact]
    public void A_session_with_too_many_unacknowledged_writes_is_Busy_before_anything_is_proposed()
    {
        StoreCluster cluster =
            StoreCluster.Start(new StoreClusterOptions { Limits = new StoreLimits { SessionWindow = 4 } });
        Replica leader = cluster.ReplicaOn(cluster.Leader());
        SessionId session = cluster.OpenSession(leader, 60_000);
        LogIndex commit = leader.Status.Commit;
        var commands = new CommandBatchWriter();
        commands.Add(session, 5, 1, Operation.Put(ColumnFamily.Default, "k"u8, "v"u8));
        Assert.Equal(GroupReplyStatus.Busy,
            cluster.Execute(leader, new GroupRequest(RequestKind.Write, commands.ToArray())).Status);
        Assert.Equal(commit, leader.Status.Commit);
    }

    [Fact]
    public void A_batch_over_two_groups_is_refused_and_changes_nothing()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Groups = 2 });
        KvClient client = cluster.CreateClient();
        WriteOperation[] across = [new(Bytes.Of("a"), Bytes.Of("1")), new(Bytes.Of("A"), Bytes.Of("1"))];
        Assert.Throws<CrossGroupException>(() => cluster.Run(() => client.BatchAsync(across)));
        Assert.Null(cluster.Get(client, "a"));
        WriteOperation[] within =
            [new(Bytes.Of("a"), Bytes.Of("1")), new(Bytes.Of("b"), Bytes.Of("2")), new(Bytes.Of("a"), null)];
        cluster.Run(() => client.BatchAsync(within));
        Assert.Null(cluster.Get(client, "a"));
        Assert.Equal("2", cluster.Get(client, "b"));
    }

    [Fact]
    public void Wrong_arguments_are_refused_before_anything_is_sent()
    {
        StoreCluster cluster = StoreCluster.Start();
        var connection = new WrappedConnection(cluster);
        var client = new KvClient(connection, cluster.Time, cluster.Scheduler, new KvClientOptions(), 1);
        byte[] key = Bytes.Of("k"), longKey = new byte[4097], longValue = new byte[(1 << 20) + 1];
        const ColumnFamily Unknown = (ColumnFamily)9;
        (string Code, Func<Task> Call)[] calls =
        [
            ("EmptyKey", () => client.PutAsync(default, key)),
            ("KeyTooLarge", () => client.PutAsync(longKey, key)),
            ("ValueTooLarge", () => client.PutAsync(key, longValue)),
            ("BadArgument", () => client.PutAsync(key, key, Unknown)),
            ("EmptyKey", () => client.AppendAsync(default, key)),
            ("ValueTooLarge", () => client.AppendAsync(key, longValue)),
            ("KeyTooLarge", () => client.DeleteAsync(longKey)),
            ("EmptyKey", () => client.CompareAndSetAsync(default, null, key)),
            ("ValueTooLarge", () => client.CompareAndSetAsync(key, longValue, null)),
            ("ValueTooLarge", () => client.CompareAndSetAsync(key, null, longValue)),
            ("BadArgument", () => client.BatchAsync([])),
            ("EmptyKey", () => client.BatchAsync([new WriteOperation(default, key)])),
            ("BatchTooLarge", () =>
            client.BatchAsync([.. Enumerable.Repeat(new WriteOperation(key, new byte[1 << 20]), 5)])),
            ("EmptyKey", () => client.GetAsync(default)),
            ("BadArgument", () => client.GetAsync(key, new ReadOptions(Unknown))),
            ("BadArgument", () => client.GetAsync(key, new ReadOptions(Consistency: (Consistency)9))),
            ("KeyTooLarge", () => client.ScanAsync(longKey, default).GetAsyncEnumerator().MoveNextAsync().AsTask()),
            ("BadArgument", () => client.ScanAsync(default, default, new ScanOptions(Limit: -1)).GetAsyncEnumerator()
            .MoveNextAsync().AsTask()),
        ];
        for (int i = 0; i < calls.Length; i++)
        {
            KeyValueArgumentException failure =
                Assert.Throws<KeyValueArgumentException>(() => cluster.Run(calls[i].Call));
            Assert.True(calls[i].Code == failure.Code, $"call {i}: {failure.Code}");
        }
        Assert.Equal(0, connection.Attempts);
        // The largest there may be.
        cluster.Run(() => client.PutAsync(new byte[4096], new byte[1 << 20]));
        Assert.Throws<ValueLimitException>(() => cluster.Run(() => client.AppendAsync(new byte[4096], key)));
    }

    [Fact]
    public void A_caller_may_reuse_its_buffers_as_soon_as_the_call_has_returned()
    {
        StoreCluster cluster = StoreCluster.Start();
        StoreRoutes? routes = null;
        var connection = new WrappedConnection(cluster) { Routes = () => Task.FromResult(routes) };
        var client = new KvClient(connection, cluster.Time, cluster.Scheduler, new KvClientOptions(), 1);
        byte[] key = Bytes.Of("key"), value = Bytes.Of("value");
        Running<bool> put = cluster.Begin(async () =>
        {
            Task call = client.PutAsync(key, value);
            // The client does not know the routes yet.
            key.AsSpan().Fill((byte)'x');
            value.AsSpan().Fill((byte)'y');
            await call;
            return true;
        });
        cluster.RunFor(TimeSpan.FromMilliseconds(100));
        routes = cluster.Run(async () => await cluster.GetRoutesAsync());
        cluster.RunUntil(() => put.HasEnded, Seconds(5), "the put ended");
        Assert.True(put.Result);
        Assert.Equal("value", cluster.Get(client, "key"));
    }

    [Fact]
    public void No_refusal_passes_for_success()
    {
        StoreCluster cluster = StoreCluster.Start();
        var connection = new WrappedConnection(cluster);
        var client = new KvClient(connection, cluster.Time, cluster.Scheduler, new KvClientOptions(), 1);
        cluster.Put(client, "k", "1");
        var answers = new AnswerBatchWriter();
        answers.Add(AnswerStatus.Malformed);
        connection.Handle = (_, _) => Task.FromResult(new GroupReply(GroupReplyStatus.Answered, answers.ToArray()));
        byte[] key = Bytes.Of("k");
        Func<Task>[] calls =
        [
            () => client.PutAsync(key, key), () => client.AppendAsync(key, key), () => client.DeleteAsync(key), () =>
                client.GetAsync(key),
            () => client.CompareAndSetAsync(key, null, key), () => client.BatchAsync([new WriteOperation(key, key)]),
        ];
        foreach (Func<Task> call in calls) Assert.Throws<KeyValueArgumentException>(() => cluster.Run(call));
    }

    [Fact]
    public void A_disposed_client_ends_its_calls()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient(new KvClientOptions { Timeout = Seconds(600) });
        cluster.Put(client, "k", "1");
        foreach (NodeName node in cluster.Names) cluster.CrashNode(node);
        Running<ReadOnlyMemory<byte>?> read = cluster.Begin(() => client.GetAsync(Bytes.Of("k")));
        cluster.RunFor(Seconds(1));
        cluster.Run(() => client.DisposeAsync().AsTask());
        cluster.RunFor(TimeSpan.FromMilliseconds(1));
        Assert.IsType<UnavailableException>(read.Failure);
        Assert.Throws<ObjectDisposedException>(() => cluster.Get(client, "k"));
    }
}
