using Orleans.Raft.Simulator;
using Xunit.Abstractions;

namespace Orleans.Raft.Simulation.Tests;

/// <summary>The real store in virtual time under all faults, always the same seeds.</summary>
public class FixedSeedTests(ITestOutputHelper output)
{
    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 10).Select(seed => (ulong)seed)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void No_violation_with_five_nodes_and_four_groups(ulong seed) =>
        SeedRun.RequireOk(new SimulationOptions { Seed = seed }, output);

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
