using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

/// <summary>A replica's id is its life: what was removed never comes back.</summary>
public sealed class RetirementTests
{
    private static readonly HardState Voted = new(new Term(3), new ReplicaId(2), new LogIndex(7));

    private readonly Machine _machine = new();

    private string[] SnapshotFiles =>
        [.. _machine.Disk.Files.Where(file => file.StartsWith("snapshots/", StringComparison.Ordinal))];

    private Replica OpenWithSnapshot(ulong id = 4)
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1, id);
        replica.Write(Entries(1, 10), Voted);
        replica.RecordSnapshot(_machine.WriteSnapshot(replica.Storage, Id(6), Content(5000)));
        return replica;
    }

    private void RequireRemoved()
    {
        StoredReplica stored = _machine.Storage.FindReplica(G1);
        Assert.Equal((ReplicaId.None, new ReplicaId(4), null), (stored.Replica, stored.Removed, stored.Snapshot));
        Assert.Equal([stored], _machine.Storage.Replicas);
        for (ulong id = 1; id <= 4; id++)
        {
            ulong refused = id;
            Assert.False(stored.MayOpen(new ReplicaId(refused)));
            Assert.Throws<ReplicaRefusedException>(() => _machine.OpenReplica(G1, refused));
        }
    }

    [Fact]
    public void A_removed_replica_leaves_nothing_but_the_word_that_it_is_gone_across_restarts_too()
    {
        OpenWithSnapshot();
        _machine.Retire(G1, 4);
        _machine.Scheduler.RunUntilIdle();
        Assert.Empty(SnapshotFiles);
        RequireRemoved();
        _machine.Reopen();
        RequireRemoved();
        Same.State(RaftState.Empty, _machine.OpenReplica(G1, 5).State);
    }

    [Fact]
    public void A_later_replica_begins_empty_and_the_one_before_stays_removed()
    {
        OpenWithSnapshot();
        _machine.Retire(G1, 4);
        Replica later = _machine.OpenReplica(G1, 5);
        Same.State(RaftState.Empty, later.State);
        Assert.Null(later.Storage.Snapshot);
        later.Write(Entries(1, 2, term: 9));
        _machine.Reopen();
        Assert.Throws<ReplicaRefusedException>(() => _machine.OpenReplica(G1, 4));
        later = _machine.OpenReplica(G1, 5);
        Same.State(new RaftState(default, EntryId.Zero, Entries(1, 2, term: 9)), later.State);
        _machine.Retire(G1, 4); // Known already, and no word against the later one.
        Assert.True(later.Storage.IsCurrent);
        _machine.Reopen();
        Same.State(new RaftState(default, EntryId.Zero, Entries(1, 2, term: 9)), _machine.OpenReplica(G1, 5).State);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    public void Only_the_replica_whose_state_is_here_can_be_opened_and_a_refused_one_fences_nobody(ulong other)
    {
        Replica replica = OpenWithSnapshot();
        ReplicaRefusedException refused =
            Assert.Throws<ReplicaRefusedException>(() => _machine.OpenReplica(G1, other));
        Assert.Contains("r4", refused.Message, StringComparison.Ordinal);
        Assert.True(replica.Storage.IsCurrent);
        replica.Write(Entries(11, 1));
        _machine.Reopen();
        Assert.Throws<ReplicaRefusedException>(() => _machine.OpenReplica(G1, other));
        Assert.Equal(new LogIndex(11), _machine.OpenReplica(G1, 4).State.Entries.Span[^1].Index);
    }

    [Fact]
    public void A_replica_that_never_was_here_can_be_removed()
    {
        _machine.Open();
        _machine.Retire(G1, 4);
        RequireRemoved();
        _machine.Reopen();
        RequireRemoved();
    }

    [Fact]
    public void A_removed_replicas_handle_writes_nothing_any_more()
    {
        Replica removed = OpenWithSnapshot();
        ISnapshotWriter writer = null!;
        _machine.Run(async () => writer = await removed.Storage.CreateSnapshotAsync(Id(9)));
        _machine.Retire(G1, 4);
        Assert.False(removed.Storage.IsCurrent);
        Assert.Null(removed.Storage.Snapshot);
        removed.Submit(Entries(11, 5));
        Assert.Throws<FencedException>(() => _machine.Run(async () => await writer.FinishAsync()));
        _machine.Run(() => writer.DisposeAsync().AsTask());
        _machine.Scheduler.RunUntilIdle();
        Assert.Empty(SnapshotFiles);
        Assert.Empty(removed.Observer.Failures);
        _machine.Reopen();
        RequireRemoved();
    }

    [Fact]
    public void A_reader_keeps_the_file_until_it_closes_and_the_next_replicas_file_of_the_same_entry_stays()
    {
        Replica replica = OpenWithSnapshot();
        ISnapshotReader reader = null!;
        _machine.Run(async () => reader = await replica.Storage.OpenSnapshotAsync(replica.Storage.Snapshot!));
        _machine.Retire(G1, 4);
        _machine.Scheduler.RunUntilIdle();
        byte[] content = new byte[5000];
        _machine.Run(async () => Assert.Equal(5000, await reader.ReadAsync(0, content)));
        Assert.Equal(Content(5000), content);
        Replica later = _machine.OpenReplica(G1, 5);
        SnapshotFile same = _machine.WriteSnapshot(later.Storage, Id(6), Content(5000));
        later.Write(snapshot: Id(6));
        Assert.Equal(2, SnapshotFiles.Length);
        _machine.Run(() => reader.DisposeAsync().AsTask());
        _machine.Scheduler.RunUntilIdle();
        Assert.Single(SnapshotFiles);
        Assert.Equal(Content(5000), _machine.ReadSnapshot(later.Storage, same));
        _machine.Reopen();
        Assert.Equal(same, _machine.OpenReplica(G1, 5).Storage.Snapshot);
    }

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
