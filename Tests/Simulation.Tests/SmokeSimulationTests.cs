using System.Diagnostics;
using Orleans.Raft.Simulator;
using Xunit.Abstractions;

namespace Orleans.Raft.Simulation.Tests;

/// <summary>The real store in virtual time under faults. A failure prints the seed and the command that replays
/// it.</summary>
public class SmokeSimulationTests(ITestOutputHelper output)
{
    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 20).Select(seed => (ulong)seed)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void No_seed_finds_a_violation(ulong seed) => RequireClean(new SimulationOptions { Seed = seed });

    /// <summary>As MIT lab 3A's last: seven servers, random keys, restarts, partitions, lost messages.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_seed_finds_a_violation_with_seven_nodes_and_groups(ulong seed) =>
        RequireClean(new SimulationOptions { Seed = seed, Nodes = 7, Groups = 7 }, " --nodes 7 --groups 7");

    private void RequireClean(SimulationOptions options, string arguments = "")
    {
        SimulationResult result = Simulator.Simulation.Run(options);
        output.WriteLine(result.ToString());
        Assert.True(result.Violations.Count == 0,
            $"{result}\n{string.Join('\n', result.Violations)}\n"
            + $"replay: dotnet run --project Tests/Simulator -c Release -- --seed {options.Seed}{arguments}");
        // A simulation that did nothing proves nothing.
        Assert.True(result.WritesAcknowledged >= 100,
            $"only {result.WritesAcknowledged} writes were acknowledged: {result}");
        Assert.True(result.ReadsChecked >= 50, $"only {result.ReadsChecked} reads were checked: {result}");
        Assert.True(result.Elections >= 2 && result.Crashes >= 2 && result.FramesDropped > 0,
            $"too few faults: {result}");
    }

    [Fact]
    public void A_seed_gives_the_same_trace_in_two_processes()
    {
        string first = RunInProcess(seed: 7), second = RunInProcess(seed: 7);
        Assert.Matches("^seed 7 trace [0-9a-f]{16} ", first);
        Assert.Equal(first, second);
        Assert.NotEqual(first[7..], RunInProcess(seed: 8)[7..]);
    }

    private static string RunInProcess(ulong seed)
    {
        string assembly = Path.Combine(AppContext.BaseDirectory, "Orleans.Raft.Simulator.dll");
        using Process process = Process.Start(
            new ProcessStartInfo("dotnet", [assembly, "--seed", seed.ToString()]) { RedirectStandardOutput = true })!;
        string printed = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return printed;
    }
}
