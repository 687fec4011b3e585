using System.Text;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Spectre.Console;
using Xunit;

namespace Orleans.Raft.Shell.Tests;

/// <summary>Commands for the controller: what they send, print, and do when they are interrupted.</summary>
public sealed class ClusterCommandTests
{
    private readonly FakeCluster _cluster = new();
    private readonly ManualTime _time = new();

    public ClusterCommandTests() => _time.FireTimersOnceCreated();

    [Fact]
    public async Task Groups_print_fields_in_order_without_blanks()
    {
        Answer(_ => Done() with
        {
            Groups =
            [
                Group(7, "", "a b", new NodeName("silo a"), 12.345, null, ReplicaRole.Voter, ReplicaRole.Learner),
                Group(8, "a b", "\u00ff", null, 0, "it moves\n", ReplicaRole.Incoming, ReplicaRole.Outgoing),
            ],
        });
        Assert.Equal("""
            group g7 start= end=a\x20b bytes=5 leader=silo\x20a replicas=m,n/learner ops_per_s=12.3
            group g8 start=a\x20b end=ÿ bytes=5 leader= replicas=m/incoming,n/outgoing ops_per_s=0.0 operation=it\x20moves\n

            """, await RunAsync("groups", 0));
    }

    [Fact]
    public async Task Nodes_print_fields_in_order_without_blanks()
    {
        Answer(_ => Done() with
        {
            Nodes = [.. Enum.GetValues<NodeState>().Select(state =>
                new NodeOverview(new NodeName($"n {(int)state}"), (int)state == 1 ? "rack 1" : "", state, 3, 1, 99))],
        });
        Assert.Equal("""
            node n\x200 zone= state=up replicas=3 leaders=1 bytes=99
            node n\x201 zone=rack\x201 state=suspect replicas=3 leaders=1 bytes=99
            node n\x202 zone= state=gone replicas=3 leaders=1 bytes=99
            node n\x203 zone= state=draining replicas=3 leaders=1 bytes=99
            node n\x204 zone= state=removed replicas=3 leaders=1 bytes=99

            """, await RunAsync("nodes", 0));
    }

    [Fact]
    public async Task Balance_status_prints_a_line_for_each_reason()
    {
        Answer(_ => Done() with
        {
            Balance = new BalanceOverview(false, [@"g1: moves, as ""x\y"" is full"], ["second", "first\nof all"]),
        });
        Assert.Equal("""
            balance state=off
            under-way g1: moves, as "x\y" is full
            recent second
            recent first\nof all

            """, await RunAsync("balance status", 0));
    }

    [Theory]
    [InlineData("split 'a b'\\x00", "SplitRequest 61-20-62-00")]
    [InlineData("split (nil)", "SplitRequest 28-6E-69-6C-29")]
    [InlineData("merge g2 --with g3", "g2 g3 MergeGroupsRequest")]
    [InlineData("merge g1", "g1 g2 MergeGroupsRequest")]
    [InlineData("groups add 12", "16 GrowGroupsRequest")]
    [InlineData("groups add 12 --from 2", "14 GrowGroupsRequest")]
    [InlineData("move g4 'n 1' -- --n2", "g4 n 1 --n2 MoveReplicaRequest")]
    [InlineData("transfer g4 \\xc3\\xa9", "g4 é TransferLeaderRequest")]
    [InlineData("node drain n1", "n1 False DrainNodeRequest")]
    [InlineData("node drain n1 --undo", "n1 True DrainNodeRequest")]
    [InlineData("node remove n1", "n1 RemoveNodeRequest")]
    [InlineData("node replace n1", "n1 ReplaceNodeRequest")]
    [InlineData("balance on", "True SwitchBalanceRequest")]
    [InlineData("balance off", "False SwitchBalanceRequest")]
    public async Task A_command_sends_what_its_words_say(string line, string sent)
    {
        var requests = new List<string>();
        FakeController controller = _cluster.Controller;
        Answer(request =>
        {
            if (request is ListGroupsRequest) return controller.Answer(request);
            requests.Add(Describe(request));
            return Done();
        });
        Assert.Equal("OK\n", await RunAsync(line, 0));
        Assert.Equal(sent, Assert.Single(requests));
    }

    [Fact]
    public async Task Piped_steps_are_lines_each_handed_on_at_once()
    {
        var seen = new List<string>();
        using var output = new MemoryStream();
        string[] steps = ["one of two", "one of two", "two\nof two"];
        int asked = 0;
        Answer(_ =>
        {
            seen.Add(Encoding.UTF8.GetString(output.ToArray()));
            return asked < steps.Length ? UnderWay(steps[asked++]) : Done();
        });
        Assert.Equal(0, await Session().ExecuteAsync(["split", "k"], output));
        Assert.Equal("... one of two\n... two\\nof two\nOK\n", Encoding.UTF8.GetString(output.ToArray()));
        Assert.Equal(["", "... one of two\n", "... one of two\n", "... one of two\n... two\\nof two\n"], seen);
    }

