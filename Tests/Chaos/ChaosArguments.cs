using System.CommandLine;
using Orleans.Raft.CommandLine;

namespace Orleans.Raft.Chaos;

/// <summary>The command line of chaos, and of the child process that it starts.</summary>
internal sealed class ChaosArguments
{
    private const double MostSeconds = 30 * 86_400;
    private const int MostClients = 1_000;

    private readonly Option<string> _host = new("--host") { Description =
        "silos (three processes) or embedded (one).", DefaultValueFactory = _ => "silos" };
    private readonly Option<double> _seconds = StrictCommandLine.Number("--seconds", 60, 0.001, MostSeconds,
        "How long at least; it goes on until a whole history was checked and every fault was seen.");
    private readonly Option<double?> _minutes = StrictCommandLine.Number("--minutes", 0.001, MostSeconds / 60,
        "The same in minutes.");
    private readonly Option<int?> _seed = StrictCommandLine.Number("--seed", 0, int.MaxValue,
        "Draws operations and faults (default: a new one, printed).");
    private readonly Option<int> _clients = StrictCommandLine.Number("--clients", 8, 1, MostClients,
        "Clients whose histories are checked.");
    private readonly Option<double> _rate = StrictCommandLine.Number("--rate", 400.0, 1, 1_000_000,
        "Most operations a second, of all clients together.");
    private readonly Option<string[]> _faults = StrictCommandLine.List("--faults",
        "Kinds of faults, comma-separated: kill, stop, full; embedded also node-kill, isolate, merge (default: all).");
    private readonly Option<string?> _data = new("--data") { Description =
        "An empty directory (default: a new temporary one, removed if all is well)." };
    private readonly Option<string> _storeData = new("--data") { Required = true };
    private readonly Option<int?> _storeClients = StrictCommandLine.Number("--clients", 1, 2 * MostClients,
        "Clients with sessions of their own.");

    public ChaosArguments()
    {
        _host.AcceptOnlyFromAmong("silos", "embedded");
        _storeClients.Required = true;
        Store = new Command("store", "The child process of --host embedded.") { _storeData, _storeClients };
        Store.Hidden = true;
        Root = new RootCommand("Breaks the store's processes under load, and checks what clients were told.")
        {
            _host, _seconds, _minutes, _seed, _clients, _rate, _faults, _data, Store,
        };
        Root.Validators.Add(result =>
        {
            if (result.GetResult(_minutes) is not null && result.GetResult(_seconds) is { Implicit: false })
                result.AddError("--seconds and --minutes are both given; give one of the two.");
        });
    }

    public RootCommand Root { get; }

    public Command Store { get; }

    public ChaosCommand Read(ParseResult parsed) => new(parsed.GetValue(_host)!,
        parsed.GetValue(_minutes) is { } minutes
            ? TimeSpan.FromMinutes(minutes)
            : TimeSpan.FromSeconds(parsed.GetValue(_seconds)),
        parsed.GetValue(_seed) ?? Random.Shared.Next(), parsed.GetValue(_clients), parsed.GetValue(_rate),
        parsed.GetValue(_faults) is { Length: > 0 } faults ? faults : null, parsed.GetValue(_data));

    public (string Data, int Clients) ReadStore(ParseResult parsed) =>
        (parsed.GetValue(_storeData)!, parsed.GetValue(_storeClients)!.Value);
}
