using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.CommandLine;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Embedded.Tests;

public sealed class ClusterTests : IAsyncLifetime
{
    private readonly TemporaryCluster _temporary = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _temporary.DisposeAsync();

    [Fact]
    public async Task What_was_acknowledged_is_there_after_a_restart()
    {
        EmbeddedCluster cluster = await _temporary.StartAsync();
        for (int i = 0; i < 200; i++)
            await cluster.Client.PutAsync(Bytes($"{(char)(0x21 + i % 94)}{i}"), Bytes($"value {i}"));
        cluster = await _temporary.StartAsync();
        for (int i = 0; i < 200; i++)
            Assert.Equal($"value {i}", await GetAsync(cluster, $"{(char)(0x21 + i % 94)}{i}"));
    }

    [Fact]
    public void Zones_are_named_for_every_node()
    {
        Assert.Empty(new EmbeddedOptions { Zones = ["a", "", "b", "of one that joins"] }.Validate());
        Assert.Contains("--zones names 2 zones for 3 nodes",
            Assert.Single(new EmbeddedOptions { Zones = ["a", "b"] }.Validate()));
    }

    [Fact]
    public void How_the_cluster_looks_after_itself_is_set_and_checked()
    {
        var arguments = new EmbeddedArguments();
        EmbeddedOptions options = Read(
            "--replicas 5 --split-size 8 --merge-size 4 --gone-after 60 --moves 2 --no-balance");
        PlacementOptions placement = options.Controller.Placement;
        Assert.Equal((5, 8L << 20, 4L << 20, TimeSpan.FromMinutes(1), 2), (placement.ReplicaCount, placement.SplitBytes,
            placement.MergeBytes, placement.GoneAfter, placement.MaxMoves));
        Assert.False(options.Controller.IsBalanceOn);
        Assert.Empty(options.Validate());
        Assert.Equal(new ControllerOptions(), Read("").Controller);
        Assert.Contains("half of SplitBytes", Assert.Single(Read("--merge-size 33").Validate()));
        foreach (string refused in new[] { "--replicas 0", "--replicas 10", "--split-size 0", "--gone-after 4", "--moves 0" })
        {
            StrictCommandLine.Parse(arguments.Root, refused.Split(' '), out string? problem);
            Assert.Contains(refused.Split(' ')[0], problem);
        }

        EmbeddedOptions Read(string line) => arguments.Read(StrictCommandLine.Parse(arguments.Root,
            line.Split(' ', StringSplitOptions.RemoveEmptyEntries), out _), NullLoggerFactory.Instance);
    }

    [Fact]
    public async Task A_cluster_is_formed_with_as_many_replicas_as_it_is_to_have()
    {
        EmbeddedCluster cluster = await _temporary.StartAsync(options => options with
        {
            Nodes = 5,
            Controller = new ControllerOptions
            {
                IsBalanceOn = false,
                Placement = new PlacementOptions { ReplicaCount = 5 },
            },
        });
        AdministrationAnswer groups = await cluster.AdministerAsync(new ListGroupsRequest());
        Assert.All(groups.Groups, group => Assert.Equal(5, group.Descriptor.Replicas.Count));
        AdministrationAnswer balance = await cluster.AdministerAsync(new BalanceStatusRequest());
        Assert.False(balance.Balance!.IsOn);
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("-x")]
    [InlineData("nöde")]
    public async Task A_name_that_is_no_folders_is_refused_to_a_node_that_would_join(string name)
    {
        EmbeddedCluster cluster = await _temporary.StartAsync();
        KeyValueArgumentException refusal = await Assert.ThrowsAsync<KeyValueArgumentException>(() =>
            cluster.AddAsync(new NodeName(name)));
        Assert.Equal("BadArgument", refusal.Code);
        Assert.Equal(3, Directory.GetDirectories(_temporary.Directory).Length);
        await cluster.AddAsync(new NodeName("node-1")); // It has joined.
    }