    [Fact]
    public async Task Only_the_first_request_is_no_repeat()
    {
        var repeats = new List<bool>();
        Answer(request =>
        {
            repeats.Add(request.IsRepeat);
            return repeats.Count < 3 ? UnderWay("it") : Done();
        });
        Assert.Equal("... it\nOK\n", await RunAsync("balance on", 0));
        Assert.Equal([false, true, true], repeats);
    }

    [Fact]
    public async Task A_refusal_is_an_error_of_its_line_with_the_reason()
    {
        Answer(_ => new AdministrationAnswer(AdministrationStatus.Refused, "nowhere\nis left; add a node"));
        Assert.Equal("ERR Refused: line 1, node: nowhere\\nis left; add a node\n", await RunAsync("node drain n1", 1));
        Assert.Equal("ERR Refused: line 1, groups: nowhere\\nis left; add a node\n", await RunAsync("groups", 1));
    }

    [Fact]
    public async Task A_refusal_after_steps_is_the_end()
    {
        int asked = 0;
        Answer(_ => asked++ == 0 ? UnderWay("begun")
            : new AdministrationAnswer(AdministrationStatus.Refused, "no longer possible"));
        Assert.Equal("... begun\nERR Refused: line 1, split: no longer possible\n", await RunAsync("split k", 1));
    }

    [Fact]
    public async Task No_controller_is_an_error_that_says_so()
    {
        _cluster.Administration = _ => Task.FromException<AdministrationAnswer>(
            new UnavailableException("the meta group has no leader"));
        foreach (string line in new[] { "groups", "nodes", "balance status", "groups add 1", "merge g1" })
        {
            Assert.Equal($"ERR Unavailable: line 1, {line.Split(' ')[0]}: the meta group has no leader\n",
                await RunAsync(line, 1));
        }
    }

    [Theory]
    [InlineData("groups add 12", "groups add 12 --from 4")]
    [InlineData("merge g1", "merge g1 --with g2")]
    [InlineData("balance on", "balance on")]
    [InlineData("node add node-4", "node add node-4")]
    public async Task A_job_whose_answer_was_lost_says_how_to_see_it_through(string line, string again)
    {
        FakeController controller = _cluster.Controller;
        Task<AdministrationAnswer> lost = Task.FromException<AdministrationAnswer>(
            new UnavailableException("Nobody answered."));
        _cluster.Administration =
            request => request is ListGroupsRequest ? Task.FromResult(controller.Answer(request)) : lost;
        _cluster.BeforeAdd = () => lost;
        Assert.Equal($"ERR Unavailable: line 1, {line.Split(' ')[0]}: Nobody answered. Should the cluster have taken it "
            + $"on, it goes on with it; to see it through, repeat it, which is safe: {again}\n", await RunAsync(line, 1));
    }

    [Theory]
    [InlineData("groups add 1", "5 GrowGroupsRequest")]
    [InlineData("merge g1", "g1 g2 MergeGroupsRequest")]
    public async Task What_was_looked_up_once_is_asked_for_until_it_is_done_whatever_changes_meanwhile(
        string line, string sent)
    {
        var requests = new List<string>();
        FakeController controller = _cluster.Controller;
        Answer(request =>
        {
            if (request is ListGroupsRequest) return controller.Answer(request);
            requests.Add(Describe(request));
            // Done at once, but the answer is lost: from now on other groups are there.
            controller.StepsPerJob = 0;
            AdministrationAnswer answer = controller.Answer(request);
            return requests.Count < 3 ? UnderWay("it") : answer;
        });
        Assert.Equal("... it\nOK\n", await RunAsync(line, 0));
        Assert.Equal([sent, sent, sent], requests);
        Assert.Equal(line[0] == 'm' ? 3 : 5, controller.Groups.Count);
    }

