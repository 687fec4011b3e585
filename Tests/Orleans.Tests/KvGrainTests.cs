using System.Text;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>What an application sees that calls <see cref="IKvGrain"/>.</summary>
[Collection(nameof(SharedCluster))]
public sealed class KvGrainTests(RaftTestCluster cluster) : IAsyncLifetime
{
    private IKvGrain Kv => cluster.Client.GetGrain<IKvGrain>(0);

    public Task InitializeAsync() => SharedCluster.EmptyAsync(cluster.Store);

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task Values_are_read_as_they_were_written()
    {
        await Kv.Put(Bytes("a"), Bytes("1"));
        await Kv.Append(Bytes("a"), Bytes("2"));
        Assert.Equal("12", Text(await Kv.Get(Bytes("a"))));
        Assert.Equal("12", Text(await Kv.Get(Bytes("a"), consistency: KvConsistency.Lease)));
        Assert.Null(await Kv.Get(Bytes("a"), KvFamily.Lock));
        await Kv.Put(Bytes("a"), [], KvFamily.Lock);
        Assert.Equal("", Text(await Kv.Get(Bytes("a"), KvFamily.Lock)));
        await Kv.Delete(Bytes("a"));
        Assert.Null(await Kv.Get(Bytes("a")));
    }

    [Fact]
    public async Task Compare_and_set_tells_what_it_found()
    {
        Assert.True((await Kv.CompareAndSet(Bytes("c"), null, Bytes("1"))).Applied);
        KvCompareAndSetResult refused = await Kv.CompareAndSet(Bytes("c"), null, Bytes("2"));
        Assert.False(refused.Applied);
        Assert.Equal("1", Text(refused.Current));
        Assert.True((await Kv.CompareAndSet(Bytes("c"), Bytes("1"), null)).Applied);
        refused = await Kv.CompareAndSet(Bytes("c"), Bytes("1"), Bytes("2"));
        Assert.False(refused.Applied);
        Assert.Null(refused.Current);
    }

