using System.Globalization;
using Orleans.Raft.Core;
using Orleans.Raft.Simulator;
using Orleans.Raft.Testing;
using Xunit.Abstractions;

namespace Orleans.Raft.Mutations;

/// <summary>What the simulator finds as it is, knowing nothing of any bug, and by which seed: the column of the table
/// in <c>README.md</c>. Without the bug these seeds find nothing.</summary>
public sealed class SimulatorMutations(ITestOutputHelper output)
{
    private const int FewestFound = 12;
    private const string OnDatabases = "databases: ";

    /// <summary>The bugs for which the table has a number of seeds, with the seed to run: the first that finds it, or a
    /// later one, in brackets, that finds it sooner in its run.</summary>
    public static TheoryData<string, SimulatedStorage, int> Found
    {
        get
        {
            var rows = new TheoryData<string, SimulatedStorage, int>();
            foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "README.md")))
            {
                string[] cells = [.. line.Split('|').Select(cell => cell.Trim())];
                if (cells.Length < 6) continue;
                foreach (string found in cells[4].Split(", "))
                {
                    bool isDatabases = found.StartsWith(OnDatabases, StringComparison.Ordinal);
                    string numbers = isDatabases ? found[OnDatabases.Length..] : found;
                    if (!int.TryParse(numbers.TrimEnd(')').Split(" (")[^1], CultureInfo.InvariantCulture, out int seed))
                        continue;
                    rows.Add(cells[2].Trim('`'),
                        isDatabases ? SimulatedStorage.Databases : SimulatedStorage.Disks, seed);
                }
            }
            return rows;
        }
    }

    [Fact]
    public void The_table_has_seeds_for_many_bugs() => Assert.InRange(Found.Count, FewestFound, int.MaxValue);

    [Theory]
    [MemberData(nameof(Found))]
    public void The_simulator_finds(string name, SimulatedStorage storage, int seed)
    {
        var options = new SimulationOptions { Bug = Enum.Parse<FaultPoint>(name), Storage = storage };
        SimulationResult? found = BugHunt.Find(options, (ulong)seed, seeds: 1);
        if (found is null)
        {
            int seeds = (2 * seed) + 20;
            found = BugHunt.Find(options, firstSeed: 1, seeds);
            Assert.Fail($"Tests/Mutations/README.md says that seed {seed} finds {name} on {storage}; found by "
                + $"{found?.Options.Seed.ToString(CultureInfo.InvariantCulture) ?? "none"}. Look with: "
                + $"dotnet run --project Tests/Simulator -c Release -- --bug {name} "
                + $"--storage {storage.ToString().ToLowerInvariant()} --seeds {seeds}");
        }
        output.WriteLine($"seed {seed} finds {name}: {found.Violations[0].Split('\n')[0]}");
    }
}
