using System.Diagnostics;
using Orleans.Raft.Simulator;

namespace Orleans.Raft.Simulation.Tests;

/// <summary>A seed decides everything.</summary>
public class ReplayTests
{
    [Fact]
    public void A_seed_gives_the_same_trace_in_two_processes()
    {
        string first = RunInProcess("--seed", "7"), second = RunInProcess("--seed", "7");
        Assert.Matches("^seed 7 .* trace [0-9a-f]{16} ", first);
        Assert.Equal(first, second);
        Assert.NotEqual(TraceOf(first), TraceOf(RunInProcess("--seed", "8")));
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

    private static string TraceOf(string printed) => printed[printed.IndexOf("trace")..][..22];

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
