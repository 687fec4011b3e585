using System.Security.Cryptography;
using Orleans.Raft.Chaos;
using Orleans.Raft.PostgreSql;
using Xunit.Abstractions;

namespace Orleans.Raft.Hosts.Tests;

/// <summary>Runs go on until a whole history was checked and every cut was seen.</summary>
public sealed class HostsRunTests(ITestOutputHelper output)
{
    [HostsFact]
    public Task Three_hosts_keep_their_promises_while_one_is_cut_off_in_either_direction_or_both() =>
        RunAsync(new HostsOptions(3, IsIPv6: true, TimeSpan.Zero, TimeSpan.Zero, IsVerbose: false), "alone", "peers",
            "deaf");

    /// <summary>The database by which silos find each other, if there is a server, is on one more host, and out of
    /// reach of the two as well.</summary>
    [HostsFact]
    public Task Five_hosts_keep_their_promises_while_two_are_cut_off() =>
        RunAsync(new HostsOptions(5, IsIPv6: false, TimeSpan.Zero, TimeSpan.Zero, IsVerbose: false,
            PostgresServer.IsAvailable(out _) ? DatabaseUse.Clustering : DatabaseUse.None), "split");

    /// <summary>One that reaches its slot's database, and one that does not.</summary>
    [PostgresHostsFact]
    public Task Slots_of_a_host_that_is_cut_off_live_on_on_others_which_keep_their_promises() =>
        RunAsync(new HostsOptions(3, IsIPv6: false, TimeSpan.Zero, TimeSpan.Zero, IsVerbose: true,
            DatabaseUse.Slots), "alone", "peers");

    private async Task RunAsync(HostsOptions options, params string[] cuts)
    {
        int seed = RandomNumberGenerator.GetInt32(int.MaxValue);
        output.WriteLine($"fresh seed {seed}");
        var command = new HostsCommand(options, TimeSpan.FromSeconds(1), seed, Clients: 8, Rate: 800, cuts, Data: null);
        Assert.True(await command.RunAsync(output.WriteLine, CancellationToken.None), "see the output above");
        Assert.True(command.Result!.Tally.Acknowledged >= ChaosRun.HistoryOperations);
        Assert.Equal(cuts.Order(), command.Reports.Select(cut => cut.Kind).Distinct().Order());
    }
}
