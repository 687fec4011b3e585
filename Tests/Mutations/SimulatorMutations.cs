using System.Globalization;
using Orleans.Raft.Core;
using Orleans.Raft.Simulator;
using Orleans.Raft.Testing;
using Xunit.Abstractions;

namespace Orleans.Raft.Mutations;

/// <summary>What the simulator finds as it is, knowing nothing of any bug, and with how many seeds: the column of the
/// table in <c>README.md</c>. Without the bug these seeds find nothing.</summary>
public sealed class SimulatorMutations(ITestOutputHelper output)
{
    private const int FewestFound = 12;
    private const string OnDatabases = "databases: ";

    /// <summary>The bugs for which the table has a number of seeds.</summary>
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
                    string number = isDatabases ? found[OnDatabases.Length..] : found;
                    if (!int.TryParse(number, CultureInfo.InvariantCulture, out int seeds)) continue;
                    rows.Add(cells[2].Trim('`'),
                        isDatabases ? SimulatedStorage.Databases : SimulatedStorage.Disks, seeds);
                }
            }
            return rows;
        }
    }

    [Fact]
    public void The_table_has_seeds_for_many_bugs() => Assert.InRange(Found.Count, FewestFound, int.MaxValue);

    [Theory]
    [MemberData(nameof(Found))]
    public void The_simulator_finds(string name, SimulatedStorage storage, int seeds)
    {
        FaultPoint bug = Enum.Parse<FaultPoint>(name);
        var options = new SimulationOptions { Bug = bug, Storage = storage };
        // The seeds before it find nothing, or the table would not name it: only if it fails are they worth their time.
        SimulationResult? found = BugHunt.Find(options, (ulong)seeds, seeds: 1)
            ?? BugHunt.Find(options, firstSeed: 1, 2 * seeds + 20);
        if (found?.Options.Seed != (ulong)seeds)
        {
            Assert.Fail($"Tests/Mutations/README.md says that seed {seeds} is the first to find {bug} on {storage}; found "
                + $"by {found?.Options.Seed.ToString(CultureInfo.InvariantCulture) ?? "none"}. Look with: "
                + $"dotnet run --project Tests/Simulator -c Release -- --bug {bug} "
                + $"--storage {storage.ToString().ToLowerInvariant()} --seeds {2 * seeds + 20}");
        }
        output.WriteLine($"seed {found.Options.Seed} finds {bug}: {found.Violations[0].Split('\n')[0]}");
    }
}
