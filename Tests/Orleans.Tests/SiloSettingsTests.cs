using Microsoft.Extensions.Configuration;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Silo;

namespace Orleans.Raft.Orleans.Tests;

public sealed class SiloSettingsTests
{
    [Theory]
    [InlineData("--no-fsync", "true")]
    [InlineData("--no-fsync=true", "true")]
    [InlineData("--no-fsync=false", "false")]
    [InlineData("--verbose", null)]
    public void What_the_command_line_says_of_fsync_counts_whatever_it_is(string argument, string? expected)
    {
        var arguments = new SiloArguments();
        string? said = arguments.Read(arguments.Root.Parse([argument]))
            .FirstOrDefault(setting => setting.Key.EndsWith(":NoFsync", StringComparison.Ordinal)).Value;
        Assert.Equal(expected, said);
    }

    [Fact]
    public void A_name_is_enough()
    {
        SiloSettings settings = Read(out _, ("Name", "silo-2"))!;
        Assert.Equal("silo-2", settings.Name.Value);
        Assert.Equal(["silo-1", "silo-2", "silo-3"], settings.Nodes.Select(n => n.Value));
        Assert.Equal((11111, 30000), (settings.SiloPort, settings.GatewayPort));
        Assert.Equal((32 << 20, 32L << 20), (settings.LogSegmentBytes, settings.SnapshotLogBytes));
        Assert.True(settings.FlushToDisk);
        Assert.Equal((false, ""), (settings.Joins, settings.Zone));
        Assert.Equal(new ControllerOptions(), settings.Controller);
        Assert.Equal(Path.Combine("./data", "membership.json"), settings.Membership);
    }

    [Fact]
    public void A_silo_that_joins_has_a_name_of_its_own()
    {
        SiloSettings settings = Read(out _, ("Name", "silo-4"), ("Join", "true"), ("Zone", "rack 2"))!;
        Assert.Equal((true, "rack 2"), (settings.Joins, settings.Zone));
        Assert.DoesNotContain(settings.Name, settings.Nodes);
        Assert.Null(Read(out IReadOnlyList<string> problems, ("Name", "silo-3"), ("Join", "true")));
        Assert.StartsWith("OrleansRaft:Name (--name) is 'silo-3'; it must be another name than", problems[0]);
        Assert.Null(Read(out problems, ("Name", ""), ("Join", "true")));
        Assert.StartsWith("OrleansRaft:Name (--name) is ''; it must be another name than", problems[0]);
    }

    [Fact]
    public void How_the_cluster_looks_after_itself_is_set()
    {
        SiloSettings settings = Read(out _, ("Name", "silo-1"), ("Replicas", "5"), ("SplitSize", "8"), ("MergeSize", "4"),
            ("GoneAfter", "60"), ("Moves", "2"), ("NoBalance", "true"))!;
        PlacementOptions placement = settings.Controller.Placement;
        Assert.Equal((5, 8L << 20, 4L << 20, TimeSpan.FromMinutes(1), 2), (placement.ReplicaCount, placement.SplitBytes,
            placement.MergeBytes, placement.GoneAfter, placement.MaxMoves));
        Assert.False(settings.Controller.IsBalanceOn);
        Assert.Empty(settings.Controller.Validate());
        Assert.Null(Read(out IReadOnlyList<string> problems, ("Name", "silo-1"), ("MergeSize", "33")));
        Assert.Equal("OrleansRaft:MergeSize (--merge-size) is '33'; it must be at most half of SplitSize (--split-size).",
            Assert.Single(problems));
    }

    [Fact]
    public void Split_keys_may_hold_any_byte()
    {
        SiloSettings settings = Read(out _, ("Name", "silo-1"), ("SplitAt", @"\\,b,ä,\xff\x00"))!;
        Assert.Equal([[0x5c], [0x62], [0xc3, 0xa4], [0xff, 0x00]], settings.SplitKeys!);
    }

