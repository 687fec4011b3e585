using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Xunit;
using static Orleans.Raft.Testing.StorageMachine;

namespace Orleans.Raft.Testing;

/// <summary>What besides is seen only where a test decides when a flush ends.</summary>
public abstract class DeterministicStorageContract(StorageMachine machine) : StorageContract(machine)
{
    private readonly StorageMachine _machine = machine;

    [Fact]
    public void An_older_handle_is_fenced_at_once_and_its_queued_writes_are_recovered()
    {
        _machine.Open();
        MachineReplica older = _machine.OpenReplica(G1);
        _machine.HangFlushes();
        older.Submit(Entries(1, 1)); // On its way to the disk.
        _machine.Settle();
        older.Submit(Entries(2, 2)); // In the queue.
        Task<IReplicaStorage> opening = _machine.Start(() => _machine.Storage.OpenReplicaAsync(G1, R1).AsTask());
        _machine.Settle();
        Assert.False(older.Storage.IsCurrent);
        older.Submit(Entries(4, 1)); // Too late.
        Assert.False(opening.IsCompleted);
        _machine.ReleaseFlushes();
        _machine.Settle();
        IReplicaStorage newer = Completed(opening);
        Assert.True(newer.IsCurrent);
        Same.Entries(Entries(1, 3), newer.Recovered.State.Entries.Span);
        Assert.Equal(0ul, older.Observer.Durable); // It may acknowledge nothing any more.
        _machine.Reopen();
        Same.Entries(Entries(1, 3), _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void All_that_is_queued_is_written_and_flushed_once()
    {
        _machine.Open();
        MachineReplica first = _machine.OpenReplica(G1);
        MachineReplica second = _machine.OpenReplica(G2);
        long flushes = _machine.Flushes;
        for (ulong index = 1; index <= 20; index++)
        {
            first.Submit(Entries(index, 1));
            second.Submit(Entries(index, 1));
        }
        _machine.Settle();
        Assert.Equal(20ul, first.Observer.Durable);
        Assert.Equal(20ul, second.Observer.Durable);
        Assert.Equal(1, _machine.Flushes - flushes);
    }

    [Fact]
    public void Nothing_is_acknowledged_before_the_flush()
    {
        _machine.Open();
        MachineReplica replica = _machine.OpenReplica(G1);
        _machine.HangFlushes();
        replica.Submit(Entries(1, 1));
        _machine.Settle();
        Assert.Equal(0ul, replica.Observer.Durable);
        _machine.Reopen();
        Assert.True(_machine.OpenReplica(G1).State.Entries.IsEmpty);
        Assert.Equal(0ul, replica.Observer.Durable);
    }

    [Fact]
    public void A_hanging_flush_shows_in_the_status_and_ends_when_the_disk_goes_on()
    {
        _machine.Open();
        MachineReplica replica = _machine.OpenReplica(G1);
        Assert.Equal(TimeSpan.Zero, _machine.Storage.Status.StalledFor);
        _machine.HangFlushes();
        replica.Submit(Entries(1, 1));
        _machine.Settle();
        _machine.Time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(TimeSpan.FromSeconds(3), _machine.Storage.Status.StalledFor);
        Assert.Equal(0ul, replica.Observer.Durable);
        _machine.ReleaseFlushes();
        _machine.Settle();
        Assert.Equal(1ul, replica.Observer.Durable);
        Assert.Equal(TimeSpan.Zero, _machine.Storage.Status.StalledFor);
        Assert.Null(_machine.Storage.Status.Failure);
    }

    [Fact]
    public void An_install_that_was_not_flushed_leaves_the_old_log()
    {
        _machine.Open();
        MachineReplica replica = _machine.OpenReplica(G1);
        replica.Write(Entries(1, 10));
        _machine.WriteSnapshot(replica.Storage, Id(50, 3), Content(2000));
        _machine.HangFlushes();
        replica.Submit(snapshot: Id(50, 3));
        _machine.Settle();
        _machine.Reopen();
        Same.State(new RaftState(default, EntryId.Zero, Entries(1, 10)), _machine.OpenReplica(G1).State);
        Assert.Equal(0, _machine.SnapshotsKept);
    }
}
