using System.CommandLine;
using Orleans.Raft.CommandLine;

namespace Orleans.Raft.Hosts;

/// <summary>The command line.</summary>
internal sealed class HostsArguments
{
    private const double MostSeconds = 30 * 86_400;

    private readonly Option<string> _hosts = new("--hosts") { Description = "Silos, each on a host of its own: 3 or 5.",
        DefaultValueFactory = _ => "3" };
    private readonly Option<string> _version = new("--ip") { Description = "4 or 6: by which addresses silos are "
        + "reached.", DefaultValueFactory = _ => "4" };
    private readonly Option<double> _delay = StrictCommandLine.Number("--delay", 0.0, 0, 10_000,
        "Milliseconds that what a host sends is on its way.");
    private readonly Option<double> _cutSeconds = StrictCommandLine.Number("--cut-seconds", 0.0, 0, 3_600,
        "How long a cut lasts at least; it lasts until it is known what it did.");
    private readonly Option<double> _seconds = StrictCommandLine.Number("--seconds", 60, 0.001, MostSeconds,
        "How long at least; it goes on until a whole history was checked and every cut was seen.");
    private readonly Option<int?> _seed = StrictCommandLine.Number("--seed", 0, int.MaxValue,
        "Draws operations and cuts (default: a new one, printed).");
    private readonly Option<int> _clients = StrictCommandLine.Number("--clients", 8, 1, 1_000,
        "Clients whose histories are checked.");
    private readonly Option<double> _rate = StrictCommandLine.Number("--rate", 400.0, 1, 1_000_000,
        "Most operations a second, of all clients together.");
    private readonly Option<string[]> _cuts = StrictCommandLine.List("--cuts",
        "Kinds, comma-separated: alone, peers, deaf, mute, split (five hosts), loss (default: all).");
    private readonly Option<string> _postgres = new("--postgresql") { Description = "What a server on one more host is "
        + "for: none, clustering (silos find each other by it), slots (it has the replicas besides).",
        DefaultValueFactory = _ => "none" };
    private readonly Option<string?> _data = new("--data") { Description =
        "An empty directory (default: a new temporary one, removed if all is well)." };
    private readonly Option<bool> _verbose = new("--verbose") { Description = "Silos say more in their logs." };

    public HostsArguments()
    {
        _hosts.AcceptOnlyFromAmong("3", "5");
        _version.AcceptOnlyFromAmong("4", "6");
        _postgres.AcceptOnlyFromAmong("none", "clustering", "slots");
        Root = new RootCommand("Parts hosts from each other under load, and checks what clients were told. Needs "
            + "Linux, ip, nft and root.")
        {
            _hosts, _version, _delay, _cutSeconds, _seconds, _seed, _clients, _rate, _cuts, _postgres,
            _data, _verbose,
        };
    }

    public RootCommand Root { get; }

    public HostsCommand Read(ParseResult parsed) => new(
        new HostsOptions(parsed.GetValue(_hosts) == "5" ? 5 : 3, parsed.GetValue(_version) == "6",
            TimeSpan.FromMilliseconds(parsed.GetValue(_delay)), TimeSpan.FromSeconds(parsed.GetValue(_cutSeconds)),
            parsed.GetValue(_verbose), Enum.Parse<DatabaseUse>(parsed.GetValue(_postgres)!, ignoreCase: true)),
        TimeSpan.FromSeconds(parsed.GetValue(_seconds)), parsed.GetValue(_seed) ?? Random.Shared.Next(),
        parsed.GetValue(_clients), parsed.GetValue(_rate),
        parsed.GetValue(_cuts) is { Length: > 0 } cuts ? cuts : null, parsed.GetValue(_data));
}
