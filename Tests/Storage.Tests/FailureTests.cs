using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

public sealed class FailureTests
{
    private readonly Machine _machine = new();

    [Theory]
    [InlineData(DiskOperationKind.Flush, DiskFailure.Io, "Check the disk")]
    [InlineData(DiskOperationKind.Write, DiskFailure.Io, "Check the disk")]
    [InlineData(DiskOperationKind.Write, DiskFailure.Full, "free space")]
    public void A_failed_write_or_flush_is_final_and_everyone_is_told(
        DiskOperationKind kind, DiskFailure failure, string advice)
    {
        var log = new LogLines();
        _machine.Logger = log;
        _machine.Open();
        Replica first = _machine.OpenReplica(G1);
        Replica second = _machine.OpenReplica(G2);
        Replica silent = _machine.OpenReplica(G3);
        second.Write(Entries(1, 1));
        _machine.Disk.FailNext(kind, "log/", failure);
        first.Submit(Entries(1, 1));
        first.Submit(Entries(2, 1));
        _machine.Scheduler.RunUntilIdle();
        DiskException told = Assert.IsType<DiskException>(Assert.Single(first.Observer.Failures));
        Assert.Equal(failure, told.Failure);
        RequireClear(told, kind.ToString(), "log/", advice);
        Assert.Single(log.Lines, line => line.StartsWith("Critical", StringComparison.Ordinal));
        Assert.Equal(0ul, first.Observer.Durable);
        Assert.Same(told, Assert.Single(second.Observer.Failures)); // It had nothing under way.
        Assert.Same(told, _machine.Storage.Status.Failure);
        Assert.All([first, second, silent], replica => Assert.False(replica.Storage.IsCurrent));

        // Nothing is tried again, though the disk would work now; whoever comes later is told too.
        long operations = _machine.Disk.Operations;
        silent.Submit(Entries(1, 1));
        first.Submit(Entries(3, 1));
        _machine.Scheduler.RunUntilIdle();
        Assert.Same(told, Assert.Single(silent.Observer.Failures));
        Assert.Single(first.Observer.Failures);
        Assert.Same(told, Assert.Throws<DiskException>(() => _machine.OpenReplica(G1)));
        Assert.Same(told, Assert.Throws<DiskException>(() =>
            _machine.Run(() => _machine.Storage.WriteFormationAsync(Content(1)).AsTask())));
        Assert.Equal(operations, _machine.Disk.Operations);
        _machine.Close();
        _machine.Open();
        Assert.Equal(1, _machine.OpenReplica(G2).State.Entries.Length);
    }

