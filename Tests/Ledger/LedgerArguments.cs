using System.CommandLine;
using Orleans.Raft.CommandLine;

namespace Orleans.Raft.Ledger;

/// <summary>What the ledger was asked for.</summary>
/// <param name="Data">Null: a new temporary directory.</param>
/// <param name="RecoverWithinSeconds">Null: however long it takes.</param>
internal sealed record LedgerPlan(string Host, int Kills, int Acknowledgements, ulong Seed, string? Data,
    double? RecoverWithinSeconds);

/// <summary>The command line of the ledger.</summary>
internal sealed class LedgerArguments
{
    private readonly Option<string> _host = new("--host") { Description =
        "embedded, silos (one is killed at a time) or all-silos (all at once).",
        DefaultValueFactory = _ => "embedded" };
    private readonly Option<int> _kills = StrictCommandLine.Number("--kills", 20, 0, 1_000_000, "How many.");
    private readonly Option<int> _acknowledgements = StrictCommandLine.Number("--acks", 50_000, 1, 1_000_000_000,
        "Acknowledged writes to reach.");
    private readonly Option<ulong> _seed = StrictCommandLine.Number<ulong>("--seed", 1, 0, ulong.MaxValue,
        "Draws the writes.");
    private readonly Option<string?> _data = new("--data") { Description =
        "Default: a new temporary directory, removed if nothing is lost." };
    private readonly Option<double?> _within = StrictCommandLine.Number("--recover-within", 0.001, 3600,
        "Fails if after a kill some group takes no write for more seconds. The rule for --host silos is 2.");

    public LedgerArguments()
    {
        _host.AcceptOnlyFromAmong("embedded", "silos", "all-silos");
        Root = new RootCommand("Kills the store again and again while it writes, then checks every acknowledged write.")
        {
            _host, _kills, _acknowledgements, _seed, _data, _within,
        };
    }

    public RootCommand Root { get; }

    public LedgerPlan Read(ParseResult parsed) => new(parsed.GetValue(_host)!, parsed.GetValue(_kills),
        parsed.GetValue(_acknowledgements), parsed.GetValue(_seed), parsed.GetValue(_data), parsed.GetValue(_within));
}
