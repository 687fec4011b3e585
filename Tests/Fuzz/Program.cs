using System.Diagnostics;
using Orleans.Raft.CommandLine;
using Orleans.Raft.Fuzz;

const int Found = 1;

var arguments = new RunArguments([.. Targets.All.Select(target => target.Name)]);
arguments.Root.SetAction(parsed =>
{
    RunPlan plan = arguments.Read(parsed);
    FuzzTarget[] chosen = [.. Targets.All.Where(target => plan.Targets.Count == 0
        || plan.Targets.Contains(target.Name))];
    long weights = chosen.Sum(target => (long)target.Weight);
    long start = Stopwatch.GetTimestamp();
    using var watch = new HangWatch(hanging =>
    {
        Console.WriteLine($"FOUND {hanging.Target.Name}: input {hanging.Number} of seed {hanging.Seed} does not end: "
            + Convert.ToHexStringLower(hanging.Input));
        Environment.Exit(Found);
    });
    bool failed = false;
    long total = 0;
    Console.WriteLine($"seed {plan.Seed}");
    Console.WriteLine(FuzzResult.Heading);
    foreach (FuzzTarget target in chosen)
    {
        long count = plan.Number is null ? Math.Max(1, plan.Inputs * target.Weight / weights) : 1;
        FuzzResult result = FuzzRun.Run(target, plan.Seed, plan.Number ?? 0, count, watch,
            () => Stopwatch.GetElapsedTime(start) > plan.Limit);
        Console.WriteLine(result);
        if (result.Finding is not null) Console.WriteLine(result.Finding);
        failed |= result.Finding is not null;
        total += result.Inputs;
    }
    Console.WriteLine($"{total} inputs");
    return failed ? Found : 0;
});
return await StrictCommandLine.RunAsync(arguments.Root, args);
