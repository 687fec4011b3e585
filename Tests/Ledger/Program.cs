using System.CommandLine;
using System.Diagnostics;
using Orleans.Raft.Ledger;

var host = new Option<string>("--host") { Description =
    "embedded, silos (one is killed at a time) or all-silos (all at once).", DefaultValueFactory = _ => "embedded" };
host.AcceptOnlyFromAmong("embedded", "silos", "all-silos");
var kills = new Option<int>("--kills") { DefaultValueFactory = _ => 20 };
var acknowledgements =
    new Option<int>("--acks") { Description = "Acknowledged writes to reach.", DefaultValueFactory = _ => 50_000 };
var seed = new Option<ulong>("--seed") { DefaultValueFactory = _ => 1 };
var data = new Option<string?>("--data")
{
    Description = "Default: a new temporary directory, removed if nothing is lost.",
};
var within = new Option<double?>("--recover-within")
{
    Description = "Fails if after a kill some group takes no write for more seconds. The rule for --host silos is 2.",
};
var root = new RootCommand("Kills the store again and again while it writes, then checks every acknowledged write.")
{
    host, kills, acknowledgements, seed, data, within,
};

root.SetAction(async (parsed, _) =>
{
    string directory = parsed.GetValue(data) ?? Directory.CreateTempSubdirectory("ledger-").FullName;
    var book = new LedgerBook(parsed.GetValue(seed));
    var watch = Stopwatch.StartNew();
    LedgerResult result;
    await using (ILedgerHost store = MakeHost(parsed.GetValue(host)!, directory))
        result = await new LedgerRun(store, book, parsed.GetValue(kills), parsed.GetValue(acknowledgements),
            Console.WriteLine).RunAsync();
    foreach (string lost in result.Lost) Console.WriteLine($"LOST {lost}");
    TimeSpan slowest = result.Recoveries.DefaultIfEmpty().Max();
    bool late = parsed.GetValue(within) is { } limit && slowest.TotalSeconds > limit;
    if (late)
    {
        Console.WriteLine($"LATE {slowest.TotalSeconds:F2} s from a kill until all groups took writes again; "
            + $"the limit is {parsed.GetValue(within)} s");
    }
    Console.WriteLine($"{result.Kills} kills, {result.Acknowledged} acknowledged of {result.Written} written, "
        + $"{result.Lost.Count} lost, "
        + $"{result.UnacknowledgedFound} unacknowledged found, slowest recovery {slowest.TotalSeconds:F2} s, "
        + $"seed {parsed.GetValue(seed)}, {watch.Elapsed.TotalSeconds:F0} s");
    if (parsed.GetValue(data) is null && result.Lost.Count == 0) Directory.Delete(directory, recursive: true);
    else Console.WriteLine($"data kept in {directory}");
    return result.Lost.Count == 0 && !late ? 0 : 1;
});
return await root.Parse(args).InvokeAsync();

static ILedgerHost MakeHost(string kind, string directory) => kind switch
{
    "embedded" => new EmbeddedHost(directory),
    "silos" => new SiloHost(directory, KillMode.One),
    _ => new SiloHost(directory, KillMode.All),
};
