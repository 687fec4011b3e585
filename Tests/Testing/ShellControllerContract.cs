using System.Text.RegularExpressions;
using Xunit;

namespace Orleans.Raft.Testing;

/// <summary>What the shell makes of the cluster's controller, the same on every host. Each test has a cluster of its
/// own, of three nodes and four groups or more.</summary>
public abstract class ShellControllerContract : ShellTests
{
    [Fact]
    public async Task Groups_and_nodes_print_one_line_per_item()
    {
        string[] keys = await KeyPerGroupAsync();
        await ExpectAsync([.. keys.Select(key => $"put '{key}' {new string('v', 100)}")], [.. keys.Select(_ => "OK")]);
        string[] groups = await LinesAsync("groups");
        string[] nodes = await LinesAsync("nodes");
        Assert.Equal(keys.Length, groups.Length);
        Assert.All(groups, line => Assert.Matches(
            @"^group g\d+ start=\S* end=\S* bytes=\d+ leader=\S* replicas=\S+ "
                + @"ops_per_s=\d+\.\d( operation=\S+)?$", line));
        Assert.StartsWith("start= ", groups[0][(groups[0].IndexOf(' ', 6) + 1)..]);
        for (int i = 1; i < groups.Length; i++) Assert.Equal(Field(groups[i - 1], "end"), Field(groups[i], "start"));
        Assert.Equal("", Field(groups[^1], "end"));
        Assert.All(groups, line => Assert.Equal(3, Field(line, "replicas").Split(',').Distinct().Count()));

        Assert.Equal(await NodesAsync(), nodes.Select(line => line.Split(' ')[1]));
        Assert.All(nodes, line => Assert.Matches(
            @"^node \S+ zone=\S* state=(up|suspect|gone|draining|removed) replicas=\d+ leaders=\d+ bytes=\d+$", line));
        Assert.Equal(3 * groups.Length, nodes.Sum(line => int.Parse(Field(line, "replicas"))));
    }

    [Fact]
    public async Task A_leader_moves_when_told_and_stays_while_balance_is_off()
    {
        await RunJobAsync("balance off");
        Assert.Equal("balance state=off", (await LinesAsync("balance status"))[0]);
        string group = (await LinesAsync("groups"))[0];
        string name = group.Split(' ')[1];
        string other = Field(group, "replicas").Split(',').First(node => node != Field(group, "leader"));
        await RunJobAsync($"transfer {name} {other}");
        Assert.Equal(other, Field((await LinesAsync("groups"))[0], "leader"));
        await RunJobAsync($"transfer {name} {other}");
        await RunJobAsync("balance on");
        Assert.Equal("balance state=on", (await LinesAsync("balance status"))[0]);
    }

    [Theory]
    [InlineData("split AGAIN")]
    [InlineData("transfer g4000 FIRST")]
    [InlineData("transfer g1 nobody")]
    [InlineData("move g4000 FIRST FIRST")]
    [InlineData("move g1 FIRST FIRST")]
    [InlineData("move g1 FIRST nobody")]
    [InlineData("move g1 nobody FIRST")]
    [InlineData("node drain nobody")]
    [InlineData("node remove nobody")]
    [InlineData("node replace nobody")]
    [InlineData("node drain FIRST")]
    [InlineData("node remove FIRST")]
    public async Task A_wrong_use_is_refused_with_the_reason(string line)
    {
        string[] groups = await LinesAsync("groups");
        string first = (await NodesAsync())[0];
        string boundary = Field(groups[1], "start");
        string[] nodes = await StatesAsync();

        string output = await ExpectErrorAsync("Refused", line.Replace("FIRST", first, StringComparison.Ordinal)
            .Replace("AGAIN", boundary, StringComparison.Ordinal));

        Assert.True(output.Split(' ').Length > 6, output);
        Assert.Equal(groups.Select(Place), (await LinesAsync("groups")).Select(Place));
        Assert.Equal(nodes, await StatesAsync());

        static string Place(string group) => group[..group.IndexOf(" bytes=", StringComparison.Ordinal)]
            + Field(group, "replicas");
    }

    [Fact]
    public async Task A_node_joins_takes_replicas_is_emptied_and_goes()
    {
        if (Host.Nodes is null)
        {
            Assert.Contains("joins", await ExpectErrorAsync("Unsupported", "node add node-4"));
            return;
        }
        await RunJobAsync("balance off");
        await RunJobAsync("node add node-4");
        await RunJobAsync("node add node-4");
        Assert.Contains("node-4", await NodesAsync());
        string group = (await LinesAsync("groups"))[0];
        string from = Field(group, "replicas").Split(',')[0];
        await RunJobAsync($"move {group.Split(' ')[1]} {from} node-4");
        string moved = Field((await LinesAsync("groups"))[0], "replicas");
        Assert.Contains("node-4", moved);
        Assert.DoesNotContain(from, moved);

        await RunJobAsync("node drain node-4");
        Assert.Contains("state=draining replicas=0 ", await NodeLineAsync("node-4"));
        await RunJobAsync("node drain node-4 --undo");
        Assert.Contains("state=up replicas=0 ", await NodeLineAsync("node-4"));
        await RunJobAsync("node remove node-4");
        Assert.All(await LinesAsync("nodes"), line =>
            Assert.True(!line.StartsWith("node node-4 ", StringComparison.Ordinal)
                || Field(line, "state") == "removed", line));
    }

