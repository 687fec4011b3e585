using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

/// <summary>Random histories on a disk that loses what was not flushed.</summary>
public sealed class PropertyTests
{
    [Fact]
    public void Whatever_happens_each_group_recovers_a_state_from_the_last_acknowledged_one_on()
    {
        int restarts = 0;
        int snapshots = 0;
        int retirements = 0;
        long writes = 0;
        for (int seed = 1; seed <= 120; seed++)
        {
            var run = new StorageHistory(new Machine(new SimulatedDisk(seed), segmentBytes: 4096 << (seed % 3),
                schedulerSeed: seed % 2 == 0 ? seed : null), seed);
            try
            {
                run.Go(400);
            }
            catch (Exception exception) when (exception is not Xunit.Sdk.XunitException)
            {
                throw new InvalidOperationException($"seed {seed}", exception);
            }
            restarts += run.Restarts;
            snapshots += run.Snapshots;
            retirements += run.Retirements;
            writes += run.Writes;
        }
        Assert.True(restarts > 1000 && snapshots > 2000 && retirements > 500 && writes > 20_000,
            $"{restarts} restarts, {snapshots} snapshots, {retirements} removals, {writes} writes");
    }
}
