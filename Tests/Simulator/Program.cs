using System.CommandLine;
using Orleans.Raft.CommandLine;
using Orleans.Raft.Core;
using Orleans.Raft.Simulator;
using Orleans.Raft.Testing;

var seed = new Option<ulong>("--seed") { Description = "The first seed.", DefaultValueFactory = _ => 1 };
var seeds = new Option<int>("--seeds") { Description = "How many seeds.", DefaultValueFactory = _ => 1 };
var minutes = new Option<double?>("--minutes") { Description = "Go on to further seeds for so long instead." };
var nodes = new Option<int>("--nodes") { Description = "Nodes.", DefaultValueFactory = _ => 5 };
var groups = new Option<int>("--groups") { Description = "Groups.", DefaultValueFactory = _ => 4 };
var seconds = new Option<double>("--seconds")
{
    Description = "Simulated seconds of load and faults.",
    DefaultValueFactory = _ => 60,
};
var faults = new Option<string>("--faults")
{
    Description = "The kinds of faults that may occur, with commas, or none: "
        + $"{string.Join(", ", FaultSchedule.Names.Keys.Order())}.",
    DefaultValueFactory = _ => "all",
};
var keep = new Option<string?>("--keep")
{
    Description = "The numbers of the faults that occur, with commas, or none; the others of the seed are left out.",
};
var storage = new Option<string>("--storage")
{
    Description = "What nodes keep their data on: disks, databases, or drawn from the seed. A bug is looked for on "
        + "disks unless it needs databases.",
    DefaultValueFactory = _ => "drawn",
};
var verbose = new Option<bool>("--verbose") { Description = "Print every event. One seed at a time." };
var bug = new Option<string?>("--bug")
{
    Description = "Gives all nodes a deliberate bug, or all of them one after the other, and prints the first seed that "
        + $"finds it: all, {string.Join(", ", Enum.GetNames<FaultPoint>())}.",
};
var root = new RootCommand("Runs the real store in virtual time under faults drawn from a seed, and checks it after "
    + "every step. Exit 1 on any failure.")
{
    seed, seeds, minutes, nodes, groups, seconds, faults, keep, storage, verbose, bug,
};

root.SetAction(parsed =>
{
    Require(parsed.GetValue(seeds) >= 1, "--seeds must be at least 1.");
    Require(parsed.GetValue(minutes) is null or (> 0 and <= 43_200),
        "--minutes must be above 0 and at most 43200.");
    Require(parsed.GetValue(nodes) is >= 3 and <= 99, "--nodes must be 3 to 99: a group has three replicas.");
    Require(parsed.GetValue(groups) is >= 1 and <= 100, "--groups must be 1 to 100.");
    Require(parsed.GetValue(seconds) is > 0 and <= 86_400, "--seconds must be above 0 and at most 86400.");
    var options = new SimulationOptions
    {
        Nodes = parsed.GetValue(nodes),
        Groups = parsed.GetValue(groups),
        Duration = TimeSpan.FromSeconds(parsed.GetValue(seconds)),
        Faults = ParseFaults(parsed.GetValue(faults)!),
        Keep = parsed.GetValue(keep) is { } numbers ? ParseNumbers(numbers) : null,
        Storage = ParseStorage(parsed.GetValue(storage)!),
    };
    TimeSpan? limit = parsed.GetValue(minutes) is { } m ? TimeSpan.FromMinutes(m) : null;
    if (parsed.GetValue(bug) is { } name)
        return new BugHunt(options, Console.Out)
            .Run(ParseBugs(name), parsed.GetValue(seed), parsed.GetValue(seeds)) ? 0 : 1;
    return new SimulationRun(options, parsed.GetValue(verbose), Console.Out)
        .Run(parsed.GetValue(seed), parsed.GetValue(seeds), limit) ? 0 : 1;
});
try
{
    return await StrictCommandLine.RunAsync(root, args,
        new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (FormatException problem)
{
    return StrictCommandLine.Refuse(problem.Message);
}

static void Require(bool isSound, string problem)
{
    if (!isSound) throw new FormatException(problem);
}

static IReadOnlyList<FaultKind> ParseFaults(string list)
{
    if (list == "all") return Enum.GetValues<FaultKind>();
    if (list == "none") return [];
    return [.. list.Split(',', StringSplitOptions.TrimEntries).Select(name =>
        FaultSchedule.Names.TryGetValue(name, out FaultKind kind) ? kind
        : throw new FormatException($"There is no fault '{name}'; there are "
            + $"{string.Join(", ", FaultSchedule.Names.Keys.Order())}."))];
}

static SimulatedStorage? ParseStorage(string name) => name switch
{
    "drawn" => null,
    "disks" => SimulatedStorage.Disks,
    "databases" => SimulatedStorage.Databases,
    _ => throw new FormatException($"--storage must be disks, databases or drawn, not '{name}'."),
};

static IReadOnlySet<int> ParseNumbers(string list)
{
    if (list == "none") return new HashSet<int>();
    return list.Split(',', StringSplitOptions.TrimEntries).Select(text => int.TryParse(text, out int number) ? number
        : throw new FormatException($"--keep takes numbers with commas, not '{text}'.")).ToHashSet();
}

static IReadOnlyList<FaultPoint> ParseBugs(string name)
{
    if (name == "all") return Enum.GetValues<FaultPoint>();
    return Enum.TryParse(name, ignoreCase: true, out FaultPoint point) && Enum.IsDefined(point) ? [point]
        : throw new FormatException(
            $"There is no bug '{name}'; there are {string.Join(", ", Enum.GetNames<FaultPoint>())}.");
}
