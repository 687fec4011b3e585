using System.Diagnostics;
using Orleans.Raft.Ledger;
using Orleans.Raft.Processes;
using Xunit.Abstractions;

namespace Orleans.Raft.Embedded.Tests;

/// <summary>The embedded host as its user starts it: a process, options, standard streams.</summary>
public sealed class ProcessTests(ITestOutputHelper output) : IDisposable
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "Orleans.Raft.Embedded.dll");

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly string _directory = Directory.CreateTempSubdirectory("process-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task No_acknowledged_write_is_lost_over_five_kills()
    {
        const ulong Seed = 5;
        await using var host = new EmbeddedHost(_directory);
        LedgerResult result = await new LedgerRun(host, new LedgerBook(Seed), kills: 5, acknowledgements: 3000,
            output.WriteLine).RunAsync();
        output.WriteLine($"seed {Seed}: {result.Acknowledged} acknowledged of {result.Written} written over "
            + $"{result.Kills} kills");
        Assert.Empty(result.Lost);
        Assert.Equal(5, result.Recoveries.Count);
        Assert.True(result.Acknowledged >= 3000, $"only {result.Acknowledged} writes were acknowledged");
    }

    /// <summary>Whoever ends a ledger by force must not be left with the processes it started.</summary>
    [Fact]
    public async Task A_killed_ledger_takes_the_store_it_started_with_it()
    {
        string ledger = typeof(LedgerRun).Assembly.Location;
        string[] command = [ledger, "--kills", "1", "--acks", "1000000", "--data", _directory];
        var start = new ProcessStartInfo("dotnet", command) { RedirectStandardOutput = true };
        LifeLine.Tie(start);
        using Process process = Process.Start(start)!;
        try
        {
            string last = Path.Combine(_directory, "node-3");
            await WaitUntilAsync("the ledger's store runs", () => Directory.Exists(last) && !IsFree());
            // The ledger does not read its input; the hook does, and kills it.
            process.StandardInput.Close();
            await process.WaitForExitAsync().WaitAsync(Deadline);
            await WaitUntilAsync("the store's process has ended", IsFree);
        }
        finally
        {
            process.Kill(entireProcessTree: true);
        }

        bool IsFree() => Run("exit\n").ExitCode == 0;
    }

    private static async Task WaitUntilAsync(string what, Func<bool> condition)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(watch.Elapsed < Deadline, $"not within {Deadline.TotalSeconds} s: {what}");
            await Task.Delay(TimeSpan.FromMilliseconds(50));
        }
    }

    [Theory]
    [InlineData("--nodes", "0")]
    [InlineData("--nodes", "many")]
    [InlineData("--groups", "-1")]
    [InlineData("--split-at", "b,a")]
    [InlineData("--split-at", "a\\q")]
    [InlineData("--nonsense", "1")]
    public void Bad_options_exit_with_2_and_one_line_of_reason(params string[] arguments)
    {
        (int exitCode, string printed, string errors) = Run("", arguments);
        Assert.Equal(2, exitCode);
        Assert.Empty(printed);
        Assert.StartsWith("ERR ", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Fewer_than_three_nodes_warn()
    {
        (int exitCode, string printed, string errors) = Run("put a 1\nget a\n", "--nodes", "1");
        Assert.Equal(0, exitCode);
        Assert.Equal("OK\n1\n", printed);
        Assert.Contains("Warning: with 1 node", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void No_fsync_warns_of_what_it_risks()
    {
        (int exitCode, _, string errors) = Run("put a 1\n", "--no-fsync");
        Assert.Equal(0, exitCode);
        Assert.Contains("power failure", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failed_command_makes_the_exit_code_1()
    {
        (int exitCode, string printed, _) = Run("nonsense\nput a 1\n");
        Assert.Equal(1, exitCode);
        Assert.StartsWith("ERR UnknownCommand", printed, StringComparison.Ordinal);
        Assert.EndsWith("OK\n", printed, StringComparison.Ordinal);
    }

    private (int ExitCode, string Output, string Errors) Run(string input, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Program, "--data", _directory, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        string printed = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, printed, errors.Result);
    }
}
