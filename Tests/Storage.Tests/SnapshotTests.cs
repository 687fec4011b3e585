using System.Buffers.Binary;
using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

public sealed class SnapshotTests
{
    private readonly Machine _machine = new();

    private string[] SnapshotFiles =>
        [.. _machine.Disk.Files.Where(file => file.StartsWith("snapshots/", StringComparison.Ordinal))];

    private (Replica Replica, SnapshotFile File) OpenWithSnapshot()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        replica.Write(Entries(1, 10));
        SnapshotFile file = _machine.WriteSnapshot(replica.Storage, Id(6), Content(5000));
        replica.RecordSnapshot(file);
        return (replica, file);
    }

    [Fact]
    public void A_full_disk_fails_the_snapshot_alone()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        replica.Write(Entries(1, 10));
        _machine.Disk.FreeBytes = 3000;
        Assert.Equal(DiskFailure.Full, Assert.Throws<DiskException>(
            () => _machine.WriteSnapshot(replica.Storage, Id(6), Content(5000))).Failure);
        Assert.Empty(SnapshotFiles);
        replica.Write(Entries(11, 1));
        Assert.Null(_machine.Storage.Status.Failure);
    }

    [Theory]
    [InlineData(DiskOperationKind.Create)]
    [InlineData(DiskOperationKind.Write)]
    [InlineData(DiskOperationKind.Flush)]
    [InlineData(DiskOperationKind.Rename)]
    [InlineData(DiskOperationKind.FlushDirectory)]
    public void A_snapshot_that_fails_at_any_step_leaves_nothing_behind_and_the_next_one_succeeds(
        DiskOperationKind kind)
    {
        (Replica replica, SnapshotFile before) = OpenWithSnapshot();
        string[] files = SnapshotFiles;
        _machine.Disk.FailNext(kind, "snapshots");
        Assert.Throws<DiskException>(() => _machine.WriteSnapshot(replica.Storage, Id(8), Content(3000)));
        Assert.Equal(files, SnapshotFiles);
        Assert.Equal(before, replica.Storage.Snapshot);
        replica.Write(Entries(11, 1));
        Assert.Null(_machine.Storage.Status.Failure);

        SnapshotFile after = _machine.WriteSnapshot(replica.Storage, Id(8), Content(3000));
        replica.RecordSnapshot(after);
        _machine.Crash();
        _machine.Open();
        replica = _machine.OpenReplica(G1);
        Assert.Equal(after, replica.Storage.Recovered.Snapshot);
        Assert.Equal(Content(3000), _machine.ReadSnapshot(replica.Storage, after));
        Same.State(new RaftState(default, Id(8), Entries(9, 3)), replica.State);
    }

    [Fact]
    public void A_failed_snapshot_whose_file_cannot_be_removed_either_goes_at_the_next_start()
    {
        (Replica replica, SnapshotFile before) = OpenWithSnapshot();
        _machine.Disk.FailNext(DiskOperationKind.FlushDirectory, "snapshots");
        _machine.Disk.FailNext(DiskOperationKind.Delete, "snapshots");
        Assert.Throws<DiskException>(() => _machine.WriteSnapshot(replica.Storage, Id(8), Content(3000)));
        Assert.Equal(2, SnapshotFiles.Length);
        _machine.Reopen();
        Assert.Single(SnapshotFiles);
        Assert.Equal(before, _machine.OpenReplica(G1).Storage.Snapshot);
    }

    [Fact]
    public void A_missing_or_shortened_recorded_snapshot_is_refused_at_opening()
    {
        OpenWithSnapshot();
        _machine.Crash();
        string path = Assert.Single(SnapshotFiles);
        byte[] bytes = _machine.Disk.ReadAll(path);
        _machine.Disk.Remove(path);
        Assert.Equal(path, Assert.Throws<CorruptionException>(() => _machine.Open()).Path);
        _machine.Disk.WriteAll(path, bytes.AsSpan(0, bytes.Length - 1));
        Assert.Equal(path, Assert.Throws<CorruptionException>(() => _machine.Open()).Path);
        _machine.Disk.WriteAll(path, [.. bytes, 0]);
        Assert.Equal(path, Assert.Throws<CorruptionException>(() => _machine.Open()).Path);
        _machine.Disk.WriteAll(path, bytes);
        _machine.Open();
    }

    [Fact]
    public void A_flipped_bit_in_a_snapshot_is_found_when_it_is_read()
    {
        (_, SnapshotFile file) = OpenWithSnapshot();
        _machine.Crash();
        string path = Assert.Single(SnapshotFiles);
        foreach (int offset in (int[])[64, 3000, 5063])
        {
            _machine.Disk.Rot(path, offset);
            _machine.Open();
            Replica replica = _machine.OpenReplica(G1);
            Assert.Equal(path,
                Assert.Throws<CorruptionException>(() => _machine.ReadSnapshot(replica.Storage, file)).Path);
            _machine.Crash();
            _machine.Disk.Rot(path, offset);
        }
        _machine.Disk.Rot(path, 40);
        Assert.Throws<CorruptionException>(() => _machine.Open());
    }

    [Fact]
    public void A_newer_snapshot_version_is_refused_naming_both()
    {
        OpenWithSnapshot();
        _machine.Crash();
        string path = Assert.Single(SnapshotFiles);
        byte[] bytes = _machine.Disk.ReadAll(path);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), 4);
        bytes.AsSpan(12, 4).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), Crc32C.Compute(bytes.AsSpan(0, 64)));
        _machine.Disk.WriteAll(path, bytes);
        UnsupportedFileVersionException exception =
            Assert.Throws<UnsupportedFileVersionException>(() => _machine.Open());
        Assert.Equal((4, 2), (exception.Found, exception.Understood));
    }

    [Theory]
    [InlineData(CrashLoss.Everything)]
    [InlineData(CrashLoss.Random)]
    public void A_crash_at_any_step_of_a_snapshot_leaves_the_old_state_or_the_new_one(CrashLoss loss)
    {
        bool finished = false;
        int old = 0;
        int fresh = 0;
        for (int operations = 0; !finished; operations++)
        {
            var machine = new Machine(new SimulatedDisk(operations));
            machine.Open();
            Replica replica = machine.OpenReplica(G1);
            replica.Write(Entries(1, 10));
            replica.RecordSnapshot(machine.WriteSnapshot(replica.Storage, Id(3), Content(700, 3)));
            machine.Disk.PowerOffAfter(operations);
            try
            {
                replica.RecordSnapshot(machine.WriteSnapshot(replica.Storage, Id(6), Content(1500, 6)));
                finished = true;
            }
            catch (DiskException)
            {
                Assert.False(finished);
            }
            machine.Reopen(loss);
            replica = machine.OpenReplica(G1);
            SnapshotFile recorded = replica.Storage.Recovered.Snapshot!;
            ulong index = recorded.Last.Index.Value;
            Assert.True(finished ? index == 6 : index is 3 or 6);
            _ = index == 3 ? old++ : fresh++;
            Assert.Equal(Content(index == 3 ? 700 : 1500, (int)index), machine.ReadSnapshot(replica.Storage, recorded));
            Same.State(new RaftState(default, Id(index), Entries(index + 1, 10 - (int)index)), replica.State);
        }
        Assert.True(old > 3 && fresh > 0);
    }
}
