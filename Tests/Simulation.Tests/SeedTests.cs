using Orleans.Raft.Simulator;
using Xunit.Abstractions;

namespace Orleans.Raft.Simulation.Tests;

/// <summary>The real store in virtual time under all faults, always the same seeds.</summary>
public class FixedSeedTests(ITestOutputHelper output)
{
    private const int Seeds = 16;

    /// <summary>As the simulator is run by hand, on disks and on databases.</summary>
    [Fact]
    public void No_violation_with_five_nodes_and_four_groups_and_every_kind_of_fault()
    {
        var printed = new StringWriter();
        bool isOk = new SimulationRun(new SimulationOptions(), isVerbose: false, printed)
            .Run(firstSeed: 1, Seeds, limit: null);
        Assert.True(isOk, printed.ToString());
        foreach (FaultKind kind in Enum.GetValues<FaultKind>())
            Assert.Contains($" {FaultSchedule.NameOf(kind)} ", printed.ToString());
        output.WriteLine($"time of {printed.ToString().Trim().Split('\n')[^1]}");
    }

    /// <summary>As MIT lab 3A's last: seven servers, random keys, restarts, partitions, lost messages.</summary>
    [Theory]
    [InlineData(101)]
    [InlineData(102)]
    public void No_violation_with_seven_nodes_and_groups(ulong seed) =>
        SeedRun.RequireOk(new SimulationOptions { Seed = seed, Nodes = 7, Groups = 7 }, output);

    /// <summary>Every replica of the group is hit by every fault.</summary>
    [Theory]
    [InlineData(201)]
    [InlineData(202)]
    [InlineData(203)]
    public void No_violation_with_three_nodes_and_one_group(ulong seed) =>
        SeedRun.RequireOk(new SimulationOptions { Seed = seed, Nodes = 3, Groups = 1 }, output);
}

/// <summary>Seeds that nobody has seen before; a failure prints the command that repeats it.</summary>
public class FreshSeedTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void No_violation_with_a_fresh_seed(int number)
    {
        ulong seed = (ulong)Random.Shared.Next(1000, int.MaxValue);
        output.WriteLine($"fresh seed {seed} (run {number})");
        SeedRun.RequireOk(new SimulationOptions { Seed = seed }, output);
    }
}

internal static class SeedRun
{
    private const int ShrinkingRuns = 20;

    public static void RequireOk(SimulationOptions options, ITestOutputHelper output)
    {
        SimulationResult result = Simulator.Simulation.Run(options);
        output.WriteLine(result.ToString());
        if (result.IsOk) return;
        SimulationResult shrunk = result.Violations.Count > 0 ? Shrinker.Shrink(result, ShrinkingRuns) : result;
        Assert.Fail($"{result}\n{SimulationRun.Describe(shrunk, result)}");
    }
}
