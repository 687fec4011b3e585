using System.Diagnostics;
using Orleans.Raft.Simulator;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulation.Tests;

/// <summary>A seed decides everything.</summary>
public class ReplayTests
{
    /// <summary>On disks and on databases: see <see cref="Storage_that_the_seed_draws_is_as_good_as_named"/>.</summary>
    [Fact]
    public void A_seed_gives_the_same_trace_in_two_processes()
    {
        string there = RunInProcess("--seed", "7", "--seeds", "2");
        foreach (ulong seed in new ulong[] { 7, 8 })
        {
            string here = Simulator.Simulation.Run(new SimulationOptions { Seed = seed }).ToString();
            Assert.Matches($"^seed {seed} .* trace [0-9a-f]{{16}} ", here);
            Assert.Contains(here, there.Split('\n'));
        }
    }

    [Fact]
    public void Another_seed_gives_another_trace()
    {
        var options = new SimulationOptions { Duration = TimeSpan.FromSeconds(1) };
        Assert.NotEqual(Simulator.Simulation.Run(options with { Seed = 7 }).TraceHash,
            Simulator.Simulation.Run(options with { Seed = 8 }).TraceHash);
    }

    /// <summary>So that a seed which finds a bug on disks goes on finding it.</summary>
    [Theory]
    [InlineData(7, SimulatedStorage.Disks)]
    [InlineData(8, SimulatedStorage.Databases)]
    public void Storage_that_the_seed_draws_is_as_good_as_named(ulong seed, SimulatedStorage drawn)
    {
        var options = new SimulationOptions { Seed = seed, Duration = TimeSpan.FromSeconds(5) };
        Assert.Equal(drawn, options.StorageUsed);
        ulong trace = Simulator.Simulation.Run(options).TraceHash;
        Assert.Equal(trace, Simulator.Simulation.Run(options with { Storage = drawn }).TraceHash);
        FaultKind[] kinds = [.. FaultSchedule.Draw(options).Faults.Select(fault => fault.Kind)];
        Assert.All(kinds, kind => Assert.True(FaultSchedule.IsOf(drawn, kind), $"{kind} on {drawn}"));
        Assert.Equal(drawn == SimulatedStorage.Databases, kinds.Contains(FaultKind.SecondOpening));
    }

    [Fact]
    public void Faults_that_are_left_out_do_not_happen_and_the_others_keep_their_numbers()
    {
        var options = new SimulationOptions { Seed = 5, Duration = TimeSpan.FromSeconds(20) };
        FaultSchedule all = FaultSchedule.Draw(options);
        FaultSchedule one = FaultSchedule.Draw(options with { Keep = new HashSet<int> { 2 } });
        Assert.Equal([all.Faults[1]], one.Faults);
        Assert.All(FaultSchedule.Draw(options with { Faults = [FaultKind.Pause, FaultKind.Loss] }).Faults,
            fault => Assert.True(fault.Kind is FaultKind.Pause or FaultKind.Loss));
    }

    [Theory]
    [InlineData("--faults", "pause,flood", "There is no fault 'flood'")]
    [InlineData("--keep", "1,two", "--keep takes numbers")]
    [InlineData("--nonsense", "1", "--nonsense")]
    [InlineData("--seeds", "0", "--seeds must be at least 1")]
    [InlineData("--storage", "tape", "--storage must be disks, databases or drawn")]
    [InlineData("--nodes", "2", "--nodes must be 3 to 99")]
    [InlineData("--bug", "Typo", "There is no bug 'Typo'")]
    public void Wrong_arguments_are_named(string option, string value, string expected)
    {
        (int exitCode, string printed) = Start(option, value);
        Assert.Equal(2, exitCode);
        Assert.Contains(expected, printed);
    }

    private static string RunInProcess(params string[] arguments)
    {
        (int exitCode, string printed) = Start(arguments);
        Assert.True(exitCode == 0, printed);
        return printed;
    }

    private static (int ExitCode, string Printed) Start(params string[] arguments)
    {
        string assembly = Path.Combine(AppContext.BaseDirectory, "Orleans.Raft.Simulator.dll");
        using Process process = Process.Start(new ProcessStartInfo("dotnet", [assembly, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        string printed = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, printed);
    }
}
