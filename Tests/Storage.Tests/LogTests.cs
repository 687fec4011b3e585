using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

public sealed class LogTests
{
    private readonly Machine _machine = new();

    private static HardState Hard(ulong term, ulong vote = 0, ulong commit = 0) =>
        new(new Term(term), new ReplicaId(vote), new LogIndex(commit));

    [Fact]
    public void A_new_directory_gets_a_store_id_that_it_keeps()
    {
        StoreId first = _machine.Open().StoreId;
        _machine.Reopen();
        Assert.Equal(first, _machine.Storage.StoreId);
        Assert.NotEqual(Guid.Empty, first.Value);
        Assert.Empty(_machine.Storage.Replicas);
    }

    [Fact]
    public void Entries_and_hard_state_are_recovered_per_group()
    {
        _machine.Open();
        Replica second = _machine.OpenReplica(G2);
        Replica first = _machine.OpenReplica(G1);
        first.Write(Entries(1, 3), Hard(1, 2, 1));
        second.Write(Entries(1, 5, term: 4), Hard(4));
        first.Write(Entries(4, 2, term: 2));
        first.Write(hardState: Hard(2, 1, 5));
        _machine.Reopen();
        Assert.Equal([G1, G2], _machine.Storage.Replicas.Select(replica => replica.Group));
        Same.State(new RaftState(Hard(2, 1, 5), EntryId.Zero,
            (LogEntry[])[.. Entries(1, 3), .. Entries(4, 2, term: 2)]),
            _machine.OpenReplica(G1).State);
        Same.State(new RaftState(Hard(4), EntryId.Zero, Entries(1, 5, term: 4)), _machine.OpenReplica(G2).State);
        Same.State(RaftState.Empty, _machine.OpenReplica(G3).State);
    }

    /// <summary>
    /// So a flush has no metadata to write: segments have their size before they are used. Only a request larger than a
    /// segment lengthens it, and then the flush takes the length along.
    /// </summary>
    [Fact]
    public void Writing_the_log_changes_the_length_of_no_file_in_use()
    {
        var lengths = new Dictionary<string, int>();
        int writes = 0;
        _machine.Disk.Observed = operation =>
        {
            if (!operation.Path.EndsWith(".log", StringComparison.Ordinal)) return;
            if (operation.Kind is DiskOperationKind.Rename or DiskOperationKind.Delete)
            {
                lengths.Remove(operation.Path);
                return;
            }
            int length = _machine.Disk.ReadAll(operation.Path).Length;
            if (!lengths.TryAdd(operation.Path, length)) Assert.Equal(lengths[operation.Path], length);
            if (operation.Kind == DiskOperationKind.Write) writes++;
        };
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        for (ulong index = 1; index <= 200; index++)
        {
            replica.Write(Entries(index, 1, bytes: 600));
            if (index % 20 == 0)
                replica.RecordSnapshot(_machine.WriteSnapshot(replica.Storage, Id(index), Content(10)));
        }
        Assert.True(writes > 200, $"only {writes} writes were seen");
        Assert.DoesNotContain("log/00000001.log", _machine.Disk.Files);
    }

    [Fact]
    public void The_first_entry_truncates_what_is_stored_from_its_index_on()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        replica.Write(Entries(1, 10));
        replica.Write(Entries(4, 2, term: 2));
        _machine.Reopen();
        Same.Entries([.. Entries(1, 3), .. Entries(4, 2, term: 2)], _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void Empty_and_large_payloads_and_all_kinds_survive()
    {
        _machine.Open();
        LogEntry[] entries =
        [
            new(new Term(1), new LogIndex(1), EntryKind.NoOp, default),
            Entry(2, bytes: 100_000), // Larger than a segment.
            new(new Term(1), new LogIndex(3), EntryKind.Command, default),
            Entry(4, bytes: 1),
        ];
        Replica replica = _machine.OpenReplica(G1);
        replica.Write(entries);
        replica.Write(Entries(5, 3));
        _machine.Reopen();
        Same.Entries([.. entries, .. Entries(5, 3)], _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void All_that_is_queued_is_written_and_flushed_once()
    {
        _machine.Open();
        Replica first = _machine.OpenReplica(G1);
        Replica second = _machine.OpenReplica(G2);
        long flushes = _machine.Disk.Flushes;
        for (ulong index = 1; index <= 20; index++)
        {
            first.Submit(Entries(index, 1));
            second.Submit(Entries(index, 1));
        }
        _machine.Scheduler.RunUntilIdle();
        Assert.Equal(20ul, first.Observer.Durable);
        Assert.Equal(20ul, second.Observer.Durable);
        Assert.Equal(1, _machine.Disk.Flushes - flushes);
    }

    [Fact]
    public void Only_one_batch_is_in_flight_and_the_next_takes_what_came_meanwhile()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        long flushes = _machine.Disk.Flushes;
        _machine.Disk.HangFlushes();
        replica.Submit(Entries(1, 1));
        _machine.Scheduler.RunUntilIdle();
        byte[] before = _machine.Disk.ReadAll("log/00000001.log");
        for (ulong index = 2; index <= 9; index++) replica.Submit(Entries(index, 1));
        _machine.Scheduler.RunUntilIdle();
        Assert.Equal(0ul, replica.Observer.Durable);
        Assert.Equal(before, _machine.Disk.ReadAll("log/00000001.log"));
        _machine.Disk.ReleaseFlushes();
        _machine.Scheduler.RunUntilIdle();
        Assert.Equal(9ul, replica.Observer.Durable);
        Assert.Equal(2, _machine.Disk.Flushes - flushes);
    }

    [Fact]
    public void An_acknowledgement_never_survives_without_its_data()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        var expected = new List<LogEntry>();
        for (ulong index = 1; index <= 60; index++)
        {
            // Acknowledged, and the power goes at once.
            replica.Write(Entries(index, 1, bytes: 500), Hard(index));
            expected.Add(Entry(index, bytes: 500));
            _machine.Reopen();
            replica = _machine.OpenReplica(G1);
            Same.State(new RaftState(Hard(index), EntryId.Zero, expected.ToArray()), replica.State);
        }
        Assert.True(_machine.Disk.Files.Count(file => file.EndsWith(".log", StringComparison.Ordinal)) > 2);
    }

    [Fact]
    public void Nothing_is_acknowledged_before_the_flush()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        _machine.Disk.HangFlushes();
        replica.Submit(Entries(1, 1));
        _machine.Scheduler.RunUntilIdle();
        Assert.Equal(0ul, replica.Observer.Durable);
        _machine.Reopen();
        Assert.True(_machine.OpenReplica(G1).State.Entries.IsEmpty);
        Assert.Equal(0ul, replica.Observer.Durable);
    }

