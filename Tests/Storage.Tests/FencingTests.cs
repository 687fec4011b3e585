using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

public sealed class FencingTests
{
    private readonly Machine _machine = new();

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
    public void An_older_handle_is_fenced_at_once_and_its_queued_writes_are_recovered()
    {
        _machine.Open();
        Replica older = _machine.OpenReplica(G1);
        _machine.Disk.HangFlushes("log/");
        older.Submit(Entries(1, 1)); // On its way to the disk.
        _machine.Scheduler.RunUntilIdle();
        older.Submit(Entries(2, 2)); // In the queue.
        Task<IReplicaStorage> opening = _machine.Scheduler.Start(() => _machine.Storage.OpenReplicaAsync(G1, R1).AsTask());
        _machine.Scheduler.RunUntilIdle();
        Assert.False(older.Storage.IsCurrent);
        older.Submit(Entries(4, 1)); // Too late.
        Assert.False(opening.IsCompleted);
        _machine.Disk.ReleaseFlushes();
        _machine.Scheduler.RunUntilIdle();
        IReplicaStorage newer = Completed(opening);
        Assert.True(newer.IsCurrent);
        Same.Entries(Entries(1, 3), newer.Recovered.State.Entries.Span);
        Assert.Equal(0ul, older.Observer.Durable); // It may acknowledge nothing any more.
        _machine.Reopen();
        Same.Entries(Entries(1, 3), _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void What_a_fenced_handle_submits_never_reaches_the_disk()
    {
        _machine.Open();
        Replica older = _machine.OpenReplica(G1);
        Replica newer = _machine.OpenReplica(G1);
        older.Submit(Entries(1, 5, term: 9), new HardState(new Term(9), new ReplicaId(3), default));
        _machine.Scheduler.RunUntilIdle();
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
        Replica older = _machine.OpenReplica(G1);
        older.Write(Entries(1, 5));
        SnapshotFile file = _machine.WriteSnapshot(older.Storage, Id(3), Content(100));
        ISnapshotWriter writer = null!;
        _machine.Run(async () => writer = await older.Storage.CreateSnapshotAsync(Id(4)));
        Replica newer = _machine.OpenReplica(G1);
        Assert.Throws<FencedException>(() => older.RecordSnapshot(file));
        Assert.Throws<FencedException>(() => _machine.WriteSnapshot(older.Storage, Id(5), Content(1)));
        Assert.Throws<FencedException>(() => _machine.ReadSnapshot(older.Storage, file));
        Assert.Throws<FencedException>(() => _machine.Run(async () => await writer.FinishAsync()));
        _machine.Run(() => writer.DisposeAsync().AsTask());
        Assert.DoesNotContain(_machine.Disk.Files, path => path.EndsWith(".tmp", StringComparison.Ordinal)
            && path.StartsWith("snap", StringComparison.Ordinal));
        newer.RecordSnapshot(file); // It was finished in time, so it is there.
    }

    [Fact]
    public void Storage_behind_a_lock_is_confirmed_at_once_and_no_longer_once_it_was_closed()
    {
        _machine.Open();
        Assert.False(_machine.Storage.NeedsConfirming);
        Task confirmed = _machine.Storage.ConfirmAsync().AsTask();
        Assert.True(confirmed.IsCompletedSuccessfully);
        _machine.Crash();
        Assert.Throws<FencedException>(() => _machine.Run(() => _machine.Storage.ConfirmAsync().AsTask()));
    }

    [Fact]
    public void Two_openings_at_once_leave_one_current_handle()
    {
        _machine.Open();
        Task<IReplicaStorage>[] openings =
            [.. Enumerable.Range(0, 5)
                .Select(_ => _machine.Scheduler.Start(() => _machine.Storage.OpenReplicaAsync(G1, R1).AsTask()))];
        _machine.Scheduler.RunUntilIdle();
        IReplicaStorage[] handles = [.. openings.Select(Completed)];
        IReplicaStorage current = Assert.Single(handles, handle => handle.IsCurrent);
        Assert.All(handles, handle => Assert.True(handle.Incarnation <= current.Incarnation));
        Assert.Equal(5, handles.Select(handle => handle.Incarnation).Distinct().Count());
    }
}