    [Theory]
    [InlineData("groups add 12", "groups add 12 --from 4")]
    [InlineData("merge g1", "merge g1 --with g2")]
    [InlineData("split 'a \"b'", "split \"a \\\"b\"")]
    [InlineData("split '#\\'", "split \"#\\\\\"")]
    [InlineData("move g1 node-1 'node 2'", "move g1 node-1 \"node 2\"")]
    [InlineData("transfer g1 node-2", "transfer g1 node-2")]
    [InlineData("node drain node-1 --undo", "node drain node-1 --undo")]
    [InlineData("node add node-4", "node add node-4")]
    public async Task An_interrupted_job_says_what_to_repeat_and_the_session_goes_on(string line, string again)
    {
        using var stop = new CancellationTokenSource();
        FakeController controller = _cluster.Controller;
        // The attempt under way does not listen, and never ends.
        var never = new TaskCompletionSource<AdministrationAnswer>();
        _cluster.Administration = request =>
        {
            if (request is ListGroupsRequest) return Task.FromResult(controller.Answer(request));
            stop.Cancel();
            return never.Task;
        };
        _cluster.BeforeAdd = () =>
        {
            stop.Cancel();
            return never.Task;
        };
        using var output = new MemoryStream();
        var context = new ShellContext(_cluster, _cluster, _cluster, _cluster, Options(), new PlainOutput(output));
        var runner = new CommandRunner(context);
        await runner.RunAsync(where: null, () => Lexer.Split(Encoding.UTF8.GetBytes(line)), stop.Token);
        await runner.RunAsync(where: null, () => Lexer.Split("put k v"u8), CancellationToken.None);

        string[] printed = Encoding.UTF8.GetString(output.ToArray()).Split('\n');
        Assert.StartsWith($"ERR Canceled: {line.Split(' ')[0]}: no longer watched; the cluster goes on", printed[0]);
        Assert.EndsWith($"safe: {again}", printed[0]);
        Assert.Equal(["OK", ""], printed[1..]);
        Assert.Equal(1, runner.ExitCode);
        // It reads back as the same words.
        string[] words = [.. Lexer.Split(Encoding.UTF8.GetBytes(line)).Select(word => word.Quoted)];
        Assert.Equal(words,
            Lexer.Split(Encoding.UTF8.GetBytes(again)).Select(word => word.Quoted).Take(words.Length));
    }

    [Fact]
    public async Task A_step_told_after_the_interruption_is_not_printed()
    {
        using var stop = new CancellationTokenSource();
        var late = new TaskCompletionSource<AdministrationAnswer>();
        Task<AdministrationAnswer>? asked = null;
        _cluster.Administration = _ =>
        {
            stop.Cancel();
            return asked = late.Task;
        };
        using var output = new MemoryStream();
        Assert.Equal(1, await Session().ExecuteAsync(["balance", "on"], output, stop.Token));
        long length = output.Length;
        late.SetResult(UnderWay("too late"));
        await asked!;
        Assert.Equal(length, output.Length);
    }

    [Fact]
    public async Task A_reader_that_went_away_ends_the_command()
    {
        Answer(_ => UnderWay("for ever"));
        using var log = new StringWriter { NewLine = "\n" };
        var session = new ShellSession(_cluster, _cluster, _cluster, _cluster,
            new ShellOptions { TimeProvider = _time, Log = log });
        Assert.Equal(1, await session.ExecuteAsync(["balance", "on"], new NobodyReads()));
        Assert.Equal("standard output cannot be written: broken pipe\n", log.ToString());
    }

