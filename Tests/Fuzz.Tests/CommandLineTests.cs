using System.CommandLine;
using Orleans.Raft.CommandLine;
using Orleans.Raft.Fuzz;

namespace Orleans.Raft.Fuzz.Tests;

/// <summary>What every program refuses on its command line, and how.</summary>
public sealed class CommandLineTests
{
    [Theory]
    [InlineData("--count is given twice; give it once.", "--count", "1", "--count", "2")]
    [InlineData("--flag is given twice; give it once.", "--flag", "--flag")]
    [InlineData("--flag is given twice; give it once.", "--flag", "--flag=false")]
    [InlineData("--text is empty; give it a value or leave it out.", "--text", "")]
    [InlineData("--text is empty; give it a value or leave it out.", "--text=")]
    [InlineData("--text is empty; give it a value or leave it out.", "--text=", "next")]
    [InlineData("--flag is empty; give it a value or leave it out.", "--flag=")]
    [InlineData("--flag is 'yes'; it must be true or false.", "--flag=yes")]
    [InlineData("--text lacks its value: --falg comes next.", "--text", "--falg")]
    [InlineData("--count is '9'; it must be 1 to 8.", "--count", "9")]
    [InlineData("--count is '0'; it must be 1 to 8.", "--count=0")]
    [InlineData("--count is 'many'; it must be 1 to 8.", "--count", "many")]
    [InlineData("--count is '99999999999999999999'; it must be 1 to 8.", "--count", "99999999999999999999")]
    [InlineData("--part is 'NaN'; it must be 0.5 to 1.5.", "--part", "NaN")]
    [InlineData("--part is '1e300'; it must be 0.5 to 1.5.", "--part", "1e300")]
    [InlineData("--names is 'a,,b'; it must be a list with commas, nothing empty, nothing twice.", "--names", "a,,b")]
    [InlineData("--names is 'a,a'; it must be a list with commas, nothing empty, nothing twice.", "--names", "a,a")]
    [InlineData("--names: there is no c; there are a, b.", "--names", "a,c")]
    [InlineData("--kind: Argument 'z' not recognized. Must be one of: 'x' 'y'", "--kind", "z")]
    [InlineData("Unrecognized command or argument '--other'.", "--other")]
    [InlineData("Unrecognized command or argument '@other'.", "@other")]
    public async Task A_bad_option_is_refused_with_2_and_one_line(string line, params string[] arguments)
    {
        var ran = false;
        RootCommand root = Root();
        root.SetAction(_ => ran = true);
        using var errors = new StringWriter();
        using var printed = new StringWriter();
        Assert.Equal(2, await StrictCommandLine.RunAsync(root, arguments,
            new InvocationConfiguration { Error = errors, Output = printed }));
        Assert.Equal($"ERR BadOption: {line} See --help.{Environment.NewLine}", errors.ToString());
        Assert.Empty(printed.ToString());
        Assert.False(ran);
    }

    [Fact]
    public async Task Good_options_run_the_program_and_names_of_files_are_values()
    {
        RootCommand root = Root();
        root.SetAction(parsed => parsed.GetValue<string>("--text") == "@a" && parsed.GetValue<int>("--count") == 8
            && parsed.GetValue<bool>("--flag") ? 7 : 0);
        Assert.Equal(7, await StrictCommandLine.RunAsync(root, ["--text", "@a", "--flag", "--count=8"]));
    }

    private static RootCommand Root()
    {
        var kind = new Option<string>("--kind");
        kind.AcceptOnlyFromAmong("x", "y");
        return new RootCommand
        {
            StrictCommandLine.Number("--count", 3, 1, 8, "How many."),
            StrictCommandLine.Number("--part", 0.5, 1.5, "How much."),
            StrictCommandLine.List("--names", "Who.", ["a", "b"]),
            new Option<string>("--text"),
            new Option<bool>("--flag"),
            kind,
        };
    }
}