    [Theory]
    [InlineData("Name", "silo-9", "--name")]
    [InlineData("Name", "", "--name")]
    [InlineData("Nodes", "silo-1,silo-1", "--nodes")]
    [InlineData("Nodes", "silo-1,,silo-2", "--nodes")]
    [InlineData("SiloPort", "0", "--silo-port")]
    [InlineData("SiloPort", "70000", "--silo-port")]
    [InlineData("SiloPort", "x", "--silo-port")]
    [InlineData("GatewayPort", "11111", "--gateway-port")]
    [InlineData("Groups", "0", "--groups")]
    [InlineData("Groups", "many", "--groups")]
    [InlineData("SplitAt", "b,a", "--split-at")]
    [InlineData("SplitAt", @"a\q", "--split-at")]
    [InlineData("SplitAt", "", "--split-at")]
    [InlineData("Address", "some where", "--address")]
    [InlineData("Address", "", "--address")]
    [InlineData("ListenAny", "perhaps", "--listen-any")]
    [InlineData("HealthPort", "0", "--health-port")]
    [InlineData("HealthPort", "11111", "--health-port")]
    [InlineData("StopWithin", "0", "--stop-within")]
    [InlineData("Otlp", "collector:4318", "--otlp")]
    [InlineData("Clustering", "sqlite", "--clustering")]
    [InlineData("ClusterId", " ", "--cluster-id")]
    [InlineData("Membership", " ", "--membership")]
    [InlineData("Data", " ", "--data")]
    [InlineData("LogSegment", "0", "--log-segment")]
    [InlineData("LogSegment", "1025", "--log-segment")]
    [InlineData("SnapshotAfter", "0", "--snapshot-after")]
    [InlineData("NoFsync", "perhaps", "--no-fsync")]
    [InlineData("Join", "perhaps", "--join")]
    [InlineData("Replicas", "0", "--replicas")]
    [InlineData("Replicas", "10", "--replicas")]
    [InlineData("SplitSize", "0", "--split-size")]
    [InlineData("MergeSize", "-1", "--merge-size")]
    [InlineData("GoneAfter", "4", "--gone-after")]
    [InlineData("Moves", "0", "--moves")]
    [InlineData("NoBalance", "perhaps", "--no-balance")]
    [InlineData("Slots", "", "--slots")]
    [InlineData("Slots", "slots\0.json", "--slots")]
    [InlineData("Slots", "no/such/file.json", "--slots")]
    public void A_problem_names_key_value_and_rule(string key, string value, string argument)
    {
        Assert.Null(Read(out IReadOnlyList<string> problems, ("Name", "silo-1"), (key, value)));
        Assert.Contains(problems, p =>
            p.StartsWith($"OrleansRaft:{key} ({argument}) is '{value}'; it must be ", StringComparison.Ordinal));
    }

    [Fact]
    public void A_database_is_needed_where_silos_find_each_other_by_one()
    {
        Assert.Null(Read(out IReadOnlyList<string> problems, ("Name", "silo-1"), ("Clustering", "postgresql")));
        Assert.Contains("--database", Assert.Single(problems), StringComparison.Ordinal);
        SiloSettings settings = Read(out _, ("Name", "silo-1"), ("Clustering", "postgresql"), ("Database", "Host=db"))!;
        Assert.Equal("Host=db", settings.Database);
        // What is not used is not taken.
        Assert.Null(Read(out _, ("Name", "silo-1"), ("Database", "Host=db"))!.Database);
    }

    [Fact]
    public void All_problems_are_told_at_once()
    {
        Read(out IReadOnlyList<string> problems, ("Name", "nobody"), ("SiloPort", "x"), ("Groups", "3"),
            ("SplitAt", "a"));
        Assert.Equal(3, problems.Count);
    }

    private static SiloSettings? Read(out IReadOnlyList<string> problems, params (string Key, string Value)[] given)
    {
        var values = new Dictionary<string, string?>();
        foreach ((string key, string value) in given) values[$"{SiloSettings.Section}:{key}"] = value;
        return SiloSettings.Read(new ConfigurationBuilder().AddInMemoryCollection(values).Build(), out problems);
    }
}