    [Fact]
    public async Task A_terminal_rewrites_one_line_and_keeps_none_of_it()
    {
        using var text = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = 24;
        var context = new ShellContext(_cluster, _cluster, _cluster, _cluster, Options(),
            new TerminalOutput(console, Stream.Null));
        string longStep = $"象[{new string('x', 60)}]";
        int asked = 0;
        Answer(_ => asked++ < 2 ? UnderWay(longStep) : Done());
        var runner = new CommandRunner(context);
        await runner.RunAsync(where: null, () => Lexer.Split("balance on"u8), CancellationToken.None);

        string shown = text.ToString().Replace("\r", "", StringComparison.Ordinal);
        Assert.Equal(0, runner.ExitCode);
        Assert.Contains("象[xxx", shown);
        Assert.DoesNotContain(new string('x', 18), shown);
        Assert.DoesNotContain("... ", shown);
        Assert.EndsWith("OK\n", shown.Replace("\e[0m", "", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("node", "node")]
    [InlineData("gro\t", "groups ")]
    [InlineData("groups a\t", "groups add ")]
    [InlineData("node d\t", "node drain ")]
    [InlineData("node re\t", "node re")]
    [InlineData("node rep\t", "node replace ")]
    [InlineData("balance o\t", "balance o")]
    [InlineData("bal\ts\t", "balance status ")]
    [InlineData("nod\t", "nod")]
    [InlineData("x y\t", "x y")]
    public void Words_of_a_command_are_completed(string keys, string line) =>
        Assert.Equal(line, new LineEditor(new ScriptedTerminal(keys + "\n")).ReadLine("> "));

    [Fact]
    public async Task Random_words_are_refused_or_reach_the_controller_as_they_stand()
    {
        const int Seed = 20;
        var random = new Random(Seed);
        string[] names = ["groups", "split", "merge", "move", "transfer", "nodes", "node", "balance"];
        string[] words = ["add", "drain", "remove", "on", "status", "g1", "g2", "g0", "g01", "12", "-1", "node-1",
            "\"a b\"", "''", "\\xff", "(nil)", "--", "--from", "--from=3", "--with", "--with=g3", "--undo", "'--undo'"];
        for (int round = 0; round < 3000; round++)
        {
            string line = string.Join(' ', Enumerable.Range(0, random.Next(4))
                .Select(_ => words[random.Next(words.Length)]).Prepend(names[random.Next(names.Length)]));
            AdministrationRequest? asked = null;
            FakeController controller = new FakeCluster().Controller;
            Answer(request =>
            {
                if (request is ListGroupsRequest or ListNodesRequest or BalanceStatusRequest)
                    return controller.Answer(request);
                asked = request;
                return Done();
            });
            using var output = new MemoryStream();
            int code = await Session().RunAsync(new MemoryStream(Encoding.UTF8.GetBytes(line + "\n")), output);
            string printed = Encoding.UTF8.GetString(output.ToArray());
            bool isError = printed.StartsWith("ERR ", StringComparison.Ordinal);
            Assert.True(isError == (code == 1) && !printed.Contains("ERR Internal", StringComparison.Ordinal),
                $"seed {Seed}, round {round}: {line} printed {printed}");
            // What is sent reads back at the other end; a name or group is one of the line's words.
            if (asked is null) continue;
            Assert.True(AdministrationCodec.TryDecodeRequest(AdministrationCodec.Encode(asked), out var read)
                && read == asked, $"seed {Seed}, round {round}: {line} sent {asked}");
            string[] meant = [.. Lexer.Split(Encoding.UTF8.GetBytes(line))
                .Select(word => Encoding.UTF8.GetString(word.Bytes.Span))];
            IEnumerable<string> sent = asked switch
            {
                MoveReplicaRequest move => [$"{move.Group}", $"{move.From}", $"{move.To}"],
                TransferLeaderRequest transfer => [$"{transfer.Group}", $"{transfer.Node}"],
                DrainNodeRequest drain => [$"{drain.Node}"],
                RemoveNodeRequest remove => [$"{remove.Node}"],
                _ => [],
            };
            Assert.All(sent, name => Assert.Contains(name, meant));
        }
    }

    private static GroupOverview Group(uint id, string start, string end, NodeName? leader, double rate,
        string? operation, params ReplicaRole[] roles) => new(
        new GroupDescriptor(new GroupId(id), Encoding.UTF8.GetBytes(start), Encoding.UTF8.GetBytes(end), 1, 1,
            [.. roles.Select((role, i) => new ReplicaPlacement(new ReplicaId((ulong)i + 1), new NodeName(i == 0 ? "m" : "n"),
                role))]),
        Bytes: 5, Keys: 1, leader, rate, operation);

    private static string Describe(AdministrationRequest request) => request switch
    {
        SplitRequest split => $"SplitRequest {BitConverter.ToString(split.Key.ToArray())}",
        MergeGroupsRequest merge => $"{merge.Left} {merge.Right} MergeGroupsRequest",
        GrowGroupsRequest grow => $"{grow.Target} GrowGroupsRequest",
        MoveReplicaRequest move => $"{move.Group} {move.From} {move.To} MoveReplicaRequest",
        TransferLeaderRequest transfer => $"{transfer.Group} {transfer.Node} TransferLeaderRequest",
        DrainNodeRequest drain => $"{drain.Node} {drain.Undo} DrainNodeRequest",
        RemoveNodeRequest remove => $"{remove.Node} RemoveNodeRequest",
        ReplaceNodeRequest replace => $"{replace.Node} ReplaceNodeRequest",
        SwitchBalanceRequest balance => $"{balance.On} SwitchBalanceRequest",
        _ => request.GetType().Name,
    };

    private static AdministrationAnswer Done() => new(AdministrationStatus.Done, "done");

    private static AdministrationAnswer UnderWay(string text) => new(AdministrationStatus.UnderWay, text);

    private void Answer(Func<AdministrationRequest, AdministrationAnswer> answer) =>
        _cluster.Administration = request => Task.FromResult(answer(request));

    private ShellOptions Options() => new() { TimeProvider = _time, Log = TextWriter.Null };

    private ShellSession Session() => new(_cluster, _cluster, _cluster, _cluster, Options());

    private async Task<string> RunAsync(string line, int expectedCode)
    {
        using var output = new MemoryStream();
        int code = await Session().RunAsync(new MemoryStream(Encoding.UTF8.GetBytes(line + "\n")), output);
        string text = Encoding.UTF8.GetString(output.ToArray());
        Assert.True(code == expectedCode, text);
        return text;
    }

    private sealed class NobodyReads : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("broken pipe");
    }
}
