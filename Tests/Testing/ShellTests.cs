using System.Text;
using System.Text.RegularExpressions;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Shell;
using Xunit;

namespace Orleans.Raft.Testing;

/// <summary>
/// Tests of the shell on a host: derive one of the contracts and supply a host, and all its tests run on it.
/// </summary>
public abstract class ShellTests : IAsyncLifetime
{
    /// <summary>What may stand before the OK of a command of the controller.</summary>
    protected const string Steps = @"(\.\.\. [^\n]+\n)*";

    private ShellHost? _host;
    private string? _directory;

    /// <summary>A directory of the test's own, for files.</summary>
    protected string Folder => _directory ??= Directory.CreateTempSubdirectory("shell-").FullName;

    protected ShellHost Host => _host ?? throw new InvalidOperationException("the host has not been started");

    public async Task InitializeAsync() => _host = await StartHostAsync();

    public async Task DisposeAsync()
    {
        if (_directory is not null) Directory.Delete(_directory, recursive: true);
        await StopHostAsync();
    }

    /// <summary>A host whose store is empty, of three nodes or more, all up.</summary>
    protected abstract Task<ShellHost> StartHostAsync();

    protected abstract Task StopHostAsync();

    /// <summary>Runs lines, one command each.</summary>
    /// <returns>What was printed, and the exit code.</returns>
    protected async Task<(string Output, int ExitCode)> RunAsync(params string[] lines)
    {
        (byte[] output, int exitCode) = await RunBytesAsync(Encoding.UTF8.GetBytes(string.Join('\n', lines) + '\n'));
        return (Encoding.UTF8.GetString(output), exitCode);
    }

    /// <summary>Runs one command given as a program's arguments.</summary>
    protected async Task<(string Output, int ExitCode)> ExecuteAsync(params string[] words)
    {
        using var output = new MemoryStream();
        int exitCode = await CreateSession().ExecuteAsync(words, output);
        return (Encoding.UTF8.GetString(output.ToArray()), exitCode);
    }

    protected async Task<(byte[] Output, int ExitCode)> RunBytesAsync(byte[] input)
    {
        using var output = new MemoryStream();
        int exitCode = await CreateSession().RunAsync(new MemoryStream(input), output);
        return (output.ToArray(), exitCode);
    }

    /// <summary>Runs lines that all succeed and checks what they print.</summary>
    protected async Task ExpectAsync(string[] lines, params string[] printed)
    {
        (string output, int exitCode) = await RunAsync(lines);
        Assert.Equal(string.Concat(printed.Select(line => line + "\n")), output);
        Assert.Equal(0, exitCode);
    }

    /// <summary>Runs a line that fails with a code.</summary>
    /// <returns>What it printed.</returns>
    protected async Task<string> ExpectErrorAsync(string code, string line)
    {
        (string output, int exitCode) = await RunAsync(line);
        Assert.StartsWith($"ERR {code}: ", output);
        Assert.Equal(output.Length - 1, output.IndexOf('\n'));
        Assert.Equal(1, exitCode);
        return output;
    }

    protected ShellSession CreateSession() =>
        new(Host.Store, Host.Administration, Host.Faults, Host.Nodes, new ShellOptions { Log = TextWriter.Null });

    protected string PathOf(string name) => Path.Combine(Folder, name);

    protected static byte[] RandomBytes(Random random, int minLength, int maxLength)
    {
        byte[] bytes = new byte[random.Next(minLength, maxLength + 1)];
        random.NextBytes(bytes);
        return bytes;
    }

    /// <summary>A key in each group, in the order of the groups.</summary>
    protected async Task<string[]> KeyPerGroupAsync()
    {
        ClusterStatus status = await Host.Administration.GetStatusAsync();
        return [.. status.Groups.OrderBy(group => ByteText.Escape(group.Start.Span), StringComparer.Ordinal)
            .Select(group => group.Start.IsEmpty ? "!" : ByteText.Escape(group.Start.Span, escapeBlanks: true) + "x")];
    }

    protected async Task<string[]> NodesAsync() =>
        [.. (await Host.Administration.GetStatusAsync()).Nodes.Select(node => node.Node.Value)];

    /// <summary>What a command that succeeds prints.</summary>
    protected async Task<string[]> LinesAsync(string command)
    {
        (string output, int exitCode) = await RunAsync(command);
        Assert.True(exitCode == 0, output);
        return output.TrimEnd('\n').Split('\n');
    }

    /// <summary>Runs a command of the controller that succeeds.</summary>
    protected async Task RunJobAsync(string line)
    {
        (string output, int exitCode) = await RunAsync(line);
        Assert.Matches($@"\A{Steps}OK\n\z", output);
        Assert.Equal(0, exitCode);
    }

    /// <summary>The value of a field of a line.</summary>
    protected static string Field(string line, string name) => Regex.Match(line, $@" {name}=(\S*)").Groups[1].Value;
}
