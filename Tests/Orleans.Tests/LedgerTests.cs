using Orleans.Raft.Ledger;
using Xunit.Abstractions;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>The ledger in short: silo processes, killed while writes go on; nothing acknowledged is missing.</summary>
public sealed class LedgerTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("ledger-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>All at once; <see cref="SiloDeathTests"/> kills one at a time.</summary>
    [Fact]
    public async Task No_acknowledged_write_is_lost_over_kills_of_all_silos()
    {
        const ulong Seed = 5;
        const int Kills = 3, Acknowledgements = 1200;
        await using var host = new SiloHost(_directory, KillMode.All);
        var run = new LedgerRun(host, new LedgerBook(Seed), Kills, Acknowledgements, output.WriteLine);
        LedgerResult result = await run.RunAsync();
        output.WriteLine($"seed {Seed}: {result.Acknowledged} acknowledged of {result.Written} written "
            + $"over {result.Kills} kills");
        Assert.Empty(result.Lost);
        Assert.Equal(Kills, result.Recoveries.Count);
        Assert.True(result.Acknowledged >= Acknowledgements, $"only {result.Acknowledged} writes were acknowledged");
    }
}
