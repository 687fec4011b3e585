using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Xunit;
using static Orleans.Raft.Testing.StorageMachine;

namespace Orleans.Raft.Testing;

/// <summary>Snapshots are there once they are recorded, and then whole.</summary>
public abstract partial class StorageContract
{
    private (MachineReplica Replica, SnapshotFile File) OpenWithSnapshot()
    {
        _machine.Open();
        MachineReplica replica = _machine.OpenReplica(G1);
        replica.Write(Entries(1, 10));
        SnapshotFile file = _machine.WriteSnapshot(replica.Storage, Id(6), Content(5000));
        replica.RecordSnapshot(file);
        return (replica, file);
    }

    [Fact]
    public void A_recorded_snapshot_replaces_the_entries_it_covers()
    {
        (MachineReplica replica, SnapshotFile file) = OpenWithSnapshot();
        Assert.Equal(file, replica.Storage.Snapshot);
        Assert.Equal(5000, file.LengthBytes);
        Assert.Equal(Crc32C.Compute(Content(5000)), file.Checksum);
        _machine.Reopen();
        replica = _machine.OpenReplica(G1);
        Assert.Equal(file, replica.Storage.Recovered.Snapshot);
        Same.State(new RaftState(default, Id(6), Entries(7, 4)), replica.State);
        Assert.Equal(Content(5000), _machine.ReadSnapshot(replica.Storage, file));
        Assert.Equal(1, _machine.Storage.Status.SnapshotFiles);
    }

    [Fact]
    public void A_finished_snapshot_that_no_record_names_does_not_exist_after_a_restart()
    {
        _machine.Open();
        MachineReplica replica = _machine.OpenReplica(G1);
        replica.Write(Entries(1, 10));
        SnapshotFile file = _machine.WriteSnapshot(replica.Storage, Id(6), Content(5000));
        Assert.Equal(Content(5000), _machine.ReadSnapshot(replica.Storage, file));
        _machine.Reopen();
        Assert.Equal(0, _machine.SnapshotsKept);
        Same.State(new RaftState(default, EntryId.Zero, Entries(1, 10)), _machine.OpenReplica(G1).State);
    }

    [Fact]
    public void A_received_snapshot_replaces_the_whole_log_together_with_what_is_written_with_it()
    {
        _machine.Open();
        MachineReplica replica = _machine.OpenReplica(G1);
        replica.Write(Entries(1, 10));
        SnapshotFile file = _machine.WriteSnapshot(replica.Storage, Id(8, 3), Content(2000));
        replica.Write(Entries(9, 2, term: 3), new HardState(new Term(3), default, new LogIndex(8)), Id(8, 3));
        Assert.Equal(file, replica.Storage.Snapshot);
        _machine.Reopen();
        Same.State(new RaftState(new HardState(new Term(3), default, new LogIndex(8)), Id(8, 3),
            Entries(9, 2, term: 3)),
            _machine.OpenReplica(G1).State);
    }

    [Fact]
    public void A_received_snapshot_replaces_entries_beyond_it_too()
    {
        _machine.Open();
        MachineReplica replica = _machine.OpenReplica(G1);
        replica.Write(Entries(1, 20));
        _machine.WriteSnapshot(replica.Storage, Id(10, 3), Content(2000));
        replica.Write(snapshot: Id(10, 3));
        Same.State(new RaftState(default, Id(10, 3), default), _machine.OpenReplica(G1).State);
        _machine.Reopen();
        Same.State(new RaftState(default, Id(10, 3), default), _machine.OpenReplica(G1).State);
    }

    [Fact]
    public void Files_of_older_snapshots_go_unless_a_reader_holds_them()
    {
        (MachineReplica replica, SnapshotFile first) = OpenWithSnapshot();
        ISnapshotReader reader = null!;
        _machine.Run(async () => reader = await replica.Storage.OpenSnapshotAsync(first));
        SnapshotFile second = _machine.WriteSnapshot(replica.Storage, Id(8), Content(10));
        SnapshotFile pending = _machine.WriteSnapshot(replica.Storage, Id(30, 2), Content(20));
        replica.RecordSnapshot(second);
        Assert.Equal(3, _machine.SnapshotsKept);
        byte[] content = new byte[5000];
        _machine.Run(async () => Assert.Equal(5000, await reader.ReadAsync(0, content)));
        Assert.Equal(Content(5000), content);
        _machine.Run(() => reader.DisposeAsync().AsTask());
        _machine.Settle();
        Assert.Equal(2, _machine.SnapshotsKept); // The recorded one, and one that may yet be installed.
        Assert.Equal(DiskFailure.NotFound,
            Assert.Throws<DiskException>(() => _machine.ReadSnapshot(replica.Storage, first)).Failure);
        Assert.Equal(Content(20), _machine.ReadSnapshot(replica.Storage, pending));
    }

    [Fact]
    public void An_older_snapshot_that_finishes_late_changes_nothing()
    {
        (MachineReplica replica, SnapshotFile recorded) = OpenWithSnapshot();
        SnapshotFile late = _machine.WriteSnapshot(replica.Storage, Id(5), Content(10));
        replica.RecordSnapshot(late);
        Assert.Equal(recorded, replica.Storage.Snapshot);
        Assert.Equal(1, _machine.SnapshotsKept);
        _machine.Reopen();
        Same.State(new RaftState(default, Id(6), Entries(7, 4)), _machine.OpenReplica(G1).State);
    }

    [Fact]
    public void A_writer_disposed_early_leaves_nothing_behind()
    {
        _machine.Open();
        MachineReplica replica = _machine.OpenReplica(G1);
        _machine.Run(async () =>
        {
            await using ISnapshotWriter writer = await replica.Storage.CreateSnapshotAsync(Id(3));
            await writer.WriteAsync(Content(100));
            Assert.Equal(100, writer.LengthBytes);
        });
        Assert.Equal(0, _machine.SnapshotsKept);
    }
}
