using System.Globalization;
using System.Security.Cryptography;
using Xunit.Abstractions;

namespace Orleans.Raft.Chaos.Tests;

public sealed class EmbeddedRunTests(ITestOutputHelper output)
{
    private const int Seconds = 20;

    /// <summary>Goes on until a whole history was checked and every fault that is permitted here was seen.</summary>
    [Fact]
    public async Task The_embedded_host_keeps_its_promises_while_it_is_killed_stopped_and_runs_out_of_disk()
    {
        int seed = RandomNumberGenerator.GetInt32(int.MaxValue);
        output.WriteLine($"fresh seed {seed}");
        int seconds = Environment.GetEnvironmentVariable("CHAOS_SECONDS") is { Length: > 0 } given
            ? int.Parse(given, CultureInfo.InvariantCulture)
            : Seconds;
        var command = new ChaosCommand("embedded", TimeSpan.FromSeconds(seconds), seed, Clients: 8, Rate: 800,
            Faults: null, Data: null);
        Assert.True(await command.RunAsync(output.WriteLine, CancellationToken.None), "see the output above");
        Assert.True(command.Result!.Tally.Acknowledged >= ChaosRun.HistoryOperations);
        Assert.All(command.Result.Faults.Values, count => Assert.True(count > 0));
        Assert.Contains("kill", command.Result.Faults.Keys);
        Assert.Contains("merge", command.Result.Faults.Keys);
    }
}
