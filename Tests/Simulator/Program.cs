using System.CommandLine;
using Orleans.Raft.Simulator;

var seed = new Option<ulong>("--seed") { Description = "The first seed.", DefaultValueFactory = _ => 1 };
var seeds =
    new Option<int>("--seeds") { Description = "How many seeds, one after the other.", DefaultValueFactory = _ => 1 };
var nodes = new Option<int>("--nodes") { DefaultValueFactory = _ => 3 };
var groups = new Option<int>("--groups") { DefaultValueFactory = _ => 2 };
var seconds = new Option<double>("--seconds") { Description = "Simulated seconds of load and faults.",
    DefaultValueFactory = _ => 15 };
var root = new RootCommand("Runs the real store in virtual time under faults drawn from a seed. Exit 1 on any "
    + "violation.") { seed, seeds, nodes, groups, seconds };

root.SetAction(parsed =>
{
    bool failed = false;
    for (int i = 0; i < parsed.GetValue(seeds); i++)
    {
        SimulationResult result = Simulation.Run(new SimulationOptions
        {
            Seed = parsed.GetValue(seed) + (ulong)i,
            Nodes = parsed.GetValue(nodes),
            Groups = parsed.GetValue(groups),
            Duration = TimeSpan.FromSeconds(parsed.GetValue(seconds)),
        });
        Console.WriteLine(result);
        foreach (string violation in result.Violations) Console.WriteLine($"  {violation}");
        if (result.Violations.Count > 0)
            Console.WriteLine($"  replay: dotnet run --project Tests/Simulator -c Release -- --seed {result.Seed} "
                + $"--nodes {parsed.GetValue(nodes)} --groups {parsed.GetValue(groups)} --seconds "
                + $"{parsed.GetValue(seconds)}");
        failed |= result.Violations.Count > 0;
    }
    return failed ? 1 : 0;
});
return root.Parse(args).Invoke();