    [Fact]
    public void A_full_disk_stops_the_node_before_the_log_outgrows_it()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        _machine.Disk.FreeBytes = 20_000; // One more segment.
        ulong index = 0;
        while (replica.Observer.Failures.Count == 0 && index < 1000)
        {
            replica.Submit(Entries(++index, 1, bytes: 500));
            _machine.Scheduler.RunUntilIdle();
        }
        DiskException told = Assert.IsType<DiskException>(Assert.Single(replica.Observer.Failures));
        Assert.Equal(DiskFailure.Full, told.Failure);
        RequireClear(told, "write", "log/", "free space");
        ulong acknowledged = replica.Observer.Durable;
        Assert.InRange(acknowledged, 10ul, 100ul);
        _machine.Disk.FreeBytes = null;
        _machine.Reopen();
        Assert.True(_machine.OpenReplica(G1).State.Entries.Length >= (int)acknowledged);
    }

    /// <summary>A snapshot that is given up, for example, has taken the room only for a while.</summary>
    [Fact]
    public void A_segment_that_found_no_room_is_made_when_it_is_needed()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        _machine.Disk.FreeBytes = 100;
        ulong index = 0;
        bool refused = false;
        _machine.Disk.Observed = operation => refused |= operation.Path.EndsWith(".tmp", StringComparison.Ordinal);
        while (!refused && index < 1000) Submit();
        _machine.Disk.FreeBytes = null;
        for (int i = 0; i < 100; i++) Submit();
        Assert.Empty(replica.Observer.Failures);
        Assert.Equal(index, replica.Observer.Durable);

        void Submit()
        {
            replica.Submit(Entries(++index, 1, bytes: 500));
            _machine.Scheduler.RunUntilIdle();
        }
    }

    [Theory]
    [InlineData("log")]
    [InlineData("store")]
    [InlineData("snapshots")]
    [InlineData("")]
    public void A_directory_without_permission_is_refused_with_a_clear_error(string path)
    {
        _machine.Disk.Deny(path);
        DiskException exception = Assert.Throws<DiskException>(() => _machine.Open());
        Assert.Equal(DiskFailure.PermissionDenied, exception.Failure);
        Assert.StartsWith(path, exception.Path, StringComparison.Ordinal);
        RequireClear(exception, "Cannot", path, "read and write access");
    }

    [Fact]
    public void Losing_permission_while_running_is_final()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        _machine.Disk.Deny("log/");
        replica.Submit(Entries(1, 1));
        _machine.Scheduler.RunUntilIdle();
        DiskException told = Assert.IsType<DiskException>(Assert.Single(replica.Observer.Failures));
        Assert.Equal(DiskFailure.PermissionDenied, told.Failure);
        RequireClear(told, "Write", "log/", "read and write access");
    }

    [Fact]
    public void A_hanging_preparation_of_a_segment_shows_as_stall_too()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        _machine.Disk.HangFlushes(".tmp");
        for (ulong index = 1; index <= 40; index++) replica.Submit(Entries(index, 1, bytes: 1000));
        _machine.Scheduler.RunUntilIdle();
        _machine.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.FromSeconds(2), _machine.Storage.Status.StalledFor);
        Assert.InRange(replica.Observer.Durable, 1ul, 39ul);
        _machine.Disk.ReleaseFlushes();
        _machine.Scheduler.RunUntilIdle();
        Assert.Equal(40ul, replica.Observer.Durable);
    }

    [Fact]
    public void A_crash_discards_what_is_queued_and_completes_nothing()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        replica.Write(Entries(1, 1));
        _machine.Disk.HangFlushes("log/");
        replica.Submit(Entries(2, 1));
        _machine.Scheduler.RunUntilIdle();
        replica.Submit(Entries(3, 1));
        Task opening = _machine.Scheduler.Start(() => _machine.Storage.OpenReplicaAsync(G2, R1).AsTask());
        _machine.Scheduler.RunUntilIdle();
        Task crash = _machine.Scheduler.Start(() => _machine.Storage.CrashAsync().AsTask());
        _machine.Scheduler.RunUntilIdle();
        Assert.False(replica.Storage.IsCurrent);
        _machine.Disk.ReleaseFlushes();
        _machine.Scheduler.RunUntilIdle();
        Assert.True(crash.IsCompletedSuccessfully);
        Assert.IsType<FencedException>(opening.Exception!.InnerException);
        Assert.Equal(1ul, replica.Observer.Durable);
        Assert.Empty(replica.Observer.Failures);
        replica.Submit(Entries(4, 1));
        long operations = _machine.Disk.Operations;
        _machine.Scheduler.RunUntilIdle();
        Assert.Equal(operations, _machine.Disk.Operations);
        _machine.Open(); // The lock is free again.
        Same.Entries(Entries(1, 2), _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void The_directory_lock_excludes_a_second_storage()
    {
        _machine.Open();
        var second = new Machine(_machine.Disk);
        Assert.Equal(DiskFailure.InUse, Assert.Throws<DiskException>(() => second.Open()).Failure);
        _machine.Close();
        second.Open();
    }

    [Fact]
    public void A_failed_opening_leaves_the_lock_free()
    {
        _machine.Disk.FailNext(DiskOperationKind.Flush);
        Assert.Throws<DiskException>(() => _machine.Open());
        _machine.Open();
    }

    /// <summary>What happened, where, and what to do.</summary>
    private static void RequireClear(DiskException exception, string what, string where, string advice)
    {
        Assert.Contains(what, exception.Message, StringComparison.Ordinal);
        Assert.Contains(exception.Path, exception.Message, StringComparison.Ordinal);
        Assert.Contains(where, exception.Path, StringComparison.Ordinal);
        Assert.Contains(advice, exception.Message, StringComparison.Ordinal);
    }
}
