using System.Diagnostics;
using Orleans.Raft.CommandLine;
using Orleans.Raft.Ledger;

var arguments = new LedgerArguments();
arguments.Root.SetAction(async (parsed, _) =>
{
    LedgerPlan plan = arguments.Read(parsed);
    string directory = plan.Data ?? Directory.CreateTempSubdirectory("ledger-").FullName;
    var book = new LedgerBook(plan.Seed);
    var watch = Stopwatch.StartNew();
    LedgerResult result;
    await using (ILedgerHost store = MakeHost(plan.Host, directory))
        result = await new LedgerRun(store, book, plan.Kills, plan.Acknowledgements, Console.WriteLine).RunAsync();
    foreach (string lost in result.Lost) Console.WriteLine($"LOST {lost}");
    TimeSpan slowest = result.Recoveries.DefaultIfEmpty().Max();
    bool late = slowest.TotalSeconds > plan.RecoverWithinSeconds;
    if (late)
    {
        Console.WriteLine($"LATE {slowest.TotalSeconds:F2} s from a kill until all groups took writes again; "
            + $"the limit is {plan.RecoverWithinSeconds} s");
    }
    Console.WriteLine($"{result.Kills} kills, {result.Acknowledged} acknowledged of {result.Written} written, "
        + $"{result.Lost.Count} lost, {result.UnacknowledgedFound} unacknowledged found, "
        + $"slowest recovery {slowest.TotalSeconds:F2} s, seed {plan.Seed}, {watch.Elapsed.TotalSeconds:F0} s");
    if (plan.Data is null && result.Lost.Count == 0) Directory.Delete(directory, recursive: true);
    else Console.WriteLine($"data kept in {directory}");
    return result.Lost.Count == 0 && !late ? 0 : 1;
});
return await StrictCommandLine.RunAsync(arguments.Root, args);

static ILedgerHost MakeHost(string kind, string directory) => kind switch
{
    "embedded" => new EmbeddedHost(directory),
    "silos" => new SiloHost(directory, KillMode.One),
    _ => new SiloHost(directory, KillMode.All),
};