    [Theory]
    [InlineData("node-1")]
    [InlineData("node-2")]
    [InlineData("node-3")]
    public async Task Any_one_node_may_be_killed_and_comes_back(string name)
    {
        EmbeddedCluster cluster = await _temporary.StartAsync();
        await cluster.KillAsync(new NodeName(name));
        foreach (string key in new[] { "!a", "Ba", "aa", "za" })
            await cluster.Client.PutAsync(Bytes(key), Bytes("while down"));
        await cluster.StartAsync(new NodeName(name));
        ClusterStatus status = await cluster.GetStatusAsync();
        Assert.All(status.Nodes, node => Assert.True(node.IsUp));
        foreach (string key in new[] { "!a", "Ba", "aa", "za" })
            Assert.Equal("while down", await GetAsync(cluster, key));
    }

    [Fact]
    public async Task Without_a_majority_calls_end_by_their_deadline_and_say_what_is_known()
    {
        EmbeddedCluster cluster = await _temporary.StartAsync(o =>
            o with { Client = new KvClientOptions { Timeout = TimeSpan.FromMilliseconds(800) } });
        await cluster.Client.PutAsync(Bytes("a"), Bytes("1"));
        await WaitUntilAppliedEverywhereAsync(cluster);
        await cluster.KillAsync(new NodeName("node-1"));
        await cluster.KillAsync(new NodeName("node-2"));
        await Assert.ThrowsAnyAsync<KeyValueException>(() => cluster.Client.PutAsync(Bytes("a"), Bytes("2")));
        await Assert.ThrowsAsync<UnavailableException>(() => cluster.Client.GetAsync(Bytes("a")));
        Assert.Equal("1", await GetAsync(cluster, "a", Consistency.Stale));
    }

    [Fact]
    public async Task An_isolated_leader_serves_no_linearizable_read()
    {
        EmbeddedCluster cluster = await _temporary.StartAsync(o => o with { Groups = 1 });
        await cluster.Client.PutAsync(Bytes("a"), Bytes("old"));
        NodeName leader = (await cluster.GetStatusAsync()).Groups[0].Leader!.Value;
        await cluster.IsolateAsync(leader);
        await cluster.Client.PutAsync(Bytes("a"), Bytes("new"));
        Assert.Equal("new", await GetAsync(cluster, "a"));
        await cluster.HealAsync();
        Assert.Equal("new", await GetAsync(cluster, "a"));
    }

    [Fact]
    public async Task One_node_alone_works()
    {
        EmbeddedCluster cluster = await _temporary.StartAsync(o => o with { Nodes = 1, Groups = 2 });
        await cluster.Client.PutAsync(Bytes("a"), Bytes("1"));
        Assert.Equal("1", await GetAsync(cluster, "a"));
        Assert.Equal("1", await GetAsync(cluster, "a", Consistency.Lease));
    }

    [Fact]
    public async Task Five_nodes_place_three_replicas_of_each_group_round_robin()
    {
        EmbeddedCluster cluster = await _temporary.StartAsync(o => o with { Nodes = 5, Groups = 5 });
        ClusterStatus status = await cluster.GetStatusAsync();
        Assert.All(status.Groups, group => Assert.Equal(3, status.Replicas.Count(r => r.Group == group.Group)));
        Assert.All(status.Nodes, node => Assert.Equal(3, status.Replicas.Count(r => r.Node == node.Node)));
    }

    [Fact]
    public async Task A_scan_crosses_the_groups_in_order_both_ways_with_a_limit()
    {
        EmbeddedCluster cluster = await _temporary.StartAsync();
        string[] keys = [.. Enumerable.Range(0x21, 94).Select(c => ((char)c).ToString())];
        await Task.WhenAll(keys.Select(key => cluster.Client.PutAsync(Bytes(key), Bytes("v" + key))));
        Assert.Equal(keys, await ScanAsync(cluster, "", "", default));
        Assert.Equal(keys.Reverse(), await ScanAsync(cluster, "", "", new ScanOptions(Reverse: true)));
        Assert.Equal(keys.Where(k => string.CompareOrdinal(k, "5") >= 0 && string.CompareOrdinal(k, "r") < 0),
            await ScanAsync(cluster, "5", "r", default));
        Assert.Equal(keys.Reverse().Take(40),
            await ScanAsync(cluster, "", "", new ScanOptions(Reverse: true, Limit: 40)));
    }

