using System.Security.Cryptography;
using Xunit.Abstractions;

namespace Orleans.Raft.Chaos.Silos.Tests;

public sealed class SilosRunTests(ITestOutputHelper output)
{
    /// <summary>Goes on until a whole history was checked and every fault that is permitted here was seen.</summary>
    [Fact]
    public async Task Three_silos_keep_their_promises_while_they_are_killed_stopped_and_run_out_of_disk()
    {
        int seed = RandomNumberGenerator.GetInt32(int.MaxValue);
        output.WriteLine($"fresh seed {seed}");
        var command = new ChaosCommand("silos", TimeSpan.FromSeconds(25), seed, Clients: 8, Rate: 800, Faults: null,
            Data: null);
        Assert.True(await command.RunAsync(output.WriteLine, CancellationToken.None), "see the output above");
        Assert.True(command.Result!.Tally.Acknowledged >= ChaosRun.HistoryOperations);
        Assert.All(command.Result.Faults.Values, count => Assert.True(count > 0));
        Assert.Contains("kill", command.Result.Faults.Keys);
    }
}
