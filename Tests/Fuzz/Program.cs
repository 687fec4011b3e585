using System.CommandLine;
using Orleans.Raft.Fuzz;

const int Found = 1;

var names = new Option<string[]>("--target") { Description = "Which targets; all without it.",
    AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };
names.AcceptOnlyFromAmong([.. Targets.All.Select(target => target.Name)]);
var inputs = new Option<long>("--inputs") { Description = "Inputs over all targets, shared out by their weight.",
    DefaultValueFactory = _ => 1_000_000 };
var seed = new Option<ulong>("--seed") { DefaultValueFactory = _ => 1 };
var number = new Option<long?>("--number") { Description = "Runs this one input of the target." };
var minutes = new Option<double?>("--minutes") { Description = "Stops after so long, whatever was asked for." };
var root = new RootCommand("Feeds everything that reads bytes or text from outside with valid, damaged and forged "
    + "inputs. Exit 1 on a finding.") { names, inputs, seed, number, minutes };

root.SetAction(parsed =>
{
    FuzzTarget[] chosen = [.. Targets.All.Where(target => parsed.GetValue(names) is not { Length: > 0 } given
        || given.Contains(target.Name))];
    TimeSpan limit = parsed.GetValue(minutes) is { } given ? TimeSpan.FromMinutes(given) : TimeSpan.MaxValue;
    long weights = chosen.Sum(target => (long)target.Weight);
    long start = System.Diagnostics.Stopwatch.GetTimestamp();
    using var watch = new HangWatch(hanging =>
    {
        Console.WriteLine($"FOUND {hanging.Target.Name}: input {hanging.Number} of seed {hanging.Seed} does not end: "
            + Convert.ToHexStringLower(hanging.Input));
        Environment.Exit(Found);
    });
    bool failed = false;
    long total = 0;
    Console.WriteLine($"seed {parsed.GetValue(seed)}");
    Console.WriteLine(FuzzResult.Heading);
    foreach (FuzzTarget target in chosen)
    {
        bool one = parsed.GetValue(number) is not null;
        long count = one ? 1 : Math.Max(1, parsed.GetValue(inputs) * target.Weight / weights);
        FuzzResult result = FuzzRun.Run(target, parsed.GetValue(seed), parsed.GetValue(number) ?? 0, count, watch,
            () => System.Diagnostics.Stopwatch.GetElapsedTime(start) > limit);
        Console.WriteLine(result);
        if (result.Finding is not null) Console.WriteLine(result.Finding);
        failed |= result.Finding is not null;
        total += result.Inputs;
    }
    Console.WriteLine($"{total} inputs");
    return failed ? Found : 0;
});
return root.Parse(args).Invoke();
