using System.CommandLine;
using Orleans.Raft.CommandLine;

namespace Orleans.Raft.Growth;

/// <summary>How large, how long and how hard.</summary>
/// <param name="Groups">How many there are at the end.</param>
/// <param name="Rows">Of <paramref name="ValueBytes"/> each, written before anything is measured.</param>
/// <param name="Rest">How long it is measured with nothing moving, before and after.</param>
/// <param name="EvenOut">Leaders and bytes must be even by then after the nodes came.</param>
/// <param name="OperationsPerSecond">Of all clients together.</param>
/// <param name="Verbose">Tells elections, decisions and the like on standard error.</param>
public sealed record GrowthPlan(int Groups, int Rows, int ValueBytes, TimeSpan Rest, TimeSpan EvenOut, int Clients,
    double OperationsPerSecond, int Seed, bool Verbose);

/// <summary>The command line, on every host.</summary>
public sealed class GrowthArguments
{
    private readonly Option<int> _groups = StrictCommandLine.Number("--groups", 16, 4, 256, "Groups to grow to.");
    private readonly Option<int> _rows = StrictCommandLine.Number("--rows", 20_000, 1000, 1_000_000,
        "Rows to begin with.");
    private readonly Option<int> _valueBytes = StrictCommandLine.Number("--value-bytes", 1024, 1, 65_536,
        "Bytes of the value of each.");
    private readonly Option<double> _rest = StrictCommandLine.Number("--rest", 20.0, 1, 3600,
        "Seconds to measure at rest, before and after.");
    private readonly Option<double> _evenOut = StrictCommandLine.Number("--even-out", 300.0, 1, 86_400,
        "Seconds within which leaders and bytes must be even after the nodes came.");
    private readonly Option<int> _clients = StrictCommandLine.Number("--clients", 8, 1, 256, "Clients with histories.");
    private readonly Option<double> _rate = StrictCommandLine.Number("--rate", 400.0, 1, 100_000,
        "Operations a second, of all clients together.");
    private readonly Option<int> _seed = StrictCommandLine.Number("--seed", 1, 0, int.MaxValue, "Draws the load.");

    private readonly Option<bool> _verbose = new("--verbose") { Description =
        "Elections, decisions and the like on standard error." };

    public GrowthArguments() => Root =
        new RootCommand("Grows a cluster under load, and checks that no client notices but by speed.")
    {
        _groups, _rows, _valueBytes, _rest, _evenOut, _clients, _rate, _seed, _verbose,
    };

    public RootCommand Root { get; }

    public GrowthPlan Read(ParseResult parsed) => new(parsed.GetValue(_groups), parsed.GetValue(_rows),
        parsed.GetValue(_valueBytes), TimeSpan.FromSeconds(parsed.GetValue(_rest)),
        TimeSpan.FromSeconds(parsed.GetValue(_evenOut)), parsed.GetValue(_clients), parsed.GetValue(_rate),
        parsed.GetValue(_seed), parsed.GetValue(_verbose));
}
