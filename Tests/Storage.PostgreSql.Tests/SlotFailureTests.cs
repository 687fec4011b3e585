using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.PostgreSql.Tests;

/// <summary>Databases that do not answer, refuse, or answer nobody.</summary>
public sealed class SlotFailureTests
{
    private readonly SlotMachine _machine = new();

    [Theory]
    [InlineData(FailureMoment.BeforeIt, 0)]
    [InlineData(FailureMoment.AfterIt, 1)]
    public void A_flush_whose_outcome_is_unknown_is_applied_once(FailureMoment moment, int repeated)
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        long flushes = _machine.Flushes;
        _machine.Database.FailNext(DatabaseQuestion.Flush, moment);
        replica.Submit(Entries(1, 3));
        _machine.Scheduler.RunUntilIdle();
        Assert.Equal(0ul, replica.Observer.Durable);
        _machine.Settle();
        Assert.Equal(1ul, replica.Observer.Durable);
        Assert.Equal((1, repeated), (_machine.Flushes - flushes, _machine.Database.Repeated));
        replica.Write(Entries(2, 3, term: 2));
        _machine.Reopen();
        Same.Entries([Entry(1), .. Entries(2, 3, term: 2)], _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void An_outage_stalls_the_flush_says_why_and_ends_with_it()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        _machine.Database.IsDown = true;
        replica.Submit(Entries(1, 1));
        for (int i = 0; i < 100; i++)
        {
            _machine.Scheduler.RunUntilIdle();
            _machine.Time.Advance(TimeSpan.FromMilliseconds(100));
        }
        Assert.Equal(TimeSpan.FromSeconds(10), _machine.Slot.StalledFor);
        Assert.Contains("Unavailable", _machine.Slot.Trouble, StringComparison.Ordinal);
        Assert.Null(_machine.Slot.Failure);
        Assert.InRange(_machine.Database.Asked[DatabaseQuestion.Flush], 10, 20); // Ever less often.
        Assert.Single(_machine.Log.Lines, line => line.StartsWith("Warning", StringComparison.Ordinal));
        replica.Submit(Entries(2, 1));
        _machine.Database.IsDown = false;
        _machine.Settle();
        Assert.Equal(2ul, replica.Observer.Durable);
        Assert.Equal((TimeSpan.Zero, null), (_machine.Slot.StalledFor, _machine.Slot.Trouble));
        Assert.Contains(_machine.Log.Lines, line => line.StartsWith("Information", StringComparison.Ordinal)
            && line.EndsWith("again", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(DatabaseFailure.Full)]
    [InlineData(DatabaseFailure.ReadOnly)]
    [InlineData(DatabaseFailure.Unsafe)]
    [InlineData(DatabaseFailure.Schema)]
    public void A_database_that_refuses_for_now_is_asked_again(DatabaseFailure failure)
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        _machine.Database.FailNext(DatabaseQuestion.Flush, FailureMoment.BeforeIt, failure);
        replica.Submit(Entries(1, 1));
        _machine.Scheduler.RunUntilIdle();
        Assert.Contains(failure.ToString(), _machine.Slot.Trouble, StringComparison.Ordinal);
        _machine.Settle();
        Assert.Equal(1ul, replica.Observer.Durable);
    }

    [Fact]
    public void A_changed_database_stops_the_slot_for_good_and_everyone_is_told()
    {
        _machine.Open();
        Replica first = _machine.OpenReplica(G1);
        Replica second = _machine.OpenReplica(G2);
        second.Write(Entries(1, 1));
        _machine.Database.FailNext(DatabaseQuestion.Flush, FailureMoment.BeforeIt, DatabaseFailure.Identity);
        first.Submit(Entries(1, 1));
        _machine.Settle();
        DatabaseException told = Assert.IsType<DatabaseException>(Assert.Single(first.Observer.Failures));
        Assert.Same(told, Assert.Single(second.Observer.Failures));
        Assert.Same(told, _machine.Slot.Failure);
        Assert.All([first, second], replica => Assert.False(replica.Storage.IsCurrent));
        Assert.Single(_machine.Log.Lines, line => line.StartsWith("Critical", StringComparison.Ordinal));
        Assert.Same(told, Assert.Throws<DatabaseException>(() => _machine.OpenReplica(G1)));
        Assert.Same(told, Assert.Throws<DatabaseException>(() =>
            _machine.Run(() => _machine.Storage.ConfirmAsync().AsTask())));
        first.Submit(Entries(2, 1));
        _machine.Settle();
        Assert.Single(first.Observer.Failures);
        Assert.Equal(0ul, first.Observer.Durable);
    }

    [Fact]
    public void Closing_does_not_wait_for_ever_for_a_database_that_does_not_answer()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        _machine.Database.IsDown = true;
        replica.Submit(Entries(1, 1));
        TimeSpan before = _machine.Time.Now;
        _machine.Close();
        Assert.Equal(TimeSpan.FromSeconds(5), _machine.Time.Now - before);
        Assert.False(replica.Storage.IsCurrent);
        Assert.Equal(0ul, replica.Observer.Durable);
    }

    [Fact]
    public void A_crash_waits_for_nothing_and_what_waits_for_it_is_told_that_its_outcome_is_unknown()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        _machine.HangFlushes();
        replica.Submit(Entries(1, 1));
        _machine.Scheduler.RunUntilIdle();
        Task<bool> retiring = _machine.Scheduler.Start(async () =>
        {
            await _machine.Storage.RetireReplicaAsync(G2, R1);
            return true;
        });
        _machine.Scheduler.RunUntilIdle();
        _machine.Crash();
        Assert.IsType<FencedException>(retiring.Exception?.InnerException);
        _machine.ReleaseFlushes(); // It arrives, and is applied.
        _machine.Settle();
        Assert.Equal(0ul, replica.Observer.Durable);
        Assert.Null(_machine.Storage.Failure);
        _machine.Open();
        Same.Entries(Entries(1, 1), _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void A_snapshot_waits_for_a_database_that_does_not_answer_and_is_given_up_where_there_is_no_room()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        replica.Write(Entries(1, 10));
        _machine.Database.FailNext(DatabaseQuestion.WriteChunk, FailureMoment.AfterIt);
        _machine.Database.FailNext(DatabaseQuestion.ReadChunk, FailureMoment.BeforeIt);
        SnapshotFile file = _machine.WriteSnapshot(replica.Storage, Id(5), Content(5000));
        replica.RecordSnapshot(file);
        Assert.Equal(Content(5000), _machine.ReadSnapshot(replica.Storage, file));
        _machine.Database.FreeBytes = 3000;
        Assert.Equal(DiskFailure.Full, Assert.Throws<DiskException>(
            () => _machine.WriteSnapshot(replica.Storage, Id(8), Content(5000))).Failure);
        _machine.Settle();
        Assert.Equal(1, _machine.SnapshotsKept);
        replica.Write(Entries(11, 1));
    }

    [Fact]
    public void Options_name_every_problem()
    {
        DatabaseStorageOptions wrong = _machine.Options with
        {
            MaxFlushBytes = 1, SnapshotChunkBytes = 1, FirstPause = TimeSpan.Zero, Time = null!,
        };
        Assert.Equal(4, wrong.Validate().Count);
        Assert.Throws<ArgumentException>(() =>
            _machine.Run(() => DatabaseStorage.OpenAsync(_machine.Database.Connect(), wrong)));
    }
}
