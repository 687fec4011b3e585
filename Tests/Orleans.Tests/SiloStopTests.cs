using System.Diagnostics;
using Orleans.Raft.Silo;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>A silo's process that cannot stop in order, because the file through which it would leave is locked by
/// another process.</summary>
public sealed class SiloStopTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("stop-").FullName;
    private readonly int _gatewayPort = FreePort();

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task A_second_signal_ends_it_at_once_but_not_an_echo_of_the_first()
    {
        using (ProgramProcess silo = Start())
        {
            await PutAsync(silo);
            using FileStream held = HoldMembership();
            long start = Stopwatch.GetTimestamp();
            await RaftTestCluster.WaitAsync("it has ended, as signals come again and again", () =>
            {
                silo.Terminate();
                return silo.HasEnded;
            });
            // What came within a second of the first was the first.
            Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromSeconds(1), TimeSpan.MaxValue);
            Assert.Equal((StopSignals.EndedAtOnce, "", "ERR Stop: a second signal came; ended at once. Nothing "
                + "acknowledged is lost.\n"), await silo.EndAsync());
        }
        await RequireKeptAsync();
    }

    [Fact]
    public async Task One_that_cannot_stop_ends_at_its_limit()
    {
        using (ProgramProcess silo = Start("--stop-within", "1"))
        {
            await PutAsync(silo);
            using FileStream held = HoldMembership();
            TimeSpan limit = TimeSpan.FromSeconds(1) + SiloRun.StopLimit;
            long start = Stopwatch.GetTimestamp();
            silo.Terminate();
            Assert.Equal((StopSignals.EndedAtOnce, "", $"ERR Stop: silo-1 did not stop within {limit.TotalSeconds} s; "
                + "ended at once. Nothing acknowledged is lost.\n"), await silo.EndAsync());
            Assert.InRange(Stopwatch.GetElapsedTime(start), limit, TimeSpan.MaxValue);
        }
        await RequireKeptAsync();
    }

    private async Task PutAsync(ProgramProcess silo)
    {
        Assert.Equal("ready silo-1", await silo.ReadLineAsync());
        Assert.Equal((0, "OK\n", ""), await KvAsync("put", "a", "kept"));
    }

    private async Task RequireKeptAsync()
    {
        using ProgramProcess silo = Start();
        Assert.Equal("ready silo-1", await silo.ReadLineAsync());
        Assert.Equal((0, "kept\n", ""), await KvAsync("get", "a"));
    }

    /// <summary>As another silo does while it writes.</summary>
    private FileStream HoldMembership() => new(Path.Combine(_directory, "membership.json.lock"), FileMode.OpenOrCreate,
        FileAccess.ReadWrite, FileShare.None);

    private ProgramProcess Start(params string[] more) => ProgramProcess.Start("Silo",
    [
        "--name", "silo-1", "--nodes", "silo-1", "--data", _directory, "--silo-port", $"{FreePort()}", "--gateway-port",
        $"{_gatewayPort}", .. more,
    ]);

    private Task<(int ExitCode, string Output, string Errors)> KvAsync(params string[] command) =>
        ProgramProcess.RunAsync("Client", ["--gateways", $"127.0.0.1:{_gatewayPort}", .. command]);
}
