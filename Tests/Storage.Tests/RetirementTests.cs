using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

/// <summary>A replica's id is its life: what was removed never comes back.</summary>
public sealed class RetirementTests
{
    private static readonly HardState Voted = new(new Term(3), new ReplicaId(2), new LogIndex(7));

    private readonly Machine _machine = new();

    [Theory]
    [InlineData(CrashLoss.Everything)]
    [InlineData(CrashLoss.Random)]
    [InlineData(CrashLoss.Nothing)]
    public void A_crash_at_any_step_of_a_removal_leaves_all_or_nothing(CrashLoss loss)
    {
        bool finished = false;
        int kept = 0, gone = 0;
        for (int operations = 0; !finished; operations++)
        {
            var machine = new Machine(new SimulatedDisk(operations));
            machine.Open();
            Replica replica = machine.OpenReplica(G1, 4);
            replica.Write(Entries(1, 10), Voted);
            replica.RecordSnapshot(machine.WriteSnapshot(replica.Storage, Id(6), Content(700)));
            machine.Disk.PowerOffAfter(operations);
            bool acknowledged = false;
            try
            {
                machine.Retire(G1, 4);
                acknowledged = true;
                machine.Scheduler.RunUntilIdle();
            }
            catch (DiskException)
            {
                Assert.False(acknowledged);
            }
            finished = operations > 20;
            machine.Reopen(loss);
            StoredReplica stored = machine.Storage.FindReplica(G1);
            if (stored.Replica.IsNone)
            {
                gone++;
                Assert.Equal(new ReplicaId(4), stored.Removed);
                Same.State(RaftState.Empty, machine.OpenReplica(G1, 5).State);
                Assert.DoesNotContain(machine.Disk.Files, path => path.StartsWith("snap", StringComparison.Ordinal));
            }
            else
            {
                kept++;
                Assert.False(acknowledged);
                replica = machine.OpenReplica(G1, 4);
                Same.State(new RaftState(Voted, Id(6), Entries(7, 4)), replica.State);
                Assert.Equal(Content(700), machine.ReadSnapshot(replica.Storage, replica.Storage.Snapshot!));
            }
        }
        Assert.True(kept > 0 && gone > 3, $"{kept} kept, {gone} gone");
    }

    [Fact]
    public void Removals_are_carried_on_and_count_as_live_while_the_log_stays_within_its_bound()
    {
        var machine = new Machine(segmentBytes: 8192);
        machine.Open();
        long before = machine.Storage.Status.LiveBytes;
        for (uint group = 10; group < 30; group++) machine.OpenReplica(new GroupId(group), 2).Write(Entries(1, 3));
        for (uint group = 10; group < 30; group++) machine.Retire(new GroupId(group), 2);
        Assert.Equal(20 * LogFormat.MetaBytes, machine.Storage.Status.LiveBytes - before);
        RemovalTests.RunHot(machine, machine.OpenReplica(G2), 1, 60);
        Assert.DoesNotContain("log/00000001.log", machine.Disk.Files);
        StorageStatus status = machine.Storage.Status;
        Assert.True(status.LogBytes < (2 * status.LiveBytes) + (4 * 8192));
        machine.Reopen();
        for (uint group = 10; group < 30; group++)
        {
            Assert.Equal(new StoredReplica(new GroupId(group), default, new ReplicaId(2), null),
                machine.Storage.FindReplica(new GroupId(group)));
        }
    }

    [Fact]
    public void A_formation_is_written_anew_only_where_there_is_one()
    {
        _machine.Open();
        void Rewrite(byte[] bytes) => _machine.Run(() => _machine.Storage.RewriteFormationAsync(bytes).AsTask());
        Assert.Throws<InvalidOperationException>(() => Rewrite(Content(10)));
        _machine.Run(() => _machine.Storage.WriteFormationAsync(Content(100)).AsTask());
        long before = _machine.Storage.Status.LiveBytes;
        Rewrite(Content(300, 2));
        Assert.Equal(Content(300, 2), _machine.Storage.Formation!.Value.ToArray());
        Assert.Equal(200, _machine.Storage.Status.LiveBytes - before);
        _machine.Reopen();
        Assert.Equal(Content(300, 2), _machine.Storage.Formation!.Value.ToArray());
        Assert.Equal(before + 200, _machine.Storage.Status.LiveBytes);
    }
}