    [Fact]
    public async Task Commands_are_given_as_a_programs_arguments_too()
    {
        (string output, int exitCode) = await ExecuteAsync("groups");
        Assert.Equal((await LinesAsync("groups")).Length, output.TrimEnd('\n').Split('\n').Length);
        Assert.Equal(0, exitCode);
        (output, exitCode) = await ExecuteAsync("balance", "on");
        Assert.Matches($@"\A{Steps}OK\n\z", output);
        Assert.Equal(0, exitCode);
        (output, exitCode) = await ExecuteAsync("transfer", "g1", "nobody");
        Assert.StartsWith("ERR Refused: ", output);
        Assert.Equal(1, exitCode);
    }

    private async Task<string> NodeLineAsync(string node) =>
        Assert.Single(await LinesAsync("nodes"), line => line.StartsWith($"node {node} ", StringComparison.Ordinal));

    private async Task<string[]> StatesAsync() =>
        [.. (await LinesAsync("nodes")).Select(line => Field(line, "state"))];
}

/// <summary>What the shell makes of splits, the same on every host. Each test has a cluster of its own.</summary>
public abstract class ShellSplitContract : ShellTests
{
    [Fact]
    public async Task A_group_is_split_at_a_key_and_more_are_added()
    {
        string[] keys = [.. Enumerable.Range(0, 64).Select(number => $"{(char)('!' + number)}k")];
        await ExpectAsync([.. keys.Select(key => $"put \"{Typed(key)}\" v")], [.. keys.Select(_ => "OK")]);
        int count = (await LinesAsync("groups")).Length;

        await RunJobAsync("split 'Q\\x'");
        Assert.Single(await LinesAsync("groups"), line => Field(line, "start") == @"Q\\x");
        await ExpectErrorAsync("Refused", "split 'Q\\x'");
        Assert.Equal(count + 1, (await LinesAsync("groups")).Length);

        await RunJobAsync("groups add 3");
        Assert.Equal(count + 4, (await LinesAsync("groups")).Length);
        await RunJobAsync($"groups add 3 --from {count + 1}");
        Assert.Equal(count + 4, (await LinesAsync("groups")).Length);
        Assert.EndsWith($"\n({keys.Length} rows)\n", (await RunAsync("scan '' ''")).Output);
    }

    private static string Typed(string key) => key.Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal);
}

/// <summary>What the shell makes of merges, the same on every host. Each test has a cluster of its own, of four groups or
/// more.</summary>
public abstract class ShellMergeContract : ShellTests
{
    [Fact]
    public async Task A_merge_names_its_neighbour_or_why_there_is_none()
    {
        string last = (await LinesAsync("groups"))[^1].Split(' ')[1];
        await ExpectErrorAsync("NoNeighbour", $"merge {last}");
        await ExpectErrorAsync("UnknownGroup", "merge g4000");
    }

    [Fact]
    public async Task Two_neighbours_become_one_group()
    {
        string[] before = await LinesAsync("groups");
        string left = before[1].Split(' ')[1];
        string right = before[2].Split(' ')[1];
        await RunJobAsync($"merge {left}");
        string[] after = await LinesAsync("groups");
        Assert.Equal(before.Length - 1, after.Length);
        Assert.Equal((Field(before[1], "start"), Field(before[2], "end")),
            (Field(after[1], "start"), Field(after[1], "end")));
        Assert.Contains(after[1].Split(' ')[1], new[] { left, right });
        // Repeated, as after an answer that got lost, it takes in no third group.
        await RunJobAsync($"merge {left} --with {right}");
        Assert.Equal(after.Length, (await LinesAsync("groups")).Length);
    }

    [Fact]
    public async Task Groups_that_are_no_neighbours_are_refused()
    {
        string[] names = [.. (await LinesAsync("groups")).Select(line => line.Split(' ')[1])];
        await ExpectErrorAsync("Refused", $"merge {names[0]} --with {names[2]}");
        await ExpectErrorAsync("Refused", $"merge {names[0]} --with g4000");
        await ExpectErrorAsync("Refused", $"merge {names[1]} --with {names[0]}");
        Assert.Equal(names, (await LinesAsync("groups")).Select(line => line.Split(' ')[1]));
    }

    [Fact]
    public async Task What_the_groups_held_is_found_as_before()
    {
        string[] printed = await KeyPerGroupAsync();
        await ExpectAsync([.. printed.Select(key => $"put '{key}' v")], [.. printed.Select(_ => "OK")]);
        string[] groups = await LinesAsync("groups");
        while (groups.Length > 1)
        {
            await RunJobAsync($"merge {groups[0].Split(' ')[1]}");
            Assert.EndsWith($"\n({printed.Length} rows)\n", (await RunAsync("scan '' ''")).Output);
            Assert.EndsWith($"\n({printed.Length} rows)\n", (await RunAsync("scan --reverse '' ''")).Output);
            groups = await LinesAsync("groups");
        }
        Assert.Equal(("", ""), (Field(groups[0], "start"), Field(groups[0], "end")));
        foreach (string key in printed) await ExpectAsync([$"get '{key}'"], ["v"]);
        await RunJobAsync("split m");
        Assert.Equal(2, (await LinesAsync("groups")).Length);
    }
}
