using System.CommandLine;
using System.Diagnostics;
using Orleans.Raft.Ledger;

var assembly = new Option<string>("--embedded") { Description = "The built embedded host (Orleans.Raft.Embedded.dll)." };
var kills = new Option<int>("--kills") { DefaultValueFactory = _ => 20 };
var acknowledgements = new Option<int>("--acks") { DefaultValueFactory = _ => 50_000 };
var seed = new Option<ulong>("--seed") { DefaultValueFactory = _ => 1 };
var data = new Option<string?>("--data") { Description = "Default: a new temporary directory, removed at the end." };
var root = new RootCommand("Kills the store again and again while it writes, then checks every acknowledged write.") { assembly, kills, acknowledgements, seed, data };

root.SetAction(async (parsed, _) =>
{
    string directory = parsed.GetValue(data) ?? Directory.CreateTempSubdirectory("ledger-").FullName;
    string program = parsed.GetValue(assembly) ?? Path.Combine(AppContext.BaseDirectory.Replace(
        Path.Combine("Tests", "Ledger"), "Embedded", StringComparison.Ordinal), "Orleans.Raft.Embedded.dll");
    var book = new LedgerBook(parsed.GetValue(seed));
    var watch = Stopwatch.StartNew();
    await using var host = new EmbeddedHost(program, directory);
    LedgerResult result = await new LedgerRun(host, book, parsed.GetValue(kills), parsed.GetValue(acknowledgements), Console.WriteLine).RunAsync();
    foreach (string lost in result.Lost) Console.WriteLine($"LOST {lost}");
    Console.WriteLine($"{result.Kills} kills, {result.Acknowledged} acknowledged of {result.Written} written, {result.Lost.Count} lost, "
        + $"{result.UnacknowledgedFound} unacknowledged found, seed {parsed.GetValue(seed)}, {watch.Elapsed.TotalSeconds:F0} s");
    if (parsed.GetValue(data) is null) Directory.Delete(directory, recursive: true);
    return result.Lost.Count == 0 ? 0 : 1;
});
return await root.Parse(args).InvokeAsync();
