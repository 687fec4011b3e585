using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Xunit;
using static Orleans.Raft.Testing.StorageMachine;

namespace Orleans.Raft.Testing;

/// <summary>An older handle can do nothing any more.</summary>
public abstract partial class StorageContract
{
    [Fact]
    public void Every_opening_has_a_larger_incarnation_across_restarts_too()
    {
        _machine.Open();
        ulong first = _machine.OpenReplica(G1).Storage.Incarnation;
        ulong second = _machine.OpenReplica(G1).Storage.Incarnation;
        _machine.Reopen();
        ulong third = _machine.OpenReplica(G1).Storage.Incarnation;
        Assert.True(first < second && second < third);
    }

    [Fact]
    public void What_a_fenced_handle_submits_never_reaches_the_disk()
    {
        _machine.Open();
        MachineReplica older = _machine.OpenReplica(G1);
        MachineReplica newer = _machine.OpenReplica(G1);
        older.Submit(Entries(1, 5, term: 9), new HardState(new Term(9), new ReplicaId(3), default));
        _machine.Settle();
        newer.Write(Entries(1, 1, term: 2));
        Assert.Equal(0ul, older.Observer.Durable);
        Assert.Empty(older.Observer.Failures);
        _machine.Reopen();
        Same.State(new RaftState(default, EntryId.Zero, Entries(1, 1, term: 2)), _machine.OpenReplica(G1).State);
    }

    [Fact]
    public void A_fenced_handle_can_neither_make_nor_record_nor_read_snapshots()
    {
        _machine.Open();
        MachineReplica older = _machine.OpenReplica(G1);
        older.Write(Entries(1, 5));
        SnapshotFile file = _machine.WriteSnapshot(older.Storage, Id(3), Content(100));
        ISnapshotWriter writer = null!;
        _machine.Run(async () => writer = await older.Storage.CreateSnapshotAsync(Id(4)));
        MachineReplica newer = _machine.OpenReplica(G1);
        Assert.Throws<FencedException>(() => older.RecordSnapshot(file));
        Assert.Throws<FencedException>(() => _machine.WriteSnapshot(older.Storage, Id(5), Content(1)));
        Assert.Throws<FencedException>(() => _machine.ReadSnapshot(older.Storage, file));
        Assert.Throws<FencedException>(() => _machine.Run(async () => await writer.FinishAsync()));
        _machine.Run(() => writer.DisposeAsync().AsTask());
        _machine.Settle();
        Assert.Equal(1, _machine.SnapshotsKept);
        newer.RecordSnapshot(file); // It was finished in time, so it is there.
    }

    [Fact]
    public void Two_openings_at_once_leave_one_current_handle()
    {
        _machine.Open();
        Task<IReplicaStorage>[] openings =
            [.. Enumerable.Range(0, 5)
                .Select(_ => _machine.Start(() => _machine.Storage.OpenReplicaAsync(G1, R1).AsTask()))];
        _machine.Settle();
        IReplicaStorage[] handles = [.. openings.Select(Completed)];
        IReplicaStorage current = Assert.Single(handles, handle => handle.IsCurrent);
        Assert.All(handles, handle => Assert.True(handle.Incarnation <= current.Incarnation));
        Assert.Equal(5, handles.Select(handle => handle.Incarnation).Distinct().Count());
    }
}
