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
        int committed = 0, elections = 0, crashes = 0, reads = 0, leases = 0, snapshots = 0, transfers = 0, silences = 0;
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
            silences += run.Silences;
        }

        string did =
            $"{committed} commits, {elections} elections, {crashes} crashes, {reads} reads, {leases} leases, "
            + $"{snapshots} snapshots, {transfers} transfers, {silences} times silent";
        Assert.True(committed > 5_000 && elections > 150 && crashes > 300 && reads > 500 && leases > 50
            && snapshots > 300 && transfers > 100 && silences > 500, did);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [Trait("Raft", "§6")]
    public void Safety_holds_and_the_cluster_recovers_while_its_members_change(int quarter)
    {
        int committed = 0, elections = 0, changes = 0, joint = 0, undone = 0, reads = 0, leases = 0;
        for (ulong seed = (ulong)quarter * 30; seed < ((ulong)quarter + 1) * 30; seed++)
        {
            RandomRun run = RunSeed(seed, changesMembers: true);
            committed += run.Committed;
            elections += run.Elections;
            changes += run.Changes;
            joint += run.JointChanges;
            undone += run.Undone;
            reads += run.Reads;
            leases += run.LeaseReads;
        }

        string did = $"{committed} commits, {elections} elections, {changes} changes, {joint} of voters, "
            + $"{undone} undone, {reads} reads, {leases} leases";
        Assert.True(committed > 4_000 && elections > 80 && changes > 120 && joint > 30 && undone > 0
            && reads > 300 && leases > 20, did);
    }

    private static RandomRun RunSeed(ulong seed, bool changesMembers = false)
    {
        try
        {
            var run = new RandomRun(seed, changesMembers);
            run.Run();
            return run;
        }
        catch (Exception failure)
        {
            throw new InvalidOperationException($"seed {seed} failed: {failure.Message}", failure);
        }
    }
}
