using System.Text;
using Xunit;

namespace Orleans.Raft.Testing;

/// <summary>What the shell does, the same on every host. The tests are spread over several files by subject.</summary>
public abstract partial class ShellContract : ShellTests
{
    [Theory]
    [InlineData("fly", "UnknownCommand")]
    [InlineData("PUT k v", "UnknownCommand")]
    [InlineData("'' k", "UnknownCommand")]
    [InlineData("put k", "BadArgument")]
    [InlineData("put k v w", "BadArgument")]
    [InlineData("get", "BadArgument")]
    [InlineData("cas k v", "BadArgument")]
    [InlineData("scan a", "BadArgument")]
    [InlineData("status now", "BadArgument")]
    [InlineData("exit now", "BadArgument")]
    [InlineData("help fly", "UnknownCommand")]
    [InlineData("put k v --fast", "UnknownOption")]
    [InlineData("put k v --raw", "UnknownOption")]
    [InlineData("del k --consistency lease", "UnknownOption")]
    [InlineData("put k v --cf", "BadOption")]
    [InlineData("put k v --cf lock --cf lock", "BadOption")]
    [InlineData("get k --raw=yes", "BadOption")]
    [InlineData("put k v --cf rows", "UnknownFamily")]
    [InlineData("get k --consistency eventual", "BadOption")]
    [InlineData("scan '' '' --limit 0", "BadOption")]
    [InlineData("scan '' '' --limit -1", "BadOption")]
    [InlineData("scan '' '' --limit many", "BadOption")]
    [InlineData("scan '' '' --limit 99999999999", "BadOption")]
    [InlineData("put k 'v", "Syntax")]
    [InlineData("put k \"v", "Syntax")]
    [InlineData("put k v\\", "Syntax")]
    [InlineData("put k \\q", "Syntax")]
    [InlineData("put k \\x1", "Syntax")]
    [InlineData("put k \"\\x+1\"", "Syntax")]
    [InlineData("bench", "BadArgument")]
    [InlineData("bench scan", "BadArgument")]
    [InlineData("bench put --clients 0", "BadOption")]
    [InlineData("bench put --seconds 0", "BadOption")]
    [InlineData("bench put --seconds NaN", "BadOption")]
    [InlineData("bench put --value-bytes 1048577", "BadOption")]
    [InlineData("bench put --keys 0", "BadOption")]
    [InlineData("import /nowhere/at/all.tsv", "FileNotFound")]
    [InlineData("export /nowhere/at/all.tsv", "FileNotFound")]
    [InlineData("import ''", "BadArgument")]
    [InlineData("import \\xff", "BadArgument")]
    [InlineData("import f --format csv", "BadOption")]
    [InlineData("groups all", "BadArgument")]
    [InlineData("groups add", "BadArgument")]
    [InlineData("groups add 0", "BadArgument")]
    [InlineData("groups add -1", "BadArgument")]
    [InlineData("groups add 8193", "BadArgument")]
    [InlineData("groups add 1e3", "BadArgument")]
    [InlineData("groups drop 1", "BadArgument")]
    [InlineData("groups add 1 --from 0", "BadOption")]
    [InlineData("groups add 1 --from 8192", "BadArgument")]
    [InlineData("groups --from 3", "BadArgument")]
    [InlineData("split", "BadArgument")]
    [InlineData("split ''", "EmptyKey")]
    [InlineData("merge", "BadArgument")]
    [InlineData("merge 1", "BadArgument")]
    [InlineData("merge g01", "BadArgument")]
    [InlineData("merge G1", "BadArgument")]
    [InlineData("merge g4294967296", "BadArgument")]
    [InlineData("merge g1 g2", "BadArgument")]
    [InlineData("merge g1 --with 2", "BadArgument")]
    [InlineData("merge g1 --with g1", "BadOption")]
    [InlineData("move g1 node-1", "BadArgument")]
    [InlineData("move one node-1 node-2", "BadArgument")]
    [InlineData("move g1 '' node-2", "BadArgument")]
    [InlineData("move g1 node-1 \\xff", "BadArgument")]
    [InlineData("transfer g1", "BadArgument")]
    [InlineData("transfer '' node-1", "BadArgument")]
    [InlineData("nodes all", "BadArgument")]
    [InlineData("node", "BadArgument")]
    [InlineData("node drain", "BadArgument")]
    [InlineData("node drain ''", "BadArgument")]
    [InlineData("node stop node-1", "BadArgument")]
    [InlineData("node \\xff node-1", "BadArgument")]
    [InlineData("node remove node-1 --undo", "BadOption")]
    [InlineData("node drain node-1 --undo=yes", "BadOption")]
    [InlineData("balance", "BadArgument")]
    [InlineData("balance maybe", "BadArgument")]
    [InlineData("balance on --now", "UnknownOption")]
    public async Task Bad_input_gets_one_error_line_and_changes_nothing(string line, string code)
    {
        await ExpectErrorAsync(code, line);
        await ExpectAsync(["scan '' ''"], "(0 rows)");
    }

