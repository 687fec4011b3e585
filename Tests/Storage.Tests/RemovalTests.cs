using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

public sealed class RemovalTests
{
    private const int SegmentBytes = 8192;

    private static void RequireBound(Machine machine)
    {
        StorageStatus status = machine.Storage.Status;
        Assert.True(status.LogBytes < (2 * status.LiveBytes) + (4 * machine.SegmentBytes),
            $"{status.LogBytes} bytes of log for {status.LiveBytes} live ones");
        long files = machine.Disk.Files.Where(file => file.StartsWith("log/", StringComparison.Ordinal))
            .Sum(file => machine.Disk.ReadAll(file).Length);
        Assert.Equal(files, status.LogBytes);
    }

    /// <summary>One group writes and takes snapshots, another keeps its ten entries from the beginning.</summary>
    internal static ulong RunHot(Machine machine, Replica hot, ulong first, int writes, Action? afterEach = null)
    {
        ulong index = first;
        for (int write = 0; write < writes; write++)
        {
            hot.Write(Entries(index, 4, bytes: 300), new HardState(new Term(1), default, new LogIndex(index - 1)));
            index += 4;
            if (write % 5 == 4)
                hot.RecordSnapshot(machine.WriteSnapshot(hot.Storage, Id(index - 1), Content(100, (int)index)));
            machine.Scheduler.RunUntilIdle();
            afterEach?.Invoke();
        }
        return index;
    }

    [Fact]
    public void An_idle_group_never_pins_old_segments_and_loses_nothing()
    {
        var machine = new Machine(segmentBytes: SegmentBytes);
        machine.Open();
        Replica idle = machine.OpenReplica(G1);
        idle.Write(Entries(1, 10), new HardState(new Term(3), new ReplicaId(2), new LogIndex(7)));
        machine.Run(() => machine.Storage.WriteFormationAsync(Content(200)).AsTask());
        Replica hot = machine.OpenReplica(G2);
        ulong next = RunHot(machine, hot, 1, 200, () => RequireBound(machine));
        Assert.DoesNotContain("log/00000001.log", machine.Disk.Files);
        Assert.True(next > 700);
        machine.Reopen();
        Same.State(new RaftState(new HardState(new Term(3), new ReplicaId(2), new LogIndex(7)), EntryId.Zero,
            Entries(1, 10)),
            machine.OpenReplica(G1).State);
        Assert.Equal(Content(200), machine.Storage.Formation!.Value.ToArray());
        Replica again = machine.OpenReplica(G2);
        Assert.Equal(next - 1, again.State.Snapshot.Index.Value + (ulong)again.State.Entries.Length);
    }

    [Theory]
    [InlineData(CrashLoss.Everything)]
    [InlineData(CrashLoss.Random)]
    [InlineData(CrashLoss.Nothing)]
    public void A_crash_at_any_step_of_removal_loses_nothing_acknowledged(CrashLoss loss)
    {
        var idleState = new HardState(new Term(3), new ReplicaId(2), new LogIndex(7));
        var start = new Machine(segmentBytes: SegmentBytes);
        start.Open();
        start.OpenReplica(G1).Write(Entries(1, 10), idleState);
        ulong begun = RunHot(start, start.OpenReplica(G2), 1, 25);
        start.Close();

        bool finished = false;
        int removals = 0;
        for (int operations = 0; !finished; operations++)
        {
            var machine = new Machine(start.Disk.Clone(operations), SegmentBytes);
            machine.Open();
            Replica hot = machine.OpenReplica(G2);
            ulong acknowledged = begun - 1;
            machine.Disk.Observed = operation => removals += operation.Kind == DiskOperationKind.Delete ? 1 : 0;
            machine.Disk.PowerOffAfter(operations);
            try
            {
                RunHot(machine, hot, begun, 12, () => acknowledged += 4);
                finished = true;
            }
            catch (DiskException exception)
            {
                Assert.Equal(DiskFailure.Io, exception.Failure); // The power went.
            }
            machine.Reopen(loss);
            Same.State(new RaftState(idleState, EntryId.Zero, Entries(1, 10)), machine.OpenReplica(G1).State);
            RaftState recovered = machine.OpenReplica(G2).State;
            ulong last = recovered.Snapshot.Index.Value + (ulong)recovered.Entries.Length;
            Assert.True(last >= acknowledged, $"after {operations} operations {last} < {acknowledged}");
            foreach (LogEntry entry in recovered.Entries.Span)
                Assert.True(Same.Equal(Entry(entry.Index.Value, bytes: 300), entry));
            // It goes on from there, and what is removed later is removed rightly.
            hot = machine.OpenReplica(G2);
            RunHot(machine, hot, last + 1, 10);
            machine.Reopen();
            Same.State(new RaftState(idleState, EntryId.Zero, Entries(1, 10)), machine.OpenReplica(G1).State);
        }
        Assert.True(removals > 10);
    }