    [Fact]
    public async Task A_batch_is_all_or_nothing_and_stays_in_one_group()
    {
        await Kv.Put(Bytes("za"), Bytes("old"));
        await Kv.Batch([new KvWrite(Bytes("za"), null), new KvWrite(Bytes("zb"), Bytes("")),
            new KvWrite(Bytes("zc"), Bytes("3"))]);
        Assert.Null(await Kv.Get(Bytes("za")));
        Assert.Equal("", Text(await Kv.Get(Bytes("zb"))));
        KvGrainException failure = await Assert.ThrowsAsync<KvGrainException>(() =>
            Kv.Batch([new KvWrite(Bytes("!"), Bytes("1")), new KvWrite(Bytes("zc"), Bytes("4"))]));
        Assert.Equal("CrossGroup", failure.Code);
        Assert.Equal("3", Text(await Kv.Get(Bytes("zc"))));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_scan_gives_every_row_once_page_by_page_over_all_groups(bool reverse)
    {
        string[] keys = [.. Enumerable.Range(0x21, 94).Select(c => $"{(char)c}k").Order(StringComparer.Ordinal)];
        await Task.WhenAll(keys.Select(k => Kv.Put(Bytes(k), Bytes($"value of {k}"))));
        var found = new List<string>();
        int pages = 0;
        for (KvScan? next = new([], [], PageRows: 10, Reverse: reverse); next is not null; pages++)
        {
            KvPage page = await Kv.Scan(next);
            Assert.All(page.Rows, row => Assert.Equal($"value of {Text(row.Key)}", Text(row.Value)));
            found.AddRange(page.Rows.Select(r => Text(r.Key)!));
            next = page.Next;
        }
        Assert.Equal(10, pages);
        Assert.Equal(reverse ? keys.Reverse() : keys, found);
    }

    [Fact]
    public async Task Errors_carry_their_code_to_the_client()
    {
        Assert.Equal("EmptyKey", (await Assert.ThrowsAsync<KvGrainException>(() => Kv.Put([], Bytes("1")))).Code);
        Assert.Equal("KeyTooLarge", (await Assert.ThrowsAsync<KvGrainException>(() => Kv.Get(new byte[4097]))).Code);
        Assert.Equal("BadArgument",
            (await Assert.ThrowsAsync<KvGrainException>(() => Kv.Scan(new KvScan([], [], 0)))).Code);
    }

    [Fact]
    public async Task Callers_of_every_silo_see_each_others_writes_at_once()
    {
        for (int i = 0; i < 30; i++)
        {
            await Kv.Put(Bytes("turn"), Bytes($"{i}"));
            foreach (Core.NodeName silo in RaftTestCluster.Names)
                Assert.Equal($"{i}", Text(await cluster.GrainsOf(silo).GetGrain<IKvGrain>(7).Get(Bytes("turn"))));
        }
    }

    [Fact]
    public async Task A_malformed_batch_is_refused_and_harms_nobody()
    {
        Task<GroupReplyMessage>[] calls = [.. Enumerable.Range(0, 50).Select(i => i % 2 == 0
            ? Kv.Execute(1, (byte)RequestKind.Write, [1, 2, 3])
            : Kv.Execute(1, (byte)RequestKind.StaleRead, ReadOf("!a")))];
        GroupReplyMessage[] replies = await Task.WhenAll(calls);
        for (int i = 0; i < replies.Length; i++)
            Assert.Equal(i % 2 == 0 ? GroupReplyStatus.Malformed : GroupReplyStatus.Answered,
                (GroupReplyStatus)replies[i].Status);
    }

    [Fact]
    public async Task An_unknown_group_is_not_available()
    {
        GroupReplyMessage reply = await Kv.Execute(99, (byte)RequestKind.LinearizableRead, ReadOf("!a"));
        Assert.Equal(GroupReplyStatus.Unavailable, (GroupReplyStatus)reply.Status);
    }

    [Fact]
    public async Task The_router_serves_the_same_map_on_every_silo()
    {
        RoutesMessage expected = await cluster.Client.GetGrain<IRouterGrain>(0).GetRoutes();
        Assert.Equal(new StoreLimits(), StoreLimits.Decode(expected.Limits));
        Assert.Equal(4, new RangeMap([.. expected.Groups.Select(group => GroupDescriptor.Decode(group))]).Groups.Count);
        foreach (Core.NodeName silo in RaftTestCluster.Names)
        {
            RoutesMessage routes = await cluster.GrainsOf(silo).GetGrain<IRouterGrain>(1).GetRoutes();
            Assert.Equal(expected.Groups, routes.Groups);
            Assert.Equal(expected.Limits, routes.Limits);
        }
    }

    [Fact]
    public async Task A_replicas_grain_lives_on_the_silo_its_key_names()
    {
        foreach (Core.NodeName asking in RaftTestCluster.Names)
        {
            foreach (Core.NodeName silo in RaftTestCluster.Names)
            {
                PeerInfo peer = await cluster.GrainsOf(asking).GetGrain<IRaftPeerGrain>($"g1/{silo}").Start();
                Assert.Equal(cluster.NodeOf(silo).Store!.Find(new Core.GroupId(1))!.Incarnation, peer.Incarnation);
                Assert.Equal(1, peer.Activations);
            }
        }
        Exception failure = await Assert.ThrowsAnyAsync<Exception>(() => cluster.GrainsOf(RaftTestCluster.Names[0])
            .GetGrain<IRaftPeerGrain>("g1/nowhere").Start());
        Assert.Contains("nowhere", failure.Message, StringComparison.Ordinal);
    }

    private static byte[] ReadOf(string key)
    {
        var writer = new ReadBatchWriter();
        writer.AddGet(ColumnFamily.Default, Bytes(key));
        return writer.ToArray();
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string? Text(byte[]? bytes) => bytes is null ? null : Encoding.UTF8.GetString(bytes);
}
