using System.Globalization;
using Orleans.Raft.Chaos;

namespace Orleans.Raft.Hosts;

/// <summary>One run, as the command line and the tests start it.</summary>
/// <param name="Cuts">Kinds of what is done to the network; null: all.</param>
/// <param name="Data">An empty directory; null: a new one, removed if all is well.</param>
internal sealed record HostsCommand(HostsOptions Options, TimeSpan Duration, int Seed, int Clients, double Rate,
    IReadOnlyList<string>? Cuts, string? Data)
{
    /// <summary>What the cuts did, after <see cref="RunAsync"/>.</summary>
    public IReadOnlyList<CutReport> Reports { get; private set; } = [];

    /// <summary>What the run did, after <see cref="RunAsync"/>.</summary>
    public ChaosResult? Result { get; private set; }

    /// <returns>Whether all was well but for time.</returns>
    /// <exception cref="NetworkException">Hosts cannot be laid out here; the message says why.</exception>
    /// <inheritdoc cref="ChaosCommand.RunAsync"/>
    public async Task<bool> RunAsync(Action<string> report, CancellationToken interrupt)
    {
        HostsChaosHost? host = null;
        var chaos = new ChaosCommand("hosts", Duration, Seed, Clients, Rate, Cuts, Data)
        {
            Open = (directory, clients) => host = new HostsChaosHost(directory, clients, Options, report),
            FaultsOption = "--cuts",
            Program = string.Create(CultureInfo.InvariantCulture, $"Tests/Hosts -c Release -- --hosts {Options.Hosts} "
                + $"--ip {(Options.IsIPv6 ? 6 : 4)} --delay {Options.Delay.TotalMilliseconds:R} --cut-seconds "
                + $"{Options.CutDuration.TotalSeconds:R} --postgresql {NameOf(Options.Database)}"),
        };
        report($"hosts: {Options.Hosts} silos, IPv{(Options.IsIPv6 ? 6 : 4)}, in network namespaces; cuts by nft; "
            + $"PostgreSQL: {NameOf(Options.Database)}");
        bool isWell = await chaos.RunAsync(report, interrupt);
        Reports = host!.Reports;
        Result = chaos.Result;
        foreach (CutReport cut in Reports) report(cut.ToString());
        return isWell;
    }

    private static string NameOf(DatabaseUse use) => use switch
    {
        DatabaseUse.Clustering => "clustering",
        DatabaseUse.Slots => "slots",
        _ => "none",
    };
}
