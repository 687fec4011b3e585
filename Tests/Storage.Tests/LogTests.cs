using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

public sealed class LogTests
{
    private readonly Machine _machine = new();

    private static HardState Hard(ulong term, ulong vote = 0, ulong commit = 0) =>
        new(new Term(term), new ReplicaId(vote), new LogIndex(commit));

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

    /// <summary>Else the system would read, before it writes, a page that it does not have in memory.</summary>
    [Fact]
    public void Batches_are_written_as_whole_pages_also_after_a_restart()
    {
        var lengths = new List<int>();
        _machine.Disk.Observed = operation =>
        {
            if (operation.Kind == DiskOperationKind.Write && operation.Path.EndsWith(".log", StringComparison.Ordinal))
                lengths.Add(operation.LengthBytes);
        };
        _machine.Open();
        Replica replica = _machine.OpenReplica(G1);
        lengths.Clear();
        for (ulong index = 1; index <= 15; index++) replica.Write(Entries(index, 1, bytes: 500));
        Assert.Equal(15, lengths.Count);
        Assert.All(lengths, length => Assert.Contains(length, new[] { 4096, 8192 }));
        _machine.Reopen();
        replica = _machine.OpenReplica(G1);

        lengths.Clear();
        replica.Write(Entries(16, 1, bytes: 500));
        Assert.Contains(Assert.Single(lengths), new[] { 4096, 8192 });
        _machine.Reopen();
        Same.Entries(Entries(1, 16, bytes: 500), _machine.OpenReplica(G1).State.Entries.Span);
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