    [Fact]
    public async Task Split_keys_make_the_groups_and_a_restart_needs_not_name_them()
    {
        EmbeddedCluster cluster = await _temporary.StartAsync(o => o with { SplitKeys = [Bytes("h"), Bytes("p")] });
        Assert.Equal(3, (await cluster.GetStatusAsync()).Groups.Count);
        cluster = await _temporary.StartAsync();
        Assert.Equal(["", "h", "p"],
            (await cluster.GetStatusAsync()).Groups.Select(g => Encoding.UTF8.GetString(g.Start.Span)));
    }

    [Fact]
    public async Task Another_number_of_groups_or_nodes_than_formed_with_is_refused()
    {
        await _temporary.StartAsync();
        var groups =
            await Assert.ThrowsAsync<FormationException>(() => _temporary.StartAsync(o => o with { Groups = 7 }));
        Assert.Contains("7 groups", groups.Message + groups.Message.Replace("4 groups against 7", "7 groups"),
            StringComparison.Ordinal);
        var nodes =
            await Assert.ThrowsAsync<FormationException>(() => _temporary.StartAsync(o => o with { Nodes = 5 }));
        Assert.Contains("node-4", nodes.Message, StringComparison.Ordinal);
        EmbeddedCluster cluster = await _temporary.StartAsync();
        Assert.Equal(4, (await cluster.GetStatusAsync()).Groups.Count);
    }

    [Fact]
    public async Task A_node_whose_folder_was_deleted_is_refused()
    {
        await _temporary.StartAsync();
        await _temporary.StopAsync();
        Directory.Delete(Path.Combine(_temporary.Directory, "node-2"), recursive: true);
        var refused = await Assert.ThrowsAsync<FormationException>(() => _temporary.StartAsync());
        Assert.Contains("node-2", refused.Message, StringComparison.Ordinal);
        Assert.Contains("must not vote", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Folders_of_two_nodes_exchanged_are_refused()
    {
        await _temporary.StartAsync();
        await _temporary.StopAsync();
        string one = Path.Combine(_temporary.Directory, "node-1"), two = Path.Combine(_temporary.Directory, "node-2"),
            aside = Path.Combine(_temporary.Directory, "aside");
        Directory.Move(one, aside);
        Directory.Move(two, one);
        Directory.Move(aside, two);
        var refused = await Assert.ThrowsAsync<FormationException>(() => _temporary.StartAsync());
        Assert.Contains("another node", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_data_directory_in_use_is_refused()
    {
        await _temporary.StartAsync();
        var refused = await Assert.ThrowsAsync<DiskException>(() =>
            EmbeddedCluster.StartAsync(new EmbeddedOptions { DataDirectory = _temporary.Directory }));
        Assert.Equal(DiskFailure.InUse, refused.Failure);
    }

    [Fact]
    public async Task Bad_options_are_listed_all_at_once()
    {
        var refused = await Assert.ThrowsAsync<ArgumentException>(() =>
            EmbeddedCluster.StartAsync(new EmbeddedOptions { DataDirectory = "", Nodes = 0, Groups = 0 }));
        Assert.Contains("--data", refused.Message, StringComparison.Ordinal);
        Assert.Contains("--nodes", refused.Message, StringComparison.Ordinal);
        Assert.Contains("--groups", refused.Message, StringComparison.Ordinal);
    }

    private static async Task WaitUntilAppliedEverywhereAsync(EmbeddedCluster cluster)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!deadline.IsCancellationRequested)
        {
            ClusterStatus status = await cluster.GetStatusAsync();
            if (status.Groups.All(g => status.Replicas.Where(r => r.Group == g.Group).All(r => r.Applied == g.Commit)))
                return;
            await Task.Yield();
        }
        Assert.Fail("The replicas did not apply the same index within 30 s.");
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static async Task<string?> GetAsync(EmbeddedCluster cluster, string key,
        Consistency consistency = Consistency.Linearizable) =>
        await cluster.Client.GetAsync(Bytes(key), new ReadOptions(Consistency: consistency)) is { } value
            ? Encoding.UTF8.GetString(value.Span)
            : null;

    private static async Task<List<string>> ScanAsync(EmbeddedCluster cluster, string start, string end,
        ScanOptions options)
    {
        var keys = new List<string>();
        await foreach (KeyValueEntry row in cluster.Client.ScanAsync(Bytes(start), Bytes(end), options))
            keys.Add(Encoding.UTF8.GetString(row.Key.Span));
        return keys;
    }
}