    [Fact]
    public async Task Errors_stand_in_order_and_name_line_and_column()
    {
        (string output, int exitCode) =
            await RunAsync("put k v", "# a comment", "", "get é 'v", "get k", "put k", "get k");
        string[] lines = output.Split('\n');
        Assert.Equal("OK", lines[0]);
        Assert.StartsWith("ERR Syntax: line 4, column 7: ", lines[1]);
        Assert.Equal("v", lines[2]);
        Assert.StartsWith("ERR BadArgument: line 6, put: ", lines[3]);
        Assert.Equal("v", lines[4]);
        Assert.Equal(1, exitCode);
    }

    [Fact]
    public Task Only_bare_words_are_options() => ExpectAsync(
        ["put '--cf' \"--raw\"", "get -- --cf", @"get \x2d-cf", "put k -- --", "get k", "put -- -k -v", "get -k"],
        "OK", "--raw", "--raw", "OK", "--", "OK", "-v");

    [Fact]
    public Task Comments_blank_lines_and_blanks_are_skipped() => ExpectAsync(
        ["# put k 1", "", " \t ", "  put\tk   'a b'\t", "get k", "  # get k", "put k #", "get k\r"], "OK", "a b", "OK",
            "#");

    [Fact]
    public Task Pieces_of_a_word_join() => ExpectAsync(
        [@"put k a'\n'""\n""b", "get k", @"put k 'it'\''s'", "get k", @"put k ""say \""hi\""""", "get k"],
        "OK", @"a\\n\nb", "OK", "it's", "OK", "say \"hi\"");

    [Fact]
    public Task Text_is_utf8_and_stays_readable() => ExpectAsync(
        ["put Å 'Côte d\\Ivoire 象'", "get Å", "get \\xc3\\x85"], "OK", "Côte d\\\\Ivoire 象", "Côte d\\\\Ivoire 象");

    [Fact]
    public async Task Bytes_that_are_not_utf8_pass_through_a_line()
    {
        (byte[] output, int exitCode) = await RunBytesAsync([.. "put k "u8, 0xff, 0xc3, .. "\nget k\n"u8]);
        Assert.Equal("OK\n\\xff\\xc3\n", Encoding.UTF8.GetString(output));
        Assert.Equal(0, exitCode);
    }

    [Fact]
    public async Task Exit_ends_the_session_and_keeps_its_code()
    {
        await ExpectAsync(["put k v", "exit", "get k"], "OK");
        (_, int exitCode) = await RunAsync("fly", "exit");
        Assert.Equal(1, exitCode);
    }

    [Fact]
    public async Task Nil_and_mismatch_are_no_failures()
    {
        (string output, int exitCode) = await RunAsync("get k", "cas k a b");
        Assert.Equal("(nil)\nMISMATCH (nil)\n", output);
        Assert.Equal(0, exitCode);
    }

    [Fact]
    public async Task Help_names_every_command()
    {
        (string output, int exitCode) = await RunAsync("help");
        string[] names = ["put", "append", "del", "get", "cas", "scan", "batch", "import", "export", "status",
            "groups", "split", "merge", "move", "transfer", "nodes", "node", "balance", "kill",
            "start", "isolate", "heal", "bench", "help", "exit"];
        Assert.All(names, name => Assert.Contains($"\n{name}", "\n" + output));
        foreach (string name in names)
        {
            (string help, int code) = await RunAsync($"help {name}");
            Assert.StartsWith(name, help);
            Assert.True(help.Split('\n').Length > 2 && code == 0, help);
        }
        Assert.Equal(0, exitCode);
    }

    [Fact]
    public async Task Program_arguments_are_words_with_escapes()
    {
        Assert.Equal(("OK\n", 0), await ExecuteAsync("put", "it's a key", @"a\tb\x00"));
        Assert.Equal(("a\\tb\\x00\n", 0), await ExecuteAsync("get", "it's a key"));
        Assert.Equal(("it's a key\ta\\tb\\x00\n(1 rows)\n", 0), await ExecuteAsync("scan", "", ""));
        Assert.Equal(("MISMATCH (nil)\n", 0), await ExecuteAsync("cas", "k", @"\x28nil)", "v"));
        Assert.Equal(("OK\n", 0), await ExecuteAsync("cas", "k", "(nil)", "v", "--cf", "lock"));
        (string output, int exitCode) = await ExecuteAsync("get", @"\q");
        Assert.StartsWith("ERR Syntax: column 1: ", output);
        Assert.Equal(1, exitCode);
    }
}
