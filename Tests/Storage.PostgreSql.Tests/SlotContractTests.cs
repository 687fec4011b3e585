using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.PostgreSql.Tests;

/// <summary>What every kind of storage promises, in a database.</summary>
public sealed class SlotContractTests() : DeterministicStorageContract(new SlotMachine());

/// <summary>The same where every connection breaks now and then, before or after what was asked took effect.</summary>
public sealed class SlotContractOnBrokenConnectionsTests() : StorageContract(new SlotMachine
{
    Database = { BrokenPerMille = 300 },
});

/// <summary>Random histories where flushes arrive late, twice, or never, and answers are lost.</summary>
public sealed class SlotPropertyTests
{
    [Fact]
    public void Whatever_happens_each_group_recovers_a_state_from_the_last_acknowledged_one_on()
    {
        int restarts = 0, snapshots = 0, retirements = 0;
        long writes = 0, broken = 0, repeated = 0;
        for (int seed = 1; seed <= 100; seed++)
        {
            var machine = new SlotMachine(seed, seed % 2 == 0 ? seed : null);
            machine.Database.BrokenPerMille = seed % 3 == 0 ? 0 : 100;
            if (seed % 4 == 0)
                machine.Database.SlowDown(TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(20));
            var history = new StorageHistory(machine, seed);
            try
            {
                history.Go(300);
            }
            catch (Exception exception) when (exception is not Xunit.Sdk.XunitException)
            {
                throw new InvalidOperationException($"seed {seed}", exception);
            }
            restarts += history.Restarts;
            snapshots += history.Snapshots;
            retirements += history.Retirements;
            writes += history.Writes;
            broken += machine.Database.Broken;
            repeated += machine.Database.Repeated;
        }
        Assert.True(restarts > 700 && snapshots > 1500 && retirements > 300 && writes > 14_000 && broken > 500
            && repeated > 100, $"{restarts} restarts, {snapshots} snapshots, {retirements} removals, {writes} writes, "
            + $"{broken} broken connections, {repeated} flushes that came twice");
    }
}
