using System.Text.Json;
using System.Text.RegularExpressions;
using Orleans.Raft.KeyValue;
using Xunit;

namespace Orleans.Raft.Testing;

public abstract partial class ShellContract
{
    [Fact]
    public async Task Status_prints_one_line_per_item()
    {
        ClusterStatus status = await Host.Administration.GetStatusAsync();
        (string output, int exitCode) = await RunAsync("status");
        string[] lines = output.TrimEnd('\n').Split('\n');
        Assert.Equal(0, exitCode);
        Assert.Equal(status.Groups.Count, Count(@"^group g\d+ start=\S* end=\S* leader=\S* term=\d+ commit=\d+$"));
        Assert.Equal(status.Replicas.Count, Count(
            @"^replica g\d+ \S+ role=[a-z-]+ term=\d+ commit=\d+ applied=\d+( reason=\S+)?$"));
        Assert.Equal(status.Nodes.Count, Count(
            @"^node \S+ state=(up|down) log_bytes=\d+ snapshots=\d+ memory_bytes=\d+( problem=\S+)?$"));
        Assert.Equal(status.Groups.Count + status.Replicas.Count + status.Nodes.Count, lines.Length);

        int Count(string pattern) => lines.Count(line => Regex.IsMatch(line, pattern));
    }

    [Fact]
    public async Task Commands_succeed_while_a_minority_is_killed_and_after_it_returns()
    {
        if (Host.Faults is null) return; // Such a host's answer is tested below.
        string[] keys = await KeyPerGroupAsync();
        string[] nodes = await NodesAsync();
        string[] minority = nodes[..((nodes.Length - 1) / 2)];
        await ExpectAsync([.. keys.Select(key => $"put '{key}' before")], [.. keys.Select(_ => "OK")]);

        await ExpectAsync([.. minority.Select(node => $"kill {node}")], [.. minority.Select(_ => "OK")]);
        Assert.Contains($"node {minority[0]} state=down ", (await RunAsync("status")).Output);
        await ExpectAsync([.. keys.Select(key => $"append '{key}' -during")], [.. keys.Select(_ => "OK")]);
        await ExpectAsync([.. keys.Select(key => $"get '{key}'")], [.. keys.Select(_ => "before-during")]);

        await ExpectAsync([.. minority.Select(node => $"start {node}")], [.. minority.Select(_ => "OK")]);
        await ExpectAsync([.. keys.Select(key => $"get '{key}'")], [.. keys.Select(_ => "before-during")]);
        Assert.Contains($"node {minority[0]} state=up ", (await RunAsync("status")).Output);
    }

    [Fact]
    public async Task Commands_succeed_while_a_minority_is_isolated_and_after_healing()
    {
        if (Host.Faults is null) return; // Such a host's answer is tested below.
        string[] keys = await KeyPerGroupAsync();
        string[] nodes = await NodesAsync();
        string[] minority = nodes[^((nodes.Length - 1) / 2)..];
        await ExpectAsync([.. minority.Select(node => $"isolate {node}")], [.. minority.Select(_ => "OK")]);
        await ExpectAsync([.. keys.Select(key => $"put '{key}' v")], [.. keys.Select(_ => "OK")]);
        await ExpectAsync(["heal", .. keys.Select(key => $"get '{key}'")], ["OK", .. keys.Select(_ => "v")]);
    }

    [Fact]
    public async Task Commands_fail_by_their_deadline_while_no_majority_lives()
    {
        if (Host.Faults is null) return; // Such a host's answer is tested below.
        string[] nodes = await NodesAsync();
        string[] majority = nodes[..((nodes.Length / 2) + 1)];
        await ExpectAsync(["put k v", .. majority.Select(node => $"kill {node}")],
            ["OK", .. majority.Select(_ => "OK")]);

        (string output, int exitCode) = await RunAsync("put other v", "get k", "scan '' ''");
        Assert.Matches(
            @"\AERR (Unavailable|OutcomeUnknown): [^\n]+\nERR Unavailable: [^\n]+\nERR Unavailable: [^\n]+\n\z",
            output);
        Assert.Equal(1, exitCode);

        await ExpectAsync([.. majority.Select(node => $"start {node}"), "get k"], [.. majority.Select(_ => "OK"), "v"]);
    }

    [Theory]
    [InlineData("kill")]
    [InlineData("start")]
    [InlineData("isolate")]
    public async Task An_unknown_node_is_refused_by_name(string command)
    {
        if (Host.Faults is null)
        {
            await ExpectErrorAsync("Unsupported", $"{command} {(await NodesAsync())[0]}");
            await ExpectErrorAsync("Unsupported", "heal");
            return;
        }
        string output = await ExpectErrorAsync("UnknownNode", $"{command} 'node 99'");
        Assert.Contains("'node 99'", output);
        Assert.Contains((await NodesAsync())[0], output);
        Assert.Equal((await NodesAsync()).Length, (await RunAsync("status")).Output.Split(" state=up ").Length - 1);
    }

    [Theory]
    [InlineData("put", "lease")]
    [InlineData("get", "lease")]
    [InlineData("mixed", "linearizable")]
    public async Task Bench_reports_json_on_one_line(string kind, string consistency)
    {
        (string output, int exitCode) = await RunAsync(
            $"bench {kind} --clients 4 --seconds 0.3 --value-bytes 16 --keys 200 --consistency {consistency} --json");
        Assert.Equal(0, exitCode);
        Assert.Equal(output.Length - 1, output.IndexOf('\n'));
        using JsonDocument json = JsonDocument.Parse(output);
        JsonElement root = json.RootElement;
        double p50 = root.GetProperty("p50_ms").GetDouble();
        double p99 = root.GetProperty("p99_ms").GetDouble();
        double p999 = root.GetProperty("p999_ms").GetDouble();
        // Also what ended after the measured time counts here.
        Assert.True(p50 <= p99 && p99 <= p999 && p999 > 0, output);
        Assert.Equal(0, root.GetProperty("errors").GetInt64());
        long operations = root.GetProperty("operations").GetInt64();
        Assert.Equal(operations / 0.3, root.GetProperty("ops_per_s").GetDouble(), tolerance: 0.1);
        JsonProperty[] groups = [.. root.GetProperty("groups").EnumerateObject()];
        Assert.Equal(operations, groups.Sum(group => group.Value.GetInt64()));
        Assert.Equal((await Host.Administration.GetStatusAsync()).Groups.Count, groups.Length);
    }

    [Fact]
    public async Task Bench_reports_text_with_operations_per_group()
    {
        (string output, int exitCode) = await RunAsync("bench put --clients 2 --seconds 0.2 --value-bytes 4 --keys 94");
        Assert.Equal(0, exitCode);
        Assert.Matches(@"\Aput \d+ ops/s \(\d+ operations in 0.2 s, 2 clients, 4-byte values, 94 keys\)\n" +
            @"latency p50 [\d.]+ ms, p99 [\d.]+ ms, p99.9 [\d.]+ ms\nerrors 0\n(group g\d+ \d+ operations\n)+\z",
            output);
    }
}
