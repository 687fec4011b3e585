using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.PostgreSql.Tests;

/// <summary>Two openings of one slot at once: the older one can do nothing.</summary>
public sealed class SlotFencingTests
{
    private readonly SlotMachine _machine = new();

    [Fact]
    public void The_older_of_two_openings_neither_flushes_nor_confirms_nor_writes_snapshots()
    {
        _machine.Open();
        Replica older = _machine.OpenReplica(G1);
        older.Write(Entries(1, 3));
        DatabaseStorage first = _machine.Slot;
        ISnapshotWriter writer = null!;
        _machine.Run(async () => writer = await older.Storage.CreateSnapshotAsync(Id(2)));
        _machine.Open();
        Replica newer = _machine.OpenReplica(G1);
        Same.Entries(Entries(1, 3), newer.State.Entries.Span);
        Assert.Equal(first.Incarnation + 1, _machine.Slot.Incarnation);

        Assert.Throws<FencedException>(() =>
            _machine.Run(async () => await writer.WriteAsync(Content(5000))));
        older.Submit(Entries(4, 1));
        _machine.Settle();
        Assert.Equal(1ul, older.Observer.Durable);
        Assert.Empty(older.Observer.Failures);
        Assert.False(older.Storage.IsCurrent);
        Assert.IsType<FencedException>(first.Failure);
        Assert.Throws<FencedException>(() => _machine.Run(() => first.ConfirmAsync().AsTask()));
        Assert.Throws<FencedException>(() => _machine.Run(() => first.OpenReplicaAsync(G1, R1).AsTask()));
        Assert.Contains(_machine.Log.Lines, line => line.Contains("opened elsewhere", StringComparison.Ordinal));
        newer.Write(Entries(4, 1, term: 7));
        _machine.Run(() => first.DisposeAsync().AsTask());
        _machine.Reopen();
        Same.Entries([.. Entries(1, 3), Entry(4, 7)], _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void An_older_opening_finds_out_by_its_flush()
    {
        _machine.Open();
        Replica older = _machine.OpenReplica(G1);
        Replica idle = _machine.OpenReplica(G2);
        DatabaseStorage first = _machine.Slot;
        _machine.Open();
        older.Submit(Entries(1, 1));
        _machine.Settle();
        Assert.Equal(0ul, older.Observer.Durable);
        Assert.All([older, idle], replica => Assert.False(replica.Storage.IsCurrent));
        Assert.IsType<FencedException>(first.Failure);
        Assert.Equal(TimeSpan.Zero, first.StalledFor);
        Assert.True(_machine.OpenReplica(G1).State.Entries.IsEmpty);
    }

    [Fact]
    public void An_older_opening_finds_out_when_it_confirms()
    {
        _machine.Open();
        Replica older = _machine.OpenReplica(G1);
        DatabaseStorage first = _machine.Slot;
        Assert.True(first.NeedsConfirming);
        _machine.Run(() => first.ConfirmAsync().AsTask());
        _machine.Open();
        Assert.True(older.Storage.IsCurrent); // Nobody could have told it.
        Assert.Throws<FencedException>(() => _machine.Run(() => first.ConfirmAsync().AsTask()));
        Assert.False(older.Storage.IsCurrent);
    }

    [Fact]
    public void A_flush_that_arrives_after_the_next_opening_changes_nothing()
    {
        _machine.Open();
        Replica older = _machine.OpenReplica(G1);
        older.Write(Entries(1, 2));
        _machine.HangFlushes();
        older.Submit(Entries(2, 5, term: 9));
        _machine.Settle();
        _machine.Crash();
        _machine.Open();
        _machine.ReleaseFlushes();
        _machine.Settle();
        Same.Entries(Entries(1, 2), _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void All_who_ask_while_a_question_is_under_way_share_the_next_one()
    {
        _machine.Open();
        _machine.Database.SlowDown(TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(10));
        Task first = _machine.Scheduler.Start(() => _machine.Storage.ConfirmAsync().AsTask());
        _machine.Scheduler.RunUntilIdle();
        Task[] others = [.. Enumerable.Range(0, 20)
            .Select(_ => _machine.Scheduler.Start(() => _machine.Storage.ConfirmAsync().AsTask()))];
        _machine.Scheduler.RunUntilIdle();
        Assert.Equal(1, _machine.Database.Asked[DatabaseQuestion.Confirm]);
        for (int way = 0; way < 2; way++)
        {
            _machine.Time.Advance(TimeSpan.FromMilliseconds(5));
            _machine.Scheduler.RunUntilIdle();
        }
        Assert.True(first.IsCompletedSuccessfully);
        Assert.All(others, other => Assert.False(other.IsCompleted)); // They came after that question was asked.
        _machine.Settle();
        Assert.All(others, other => Assert.True(other.IsCompletedSuccessfully));
        Assert.Equal(2, _machine.Database.Asked[DatabaseQuestion.Confirm]);
    }

    [Fact]
    public void A_confirmation_waits_for_a_database_that_does_not_answer()
    {
        _machine.Open();
        _machine.Database.IsDown = true;
        Task waiting = _machine.Scheduler.Start(() => _machine.Storage.ConfirmAsync().AsTask());
        _machine.Scheduler.RunUntilIdle();
        _machine.Time.Advance(TimeSpan.FromSeconds(5));
        _machine.Scheduler.RunUntilIdle();
        Assert.False(waiting.IsCompleted);
        Assert.Equal(TimeSpan.FromSeconds(5), _machine.Slot.StalledFor);
        Assert.Contains("Unavailable", _machine.Slot.WaitsFor, StringComparison.Ordinal);
        _machine.Database.IsDown = false;
        _machine.Settle();
        Assert.True(waiting.IsCompletedSuccessfully);
        Assert.Equal((TimeSpan.Zero, null), (_machine.Slot.StalledFor, _machine.Slot.WaitsFor));
    }
}
