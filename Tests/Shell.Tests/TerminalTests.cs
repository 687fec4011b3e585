using System.Text;
using Spectre.Console;
using Xunit;

namespace Orleans.Raft.Shell.Tests;

public sealed class TerminalTests
{
    private const char Up = '\u2191';
    private const char Down = '\u2193';
    private const char Left = '\u2190';
    private const char Right = '\u2192';
    private const char Home = '\u21e4';
    private const char End = '\u21e5';
    private const char Delete = '\u2326';

    [Theory]
    [InlineData("get k\n", "get k")]
    [InlineData("gt\u2190e\n", "get")]
    [InlineData("abc\b\bx\n", "ax")]
    [InlineData("bc\u21e4a\u21e5d\n", "abcd")]
    [InlineData("abc\u21e4\u2326\n", "bc")]
    [InlineData("abc\u2190\u2190\u000b\n", "a")]
    [InlineData("abc\u2190\u0015\n", "c")]
    [InlineData("put one two \u0017x\n", "put one x")]
    [InlineData("a🐘\bb\n", "ab")]
    [InlineData("🐘\u2190x\n", "x🐘")]
    [InlineData("🐘b\u21e4\u2192\u2326\n", "🐘")]
    [InlineData("abc\u0003x\n", "x")]
    [InlineData("sta\u2191\n", "sta")]
    [InlineData("stat\t\n", "status ")]
    [InlineData("sta\t\n", "sta")]
    [InlineData("\u0004", null)]
    [InlineData("ab\u21e4\u0004\n", "b")]
    public void Keys_edit_the_line(string keys, string? line) =>
        Assert.Equal(line, new LineEditor(new ScriptedTerminal(keys)).ReadLine("> "));

    [Fact]
    public void History_goes_back_and_forth_and_keeps_the_unfinished_line()
    {
        var terminal = new ScriptedTerminal($"one\ntwo\ntwo\n \nnew{Up}{Up}{Up}{Down}{Down}!\n{Up}{Up}?\n");
        var editor = new LineEditor(terminal);
        Assert.Equal(["one", "two", "two", " ", "new!", "two?"],
            Enumerable.Range(0, 6).Select(_ => editor.ReadLine("> ")));
        Assert.False(terminal.IsEditing);
    }

    [Fact]
    public void The_screen_shows_the_line_and_the_cursor()
    {
        const int Seed = 3;
        var random = new Random(Seed);
        const string Keys = "ab cé象🐘\b\u2190\u2192\u21e4\u21e5\u2326";
        for (int round = 0; round < 100; round++)
        {
            var keys = new StringBuilder();
            foreach (Rune rune in Enumerable.Range(0, 40).Select(_ =>
                Keys.EnumerateRunes().ElementAt(random.Next(12)))) keys.Append(rune);
            var terminal = new ScriptedTerminal(keys.Append('\n').ToString(), width: 200);
            string? line = new LineEditor(terminal).ReadLine("> ");
            Assert.True("> " + line == terminal.Row, $"seed {Seed}, round {round}: {line} is shown as {terminal.Row}");
        }
    }

    [Fact]
    public void A_line_wider_than_the_terminal_scrolls()
    {
        var terminal = new ScriptedTerminal("abcdefghijklmnop\n", width: 12);
        Assert.Equal("abcdefghijklmnop", new LineEditor(terminal).ReadLine("> "));
        Assert.Equal("> hijklmnop", terminal.Row);
        terminal = new ScriptedTerminal($"象象象象象象{Left}{Left}{Left}{Left}{Left}{Left}{Right}{End}{Home}{Delete}\n",
            width: 10);
        Assert.Equal("象象象象象", new LineEditor(terminal).ReadLine("> "));
        Assert.Equal("> 象象象", terminal.Row);
    }

    [Fact]
    public async Task Terminal_lines_are_coloured_and_not_wrapped()
    {
        using var text = new StringWriter();
        using var raw = new MemoryStream();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.Standard,
            Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = 20;
        var output = new TerminalOutput(console, raw);
        string value = new('v', 100);
        output.Row("[k]"u8, Encoding.UTF8.GetBytes(value));
        output.Error("Code", "what");
        output.Raw([0xff]);
        await output.WithProgressAsync("[title]", progress =>
        {
            progress.Report(0.5, "[half]");
            progress.Report(null, "unknown");
            return Task.CompletedTask;
        });
        Assert.Contains($"[k]\e[0m\t{value}", text.ToString().Replace("\r", "", StringComparison.Ordinal));
        Assert.Matches("\e\\[[0-9;]+mERR Code: what\e\\[0m", text.ToString());
        Assert.Equal([0xff], raw.ToArray());
    }

    [Fact]
    public async Task A_session_on_a_terminal_runs_until_its_lines_end()
    {
        var cluster = new FakeCluster();
        using var output = new MemoryStream();
        var options = new ShellOptions();
        var runner = new CommandRunner(new ShellContext(cluster, cluster, cluster, cluster, options,
            new PlainOutput(output)));
        var lines = new LineEditor(new ScriptedTerminal($"put k 'v\nput k v\n{Up}\b2\nget k\n\u0004"));
        Assert.Equal(1, await new InteractiveLoop(runner, lines, options).RunAsync(default));
        string[] printed = Encoding.UTF8.GetString(output.ToArray()).Split('\n');
        Assert.StartsWith("ERR Syntax: column 7: ", printed[0]);
        Assert.Equal(["OK", "OK", "2", ""], printed[1..]);
    }
}