    [Fact]
    public void The_bound_holds_when_nearly_all_of_the_log_is_live_in_its_oldest_segments()
    {
        var machine = new Machine(segmentBytes: SegmentBytes);
        machine.Open();
        Replica cold = machine.OpenReplica(G1);
        cold.Write(Entries(1, 400, bytes: 200));
        Replica hot = machine.OpenReplica(G2);
        RunHot(machine, hot, 1, 300, () => RequireBound(machine));
        Assert.True(machine.Storage.Status.LiveBytes > 80_000);
        machine.Reopen();
        RequireBound(machine);
        Same.Entries(Entries(1, 400, bytes: 200), machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void A_truncation_is_not_undone_by_entries_that_were_carried_before()
    {
        var machine = new Machine(segmentBytes: SegmentBytes);
        machine.Open();
        Replica idle = machine.OpenReplica(G1);
        idle.Write(Entries(1, 10));
        Replica hot = machine.OpenReplica(G2);
        ulong next = RunHot(machine, hot, 1, 60);
        Assert.DoesNotContain("log/00000001.log", machine.Disk.Files); // They were carried.
        idle.Write(Entries(5, 2, term: 2));
        machine.Reopen();
        LogEntry[] expected = [.. Entries(1, 4), .. Entries(5, 2, term: 2)];
        Same.Entries(expected, machine.OpenReplica(G1).State.Entries.Span);
        hot = machine.OpenReplica(G2);
        RunHot(machine, hot, next, 60);
        machine.Reopen();
        Same.Entries(expected, machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void What_a_recycled_segment_held_before_is_ignored()
    {
        var machine = new Machine(segmentBytes: SegmentBytes);
        var renamed = new List<string>();
        machine.Disk.Observed = operation =>
        {
            if (operation.Kind == DiskOperationKind.Rename
                && !operation.Path.EndsWith(".tmp", StringComparison.Ordinal)) renamed.Add(operation.Path);
        };
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        ulong index = 1;
        for (int round = 0; round < 40; round++)
        {
            index = RunHot(machine, replica, index, 7);
            machine.Reopen();
            replica = machine.OpenReplica(G1);
            Assert.Equal(index - 1, replica.State.Snapshot.Index.Value + (ulong)replica.State.Entries.Length);
        }
        Assert.True(renamed.Count > 5, $"only {renamed.Count} segments were recycled");
    }

    [Fact]
    public void An_oversized_segment_goes_like_any_other()
    {
        var machine = new Machine(segmentBytes: SegmentBytes);
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        replica.Write(Entries(1, 1, bytes: 200_000));
        replica.RecordSnapshot(machine.WriteSnapshot(replica.Storage, Id(1), Content(10)));
        replica.Write(Entries(2, 1));
        machine.Scheduler.RunUntilIdle();
        RequireBound(machine);
        machine.Reopen();
        RequireBound(machine);
        Same.Entries(Entries(2, 1), machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void Large_requests_that_waste_the_ends_of_segments_do_not_make_removal_go_in_circles()
    {
        var machine = new Machine(segmentBytes: SegmentBytes);
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        for (ulong index = 1; index <= 40; index++) replica.Write(Entries(index, 1, bytes: (SegmentBytes / 2) + 200));
        long before = machine.Disk.Operations;
        replica.Write(Entries(41, 1));
        Assert.True(machine.Disk.Operations - before < 20,
            $"{machine.Disk.Operations - before} operations for one write");
        machine.Reopen();
        Assert.Equal(41, machine.OpenReplica(G1).State.Entries.Length);
    }
}
