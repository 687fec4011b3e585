using Orleans.Raft.Core;
using Orleans.Raft.Simulator;
using Xunit.Abstractions;

namespace Orleans.Raft.Mutations;

/// <summary>What the simulator finds as it is, knowing nothing of any bug: the seeds count from 1. Without a bug these
/// seeds find nothing, see <c>FixedSeedTests</c>.</summary>
public sealed class SimulatorMutations(ITestOutputHelper output)
{
    private const int SeedsMost = 40;

    [Theory]
    [InlineData(nameof(FaultPoint.TwoVotesInOneTerm))]
    [InlineData(nameof(FaultPoint.UpToDateCheckDropped))]
    [InlineData(nameof(FaultPoint.AcknowledgementBeforeFlush))]
    [InlineData(nameof(FaultPoint.LeaderCountsUnflushed))]
    [InlineData(nameof(FaultPoint.PreviousTermUnchecked))]
    [InlineData(nameof(FaultPoint.LogTruncatedOnMatch))]
    [InlineData(nameof(FaultPoint.ReadIndexBeforeNoOp))]
    [InlineData(nameof(FaultPoint.ApplySkipsEntry))]
    [InlineData(nameof(FaultPoint.LogNotFlushed))]
    [InlineData(nameof(FaultPoint.LogChecksumIgnored))]
    [InlineData(nameof(FaultPoint.TornTailKept))]
    [InlineData(nameof(FaultPoint.IdleGroupDropped))]
    [InlineData(nameof(FaultPoint.FencedInstanceWrites))]
    [InlineData(nameof(FaultPoint.SnapshotNotFlushed))]
    [InlineData(nameof(FaultPoint.SessionsLostInSnapshot))]
    [InlineData(nameof(FaultPoint.RetryAppliedTwice))]
    [InlineData(nameof(FaultPoint.ReadServedAfterSteppingDown))]
    [InlineData(nameof(FaultPoint.ReadServedBeforeApplied))]
    public void The_simulator_finds(string name)
    {
        FaultPoint bug = Enum.Parse<FaultPoint>(name);
        SimulationResult? found = BugHunt.Find(new SimulationOptions { Bug = bug }, firstSeed: 1, SeedsMost);
        Assert.True(found is not null,
            $"{bug} was not found in {SeedsMost} seeds: dotnet run --project Tests/Simulator -c Release -- "
            + $"--bug {bug} --seeds {SeedsMost}");
        output.WriteLine($"seed {found.Options.Seed} finds {bug}: {found.Violations[0].Split('\n')[0]}");
    }
}
