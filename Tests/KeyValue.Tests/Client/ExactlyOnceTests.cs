using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Client;

/// <summary>Sessions end to end: repeated writes apply once, and what is not known is said to be unknown.</summary>
public class ExactlyOnceTests
{
    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 15).Select(seed => (ulong)seed)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Lost_requests_and_replies_never_apply_an_append_twice(ulong seed)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Seed = seed, RandomOrder = true });
        var connection = new WrappedConnection(cluster);
        var client = new KvClient(connection, cluster.Time, cluster.Scheduler,
            new KvClientOptions { Timeout = Seconds(15), MaxBatchOperations = 8 }, seed);
        cluster.ClientLoss = 0.2;
        Running<bool>[] appends = [.. Enumerable.Range(0, 60).Select(i => cluster.Begin(async () =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(i * 50), cluster.Time);
            await client.AppendAsync(Bytes.Of("k"), Bytes.Of($"<{i}>"));
            return true;
        }))];
        cluster.RunUntil(() => appends.All(a => a.HasEnded), Seconds(60), "all appends ended");
        cluster.ClientLoss = 0;
        string value = cluster.Get(client, "k") ?? "";
        int known = 0;
        for (int i = 0; i < appends.Length; i++)
        {
            int times = value.Split($"<{i}>").Length - 1;
            switch (appends[i].Failure)
            {
                case null:
                    Assert.True(times == 1, $"seed {seed}: append {i} was acknowledged and applied {times} times");
                    known++;
                    break;
                case UnavailableException:
                    Assert.True(times == 0, $"seed {seed}: append {i} was 'not applied', but is there");
                    break;
                default:
                    Assert.IsType<OutcomeUnknownException>(appends[i].Failure);
                    Assert.True(times <= 1, $"seed {seed}: append {i} was applied {times} times");
                    break;
            }
        }
        Assert.True(known > 20, $"seed {seed}: only {known} were acknowledged");
        // A batch that went out again under the same first number, or nothing was proved.
        Assert.True(connection.Attempts > connection.Requests.Select(r => Convert.ToHexString(r.Batch.Span)).Distinct()
            .Count(), $"seed {seed}: no attempt was repeated");
    }

    [Fact]
    public void Nothing_is_sent_again_after_its_deadline()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions());
        var connection = new WrappedConnection(cluster);
        var client = new KvClient(connection, cluster.Time, cluster.Scheduler, new KvClientOptions
        {
            Timeout = Seconds(1), MaxBackoff = TimeSpan.FromMilliseconds(4),
        }, 1);
        cluster.Put(client, "k", "1");
        cluster.RunFor(TimeSpan.FromMilliseconds(13));
        var sent = new List<TimeSpan>();
        connection.Handle = (_, _) =>
        {
            sent.Add(cluster.Time.Now);
            return Task.FromResult(GroupReply.Of(GroupReplyStatus.Unknown));
        };
        TimeSpan deadline = cluster.Time.Now + Seconds(1);
        Running<bool> append = cluster.Begin(() => client.AppendAsync(Bytes.Of("k"), Bytes.Of("2")));
        cluster.RunFor(Seconds(2));
        Assert.IsType<OutcomeUnknownException>(append.Failure);
        Assert.True(sent.Count > 100 && sent[^1] < deadline, $"{sent.Count} attempts, the last at {sent[^1] - deadline}");
    }

    [Fact]
    public void A_session_that_expired_is_replaced_when_nothing_depends_on_it()
    {
        StoreCluster cluster = StoreCluster.Start(ShortSessions());
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "1");
        // Another session keeps the group's time moving, as any traffic does.
        cluster.RunFor(Seconds(10));
        cluster.Put(client, "k", "2");
        Assert.Equal("2", cluster.Get(client, "k"));
    }

    [Fact]
    public void A_retry_in_an_expired_session_has_an_unknown_outcome()
    {
        StoreCluster cluster = StoreCluster.Start(ShortSessions());
        var connection = new WrappedConnection(cluster);
        var client =
            new KvClient(connection, cluster.Time, cluster.Scheduler, new KvClientOptions { Timeout = Seconds(60) }, 1);
        cluster.Put(client, "k", "a");
        int first = connection.Attempts + 1;
        connection.Handle = async (number, execute) =>
        {
            if (number == first)
            {
                await execute();
                return GroupReply.Of(GroupReplyStatus.Unknown);
            }
            // The session expires before the retry arrives.
            if (number == first + 1) await Task.Delay(Seconds(10), cluster.Time);
            return await execute();
        };
        Assert.Throws<OutcomeUnknownException>(() =>
            cluster.Run(() => client.AppendAsync(Bytes.Of("k"), Bytes.Of("b"))));
        Assert.Equal("ab", cluster.Get(client, "k"));
        cluster.Run(() => client.AppendAsync(Bytes.Of("k"), Bytes.Of("c")));
        Assert.Equal("abc", cluster.Get(client, "k"));
    }

    [Fact]
    public void A_session_survives_a_time_without_a_leader_however_long()
    {
        StoreCluster cluster = StoreCluster.Start(ShortSessions());
        SessionId session = cluster.OpenSession(cluster.ReplicaOn(cluster.Leader()), 2000);
        foreach (NodeName node in cluster.Names) cluster.CrashNode(node, CrashLoss.Everything);
        cluster.RunFor(TimeSpan.FromHours(1));
        foreach (NodeName node in cluster.Names) cluster.StartNode(node);
        cluster.RunUntil(cluster.AllGroupsHaveLeaders, Seconds(10), "there is a leader again");
        cluster.RunFor(TimeSpan.FromMilliseconds(500));
        Assert.Equal(AnswerStatus.Ok, cluster.Execute(cluster.ReplicaOn(cluster.Leader()), PutOf(session, 1, "k", "1"))
            .Only().Status);
    }

    [Fact]
    public void A_session_expires_by_the_time_of_its_leaders_also_over_a_change_of_leader()
    {
        StoreCluster cluster = StoreCluster.Start(ShortSessions());
        SessionId used = cluster.OpenSession(cluster.ReplicaOn(cluster.Leader()), 2000);
        SessionId idle = cluster.OpenSession(cluster.ReplicaOn(cluster.Leader()), 2000);
        for (ulong i = 1; i <= 4; i++)
        {
            cluster.RunFor(Seconds(1));
            if (i == 2)
            {
                NodeName old = cluster.Leader();
                cluster.CrashNode(old);
                cluster.WaitForLeader(old);
                cluster.StartNode(old);
            }
            Assert.Equal(AnswerStatus.Ok,
                cluster.Execute(cluster.ReplicaOn(cluster.Leader()), PutOf(used, i, "k", $"{i}")).Only().Status);
        }
        Assert.Equal(AnswerStatus.SessionExpired,
            cluster.Execute(cluster.ReplicaOn(cluster.Leader()), PutOf(idle, 1, "k", "idle")).Only().Status);
        Assert.Equal("4", cluster.Get(cluster.CreateClient(), "k"));
        cluster.WaitForEqualReplicas();
    }

    [Fact]
    public void A_client_cannot_move_the_groups_time()
    {
        StoreCluster cluster = StoreCluster.Start(ShortSessions());
        Replica leader = cluster.ReplicaOn(cluster.Leader());
        SessionId session = cluster.OpenSession(leader, 2000);
        LogIndex commit = leader.Status.Commit;
        Assert.Equal(GroupReplyStatus.Malformed,
            cluster.Execute(leader, Unsessioned(Operation.AdvanceTime(1_000_000))).Status);
        var mixed = new CommandBatchWriter();
        mixed.Add(session, 1, 1, Operation.Put(ColumnFamily.Default, "k"u8, "v"u8));
        mixed.AddUnsessioned(Operation.AdvanceTime(1_000_000));
        Assert.Equal(GroupReplyStatus.Malformed,
            cluster.Execute(leader, new GroupRequest(RequestKind.Write, mixed.ToArray())).Status);
        Assert.Equal(commit, leader.Status.Commit);
        Assert.Equal(GroupReplyStatus.Malformed,
            cluster.Execute(leader, WriteOf(session, 1, Operation.AdvanceTime(1_000_000))).Status);
        Assert.Equal(AnswerStatus.Ok, cluster.Execute(leader, PutOf(session, 2, "k", "v")).Only().Status);
    }

    [Fact]
    public void Writes_whose_answers_have_no_room_beside_each_other_follow_without_waiting()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        cluster.Run(() => client.PutAsync(Bytes.Of("k"), new byte[1 << 20]));
        TimeSpan start = cluster.Time.Now;
        // Four of them fill the session's room for answers.
        Running<CompareAndSetResult>[] mismatches = [.. Enumerable.Range(0, 100).Select(_ =>
            cluster.Begin(() => client.CompareAndSetAsync(Bytes.Of("k"), null, Bytes.Of("v"))))];
        cluster.RunUntil(() => mismatches.All(m => m.HasEnded), Seconds(10), "all ended");
        Assert.All(mismatches, m => Assert.Equal(1 << 20, m.Result.Current!.Value.Length));
        Assert.InRange(cluster.Time.Now - start, TimeSpan.Zero, Seconds(0.5));
    }

    [Fact]
    public void More_calls_than_the_sessions_window_all_get_their_turn()
    {
        StoreCluster cluster =
            StoreCluster.Start(new StoreClusterOptions { Limits = new StoreLimits { SessionWindow = 4 } });
        KvClient client = cluster.CreateClient();
        Running<bool>[] puts = [.. Enumerable.Range(0, 50).Select(i => cluster.Begin(async () =>
        {
            await client.AppendAsync(Bytes.Of("k"), Bytes.Of($"{i},"));
            return true;
        }))];
        cluster.RunUntil(() => puts.All(p => p.HasEnded), Seconds(30), "all ended");
        Assert.All(puts, put => Assert.True(put.Result));
        Assert.Equal(string.Concat(Enumerable.Range(0, 50).Select(i => $"{i},")), cluster.Get(client, "k"));
    }

    private static StoreClusterOptions ShortSessions() =>
        new() { Limits = new StoreLimits { SessionTimeoutMilliseconds = 2000 } };
}
