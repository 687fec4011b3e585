
namespace Orleans.Raft.Orleans.Tests;

/// <summary>The silo and the kv tool as processes.</summary>
public sealed class SiloProcessTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("silo-").FullName;
    private readonly int _siloPort = FreePort();
    private readonly int _gatewayPort = FreePort();

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task A_silo_keeps_its_data_over_a_kill_and_refuses_another_clusters_nodes()
    {
        using (ProgramProcess silo = ProgramProcess.Start("Silo", Arguments("silo-1")))
        {
            Assert.Equal("ready silo-1", await silo.ReadLineAsync());
            Assert.Equal((0, "OK\n", ""), await KvAsync("put", "a", "1 2"));
            silo.Kill();
        }
        Assert.Equal(2, (await KvAsync("get", "a")).ExitCode);
        using (ProgramProcess silo = ProgramProcess.Start("Silo", Arguments("silo-1")))
        {
            Assert.Equal("ready silo-1", await silo.ReadLineAsync());
            Assert.Equal((0, "1 2\n", ""), await KvAsync("get", "a"));
            Assert.Equal((0, "OK\n", ""), await KvAsync("put", "--cf", "lock", "a", "3"));
            (int code, _, string errors) = await ProgramProcess.RunAsync("Silo", Arguments("silo-1"));
            Assert.Equal(2, code);
            Assert.StartsWith("ERR PortInUse: OrleansRaft:SiloPort (--silo-port) is ", errors,
                StringComparison.Ordinal);
            // Another silo of its name, wherever its data is.
            (code, _, errors) = await ProgramProcess.RunAsync("Silo", "--name", "silo-1", "--nodes", "silo-1", "--data",
                Path.Combine(_directory, "other"), "--membership", Path.Combine(_directory, "membership.json"),
                "--silo-port", $"{FreePort()}", "--gateway-port", $"{FreePort()}");
            Assert.Equal(2, code);
            Assert.StartsWith($"ERR NameTaken: a silo named silo-1 runs already, at 127.0.0.1:{_siloPort} on host ",
                OneLine(errors), StringComparison.Ordinal);
            Assert.Equal((0, "3\n", ""), await KvAsync("get", "--cf", "lock", "a"));
            silo.Kill();
        }
        (int exitCode, string output, string reason) =
            await ProgramProcess.RunAsync("Silo", Arguments("silo-1,silo-2,silo-3"));
        Assert.Equal(2, exitCode);
        Assert.Empty(output);
        Assert.StartsWith("ERR Start: ", OneLine(reason), StringComparison.Ordinal);
        Assert.Contains("nodes", reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--name", "nobody")]
    [InlineData("--silo-port", "0")]
    [InlineData("--nonsense", "1")]
    [InlineData("--cluster-id", "")]
    [InlineData("--data", "--verbose")]
    public async Task Bad_options_exit_with_2_and_one_line_of_reason(string option, string value)
    {
        (int exitCode, string output, string errors) = await ProgramProcess.RunAsync("Silo", option, value);
        Assert.Equal(2, exitCode);
        Assert.Empty(output);
        Assert.StartsWith("ERR BadOption: ", OneLine(errors), StringComparison.Ordinal);
        Assert.Contains(option, errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_tool_says_that_no_silo_can_be_reached()
    {
        (int exitCode, string output, string errors) = await KvAsync("get", "a");
        Assert.Equal(2, exitCode);
        Assert.Empty(output);
        Assert.StartsWith("ERR Start: no silo of cluster ", OneLine(errors), StringComparison.Ordinal);
        (exitCode, _, errors) = await ProgramProcess.RunAsync("Client", "--gateways", "nowhere", "get", "a");
        Assert.Equal(2, exitCode);
        Assert.StartsWith("ERR BadOption: --gateways: 'nowhere' ", OneLine(errors), StringComparison.Ordinal);
        (exitCode, _, errors) = await ProgramProcess.RunAsync("Client", "--nonsense", "get", "a");
        Assert.Equal(2, exitCode);
        Assert.StartsWith("ERR BadOption: There is no option --nonsense.", OneLine(errors), StringComparison.Ordinal);
    }

    private string[] Arguments(string nodes) =>
    [
        "--name", "silo-1", "--nodes", nodes, "--data", _directory, "--silo-port", $"{_siloPort}", "--gateway-port",
            $"{_gatewayPort}",
    ];

    private Task<(int ExitCode, string Output, string Errors)> KvAsync(params string[] command) =>
        ProgramProcess.RunAsync("Client", ["--gateways", $"127.0.0.1:{_gatewayPort}", .. command]);

    private static string OneLine(string text)
    {
        Assert.Equal(text.Length - 1, text.IndexOf('\n', StringComparison.Ordinal));
        return text;
    }
}
