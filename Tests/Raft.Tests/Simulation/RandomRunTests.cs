namespace Orleans.Raft.Core.Tests;

[Trait("Raft", "Figure 3")]
public sealed class RandomRunTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Safety_holds_and_the_cluster_recovers(int quarter)
    {
        int committed = 0, elections = 0, crashes = 0, reads = 0, leases = 0, snapshots = 0, transfers = 0;
        for (ulong seed = (ulong)quarter * 50; seed < ((ulong)quarter + 1) * 50; seed++)
        {
            RandomRun run = RunSeed(seed);
            committed += run.Committed;
            elections += run.Elections;
            crashes += run.Crashes;
            reads += run.Reads;
            leases += run.LeaseReads;
            snapshots += run.Snapshots;
            transfers += run.Transfers;
        }

        string did =
            $"{committed} commits, {elections} elections, {crashes} crashes, {reads} reads, {leases} leases, "
            + $"{snapshots} snapshots, {transfers} transfers";
        Assert.True(committed > 5_000 && elections > 150 && crashes > 300 && reads > 500 && leases > 50
            && snapshots > 300 && transfers > 100, did);
    }

    private static RandomRun RunSeed(ulong seed)
    {
        try
        {
            var run = new RandomRun(seed);
            run.Run();
            return run;
        }
        catch (Exception failure)
        {
            throw new InvalidOperationException($"seed {seed} failed: {failure.Message}", failure);
        }
    }
}
