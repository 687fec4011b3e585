using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Orleans.Raft.Storage.Tests;
using Orleans.Raft.Testing;
using static Orleans.Raft.Testing.StorageMachine;
using Replica = Orleans.Raft.Testing.MachineReplica;

namespace Orleans.Raft.Mutations;

/// <summary>Bugs in the log, its recovery, its removal, and snapshot files.</summary>
public sealed class StorageMutations
{
    private const string FirstSegment = "log/00000001.log";

    [Fact]
    public void An_acknowledgement_before_the_flush_is_found() => Mutation.IsFound(FaultPoint.LogNotFlushed,
        "0 of 3 acknowledged entries survived", faults =>
    {
        Machine machine = Start(faults);
        machine.OpenReplica(G1).Write(Entries(1, 3));
        machine.Reopen();
        RequireEntries(machine, 3);
    });

    [Fact]
    public void A_log_batch_with_a_wrong_checksum_that_is_believed_is_found() => Mutation.IsFound(
        FaultPoint.LogChecksumIgnored, "became", faults =>
    {
        Machine machine = Start(faults);
        Replica replica = machine.OpenReplica(G1);
        for (ulong index = 1; index <= 3; index++) replica.Write(Entries(index, 1));
        machine.Crash();
        int payload = machine.Disk.ReadAll(FirstSegment).AsSpan().IndexOf(Entry(2).Payload.Span);
        machine.Disk.Rot(FirstSegment, payload + 5);
        if (IsRefused(machine)) return;
        Same.Entries(Entries(1, 3), machine.OpenReplica(G1).State.Entries.Span);
    });

    [Fact]
    public void A_snapshot_with_a_wrong_checksum_that_is_believed_is_found() => Mutation.IsFound(
        FaultPoint.SnapshotChecksumIgnored, "a damaged snapshot was believed", faults =>
    {
        Machine machine = Start(faults);
        Replica replica = machine.OpenReplica(G1);
        replica.Write(Entries(1, 3));
        SnapshotFile file = machine.WriteSnapshot(replica.Storage, Id(3), Content(5000));
        replica.RecordSnapshot(file);
        string path = machine.Disk.Files.Single(name => name.StartsWith("snapshots/", StringComparison.Ordinal));
        machine.Disk.Rot(path, 2000);
        Exception? refusal = Record.Exception(() => machine.ReadSnapshot(replica.Storage, file));
        Assert.True(refusal is CorruptionException, "a damaged snapshot was believed");
    });

    [Fact]
    public void A_torn_tail_that_is_kept_is_found() => Mutation.IsFound(FaultPoint.TornTailKept,
        "was written after it", faults =>
    {
        Machine machine = Start(faults);
        Replica replica = machine.OpenReplica(G1);
        for (ulong index = 1; index <= 3; index++) replica.Write(Entries(index, 1));
        machine.Crash();
        int payload = machine.Disk.ReadAll(FirstSegment).AsSpan().IndexOf(Entry(3).Payload.Span);
        machine.Disk.Rot(FirstSegment, payload + 5);
        machine.Open();
        RequireEntries(machine, 2);
        machine.OpenReplica(G1).Write(Entries(3, 2));
        machine.Reopen();
        RequireEntries(machine, 4);
    });

    [Fact]
    public void Recovered_data_that_was_not_flushed_is_found() => Mutation.IsFound(FaultPoint.RecoveredNotFlushed,
        "3 of 4 acknowledged entries survived", faults =>
    {
        Machine machine = Start(faults);
        Replica replica = machine.OpenReplica(G1);
        replica.Write(Entries(1, 3));
        machine.Disk.FailNext(DiskOperationKind.Flush, FirstSegment);
        replica.Submit(Entries(4, 1));
        machine.Scheduler.RunUntilIdle();
        Assert.Single(replica.Observer.Failures);
        machine.Crash(); // The process ends, the machine goes on: the fourth entry is in the page cache.
        machine.Open();
        machine.Reopen();
        RequireEntries(machine, 4);
    });

    [Fact]
    public void An_idle_groups_records_dropped_with_a_segment_are_found() => Mutation.IsFound(
        FaultPoint.IdleGroupDropped, "the idle group's vote is lost", faults =>
    {
        Machine machine = Start(faults, segmentBytes: 8192);
        machine.OpenReplica(G1).Write(hardState: new HardState(new Term(3), new ReplicaId(2), default));
        RemovalTests.RunHot(machine, machine.OpenReplica(G2), 1, 100);
        Assert.DoesNotContain("log/00000002.log", machine.Disk.Files); // Nor is the first needed any more.
        machine.Reopen();
        HardState state = machine.OpenReplica(G1).State.HardState;
        Assert.True(state == new HardState(new Term(3), new ReplicaId(2), default), "the idle group's vote is lost");
    });

    [Fact]
    public void A_fenced_instance_that_still_writes_is_found() => Mutation.IsFound(FaultPoint.FencedInstanceWrites,
        "a fenced instance wrote", faults =>
    {
        Machine machine = Start(faults);
        Replica older = machine.OpenReplica(G1);
        Replica newer = machine.OpenReplica(G1);
        older.Submit(Entries(1, 1, term: 9), new HardState(new Term(9), new ReplicaId(3), default));
        newer.Write(Entries(1, 1, term: 2), new HardState(new Term(2), new ReplicaId(1), default));
        Assert.True(older.Observer.Durable == 0, "a fenced instance wrote, and was told that it is durable");
        machine.Reopen();
        RequireEntries(machine, 1);
    });

    [Fact]
    public void A_snapshot_that_was_not_flushed_is_found() => Mutation.IsFound(FaultPoint.SnapshotNotFlushed,
        "it has 0 bytes instead of", faults =>
    {
        Machine machine = Start(faults);
        Replica replica = machine.OpenReplica(G1);
        replica.Write(Entries(1, 3));
        replica.RecordSnapshot(machine.WriteSnapshot(replica.Storage, Id(3), Content(5000)));
        machine.Reopen();
        Assert.Equal(Id(3), machine.OpenReplica(G1).State.Snapshot);
    });

    private static Machine Start(FaultPoints faults, int segmentBytes = 16 << 10)
    {
        var machine = new Machine(segmentBytes: segmentBytes)
        {
            Change = options => options with { Faults = faults },
        };
        machine.Open();
        return machine;
    }

    private static bool IsRefused(Machine machine)
    {
        Exception? refusal = Record.Exception(() => machine.Open());
        Assert.True(refusal is null or CorruptionException, $"{refusal}");
        return refusal is not null;
    }

    private static void RequireEntries(Machine machine, int expected)
    {
        int survived = machine.OpenReplica(G1).State.Entries.Length;
        Assert.True(survived == expected, $"{survived} of {expected} acknowledged entries survived");
    }
}
