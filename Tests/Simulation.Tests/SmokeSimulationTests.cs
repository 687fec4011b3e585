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
    public void No_seed_finds_a_violation(ulong seed)
    {
        SimulationResult result = Simulator.Simulation.Run(new SimulationOptions { Seed = seed });
        output.WriteLine(result.ToString());
        Assert.True(result.Violations.Count == 0, $"{result}\n{string.Join('\n', result.Violations)}\nreplay: dotnet "
            + $"run --project Tests/Simulator -c Release -- --seed {seed}");
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