    [Fact]
    public void The_formation_is_recorded_once()
    {
        _machine.Open();
        Assert.Null(_machine.Storage.Formation);
        byte[] formation = Content(3000);
        _machine.Run(() => _machine.Storage.WriteFormationAsync(formation).AsTask());
        Assert.Equal(formation, _machine.Storage.Formation!.Value.ToArray());
        Assert.Throws<InvalidOperationException>(() =>
            _machine.Run(() => _machine.Storage.WriteFormationAsync(formation).AsTask()));
        _machine.Reopen();
        Assert.Equal(formation, _machine.Storage.Formation!.Value.ToArray());
        Assert.Throws<InvalidOperationException>(() =>
            _machine.Run(() => _machine.Storage.WriteFormationAsync(formation).AsTask()));
    }

    [Fact]
    public void A_write_that_leaves_a_gap_stops_that_replica_alone()
    {
        _machine.Open();
        Replica broken = _machine.OpenReplica(G1);
        Replica other = _machine.OpenReplica(G2);
        broken.Write(Entries(1, 3));
        broken.Submit(Entries(5, 1));
        broken.Submit(Entries(4, 1));
        other.Write(Entries(1, 1));
        Assert.IsType<InvariantViolationException>(Assert.Single(broken.Observer.Failures));
        Assert.Equal(1ul, broken.Observer.Durable);
        Assert.False(broken.Storage.IsCurrent);
        Assert.True(other.Storage.IsCurrent);
        Assert.Null(_machine.Storage.Status.Failure);
        Same.Entries(Entries(1, 3), _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void Requests_that_make_no_sense_are_refused_when_submitted()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        Assert.Throws<InvariantViolationException>(() => replica.Submit([Entry(1), Entry(3)]));
        Assert.Throws<InvariantViolationException>(() => replica.Submit([Entry(0)]));
        Assert.Throws<InvariantViolationException>(() => replica.Submit(snapshot: Id(5)));
        replica.Write(Entries(1, 1));
        Assert.Throws<InvariantViolationException>(
            () => replica.Storage.Submit(new PersistRequest(1, null, null, Entries(2, 1)), replica.Observer));
    }

    [Fact]
    public void Closing_writes_what_is_queued()
    {
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        replica.Submit(Entries(1, 50, bytes: 1000));
        _machine.Close();
        _machine.Disk.Crash();
        _machine.Open();
        Same.Entries(Entries(1, 50, bytes: 1000), _machine.OpenReplica(G1).State.Entries.Span);
        Assert.False(replica.Storage.IsCurrent);
    }

    [Fact]
    public void A_log_written_with_another_segment_size_stays_readable()
    {
        _machine.Open();
        _machine.OpenReplica(G1).Write(Entries(1, 100, bytes: 500));
        _machine.SegmentBytes = 4096;
        _machine.Reopen();
        Replica replica = _machine.OpenReplica(G1);
        replica.Write(Entries(101, 3, bytes: 3000));
        _machine.SegmentBytes = 64 << 10;
        _machine.Reopen();
        replica = _machine.OpenReplica(G1);
        Same.Entries([.. Entries(1, 100, bytes: 500), .. Entries(101, 3, bytes: 3000)], replica.State.Entries.Span);
    }

    [Fact]
    public void Options_name_every_problem()
    {
        NodeStorageOptions wrong = _machine.Options with { SegmentBytes = 1000, MaxBatchBytes = 1, Time = null! };
        Assert.Equal(3, wrong.Validate().Count);
        Assert.Throws<ArgumentException>(() => _machine.Run(() => NodeStorage.OpenAsync(_machine.Disk, wrong)));
        Assert.Empty(_machine.Disk.Files);
    }
}
