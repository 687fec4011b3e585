using System.Buffers.Binary;
using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

public sealed class RecoveryTests
{
    private const string First = "log/00000001.log";

    /// <summary>A log of several batches; where each one ends in the first segment.</summary>
    private static (SimulatedDisk Disk, List<int> Ends) Build(int batches)
    {
        var machine = new Machine();
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        var ends = new List<int>();
        for (int batch = 1; batch <= batches; batch++)
        {
            replica.Write(Entries((ulong)batch, 1, bytes: 10 + (batch % 5)),
                new HardState(new Term((ulong)batch), default, default));
            ends.Add(EndOfLog(machine.Disk.ReadAll(First)));
        }
        machine.Crash();
        return (machine.Disk, ends);
    }

    // Walks the batches, as a reader without checksums would.
    private static int EndOfLog(byte[] segment)
    {
        int offset = 64;
        while (segment.AsSpan(offset, 4).SequenceEqual("rBt\u0001"u8))
            offset += (40 + BinaryPrimitives.ReadInt32LittleEndian(segment.AsSpan(offset + 32)) + 7) & ~7;
        return offset;
    }

    private static int PaddingOf(byte[] segment, int end)
    {
        int offset = 64;
        while (true)
        {
            int length = 40 + BinaryPrimitives.ReadInt32LittleEndian(segment.AsSpan(offset + 32));
            int next = offset + ((length + 7) & ~7);
            if (next == end) return next - offset - length;
            offset = next;
        }
    }

    private static void ReopenAppendCompare(SimulatedDisk disk, int surviving)
    {
        var machine = new Machine(disk);
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        Assert.Equal(surviving, replica.State.Entries.Length);
        Assert.Equal((ulong)surviving, replica.State.HardState.Term.Value);
        LogEntry[] expected = [.. Enumerable.Range(1, surviving).Select(i => Entry((ulong)i, bytes: 10 + (i % 5)))];
        Same.Entries(expected, replica.State.Entries.Span);
        LogEntry[] more = Entries((ulong)surviving + 1, 2, term: 99);
        replica.Write(more);
        machine.Reopen();
        Same.Entries([.. expected, .. more], machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void Cut_at_every_byte_of_the_last_batches_all_before_the_cut_is_there_and_writing_goes_on()
    {
        (SimulatedDisk built, List<int> ends) = Build(6);
        byte[] whole = built.ReadAll(First);
        for (int cut = ends[2]; cut < ends[5]; cut++)
        {
            foreach (bool shortened in (bool[])[false, true])
            {
                SimulatedDisk disk = built.Clone();
                byte[] torn = shortened ? whole[..cut] : [.. whole[..cut], .. new byte[whole.Length - cut]];
                disk.WriteAll(First, torn);
                // A batch whose last bytes are zero anyway, as its padding is, survives a cut there.
                int surviving = ends.FindLastIndex(end => cut >= end - 7
                    && torn.AsSpan(0, Math.Min(end, torn.Length))
                    .SequenceEqual(whole.AsSpan(0, Math.Min(end, torn.Length)))
                    && !whole.AsSpan(Math.Min(end, torn.Length)..end).ContainsAnyExcept((byte)0)
                    && end - torn.Length <= PaddingOf(whole, end));
                ReopenAppendCompare(disk, surviving + 1);
            }
        }
    }

    [Fact]
    public void Every_flipped_bit_of_the_last_batch_looks_like_tearing_and_loses_only_it()
    {
        (SimulatedDisk built, List<int> ends) = Build(4);
        for (int offset = ends[2]; offset < ends[3]; offset++)
        {
            SimulatedDisk disk = built.Clone();
            disk.Rot(First, offset, (byte)(1 << (offset % 8)));
            var machine = new Machine(disk.Clone());
            machine.Open();
            int found = machine.OpenReplica(G1).State.Entries.Length;
            // The padding behind a batch is not covered, and does not matter.
            Assert.True(found == 3 || (found == 4 && offset >= ends[3] - 7), $"{found} at {offset}");
            ReopenAppendCompare(disk, found);
        }
    }

    [Fact]
    public void Every_flipped_bit_of_an_earlier_batch_is_corruption_that_names_file_and_offset()
    {
        (SimulatedDisk built, List<int> ends) = Build(4);
        int refused = 0;
        for (int offset = ends[0]; offset < ends[2]; offset++)
        {
            SimulatedDisk disk = built.Clone();
            disk.Rot(First, offset, (byte)(1 << (offset % 8)));
            byte[] before = disk.ReadAll(First);
            int batch = ends[1] > offset ? 0 : 1;
            var machine = new Machine(disk);
            try
            {
                machine.Open();
                Assert.True(offset >= ends[batch + 1] - 7, $"a flipped bit at {offset} was not noticed");
                machine.Crash();
                ReopenAppendCompare(disk, 4);
            }
            catch (CorruptionException exception)
            {
                refused++;
                Assert.Equal(First, exception.Path);
                Assert.Equal(ends[batch], exception.OffsetBytes);
                Assert.Contains(First, exception.Message, StringComparison.Ordinal);
                Assert.Contains($"{ends[batch]}", exception.Message, StringComparison.Ordinal);
                Assert.Contains("replace this node", exception.Message, StringComparison.Ordinal);
                Assert.Equal(before, disk.ReadAll(First));
            }
        }
        Assert.True(refused > ends[2] - ends[0] - 16);
    }

    [Fact]
    public void What_follows_a_torn_tail_is_zeroed_and_flushed_and_the_cut_is_told()
    {
        (SimulatedDisk built, List<int> ends) = Build(3);
        built.Rot(First, ends[2] - 20);
        built.Rot(First, 9000, 0xff);
        var log = new LogLines();
        var machine = new Machine(built) { Logger = log };
        machine.Open();
        string told = Assert.Single(log.Lines, line => line.StartsWith("Warning", StringComparison.Ordinal));
        Assert.Contains(First, told, StringComparison.Ordinal);
        Assert.Contains($"{ends[1]}", told, StringComparison.Ordinal);
        built.Crash();
        Assert.False(built.ReadAll(First).AsSpan(ends[1]).ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void What_a_killed_process_left_in_the_page_cache_is_flushed_before_it_is_believed()
    {
        (SimulatedDisk built, _) = Build(3);
        var machine = new Machine(built);
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        built.FailNext(DiskOperationKind.Flush, First);
        replica.Submit(Entries(4, 1, bytes: 14));
        machine.Scheduler.RunUntilIdle();
        Assert.Single(replica.Observer.Failures);
        machine.Crash(); // The process ends, the machine goes on.
        machine.Open();
        built.Crash();
        machine.Crash();
        machine.Open();
        Assert.Equal(4, machine.OpenReplica(G1).State.Entries.Length);
    }

    [Fact]
    public void A_missing_segment_is_refused_wherever_it_is()
    {
        var machine = new Machine(segmentBytes: 4096);
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        for (ulong index = 1; index <= 30; index++) replica.Write(Entries(index, 1, bytes: 1000));
        machine.Crash();
        string[] written = [.. machine.Disk.Files.Where(file => file.EndsWith(".log", StringComparison.Ordinal))];
        int prepared = written.Count(file => !machine.Disk.ReadAll(file).AsSpan(64).ContainsAnyExcept((byte)0));
        Assert.True(written.Length > 8);
        Assert.InRange(prepared, 0, 1);
        foreach (string file in written.SkipLast(prepared))
        {
            SimulatedDisk disk = machine.Disk.Clone();
            disk.Remove(file);
            CorruptionException exception = Assert.Throws<CorruptionException>(() => new Machine(disk, 4096).Open());
            Assert.Equal(file, exception.Path);
        }
        // All of them, and a directory whose identity is lost.
        SimulatedDisk empty = machine.Disk.Clone();
        foreach (string file in written) empty.Remove(file);
        Assert.Throws<CorruptionException>(() => new Machine(empty, 4096).Open());
        SimulatedDisk nameless = machine.Disk.Clone();
        nameless.Remove("store");
        Assert.Contains("'store'", Assert.Throws<CorruptionException>(() => new Machine(nameless, 4096).Open()).Message,
            StringComparison.Ordinal);
        new Machine(machine.Disk.Clone(), 4096).Open();
    }

    [Fact]
    public void A_batch_missing_at_the_end_of_a_full_segment_is_corruption()
    {
        var machine = new Machine(segmentBytes: 4096);
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        for (ulong index = 1; index <= 10; index++) replica.Write(Entries(index, 1, bytes: 1000));
        machine.Crash();
        byte[] segment = machine.Disk.ReadAll(First);
        int seal = EndOfLog(segment) - 40;
        segment.AsSpan(seal).Clear();
        machine.Disk.WriteAll(First, segment);
        CorruptionException exception =
            Assert.Throws<CorruptionException>(() => new Machine(machine.Disk, 4096).Open());
        Assert.Equal(First, exception.Path);
        Assert.Equal(seal, exception.OffsetBytes);
    }

    [Fact]
    public void Another_stores_segment_is_refused()
    {
        (SimulatedDisk built, _) = Build(2);
        var other = new Machine();
        other.Open();
        other.Crash();
        // Same shape, another identity.
        var stranger = new Machine();
        stranger.Run(() => NodeStorage.OpenAsync(stranger.Disk,
            stranger.Options with { NewStoreId = () => new Guid(77, 0, 0, new byte[8]) }));
        built.WriteAll(First, stranger.Disk.ReadAll(First));
        CorruptionException exception = Assert.Throws<CorruptionException>(() => new Machine(built).Open());
        Assert.Contains("belongs to store", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_segment_under_anothers_name_is_refused()
    {
        (SimulatedDisk built, _) = Build(2);
        built.WriteAll("log/00000002.log", built.ReadAll(First));
        Assert.Throws<CorruptionException>(() => new Machine(built).Open());
    }

    [Theory]
    [InlineData(First, 2)]
    [InlineData("store", 1)]
    public void A_newer_file_version_is_refused_naming_both(string path, int understood)
    {
        (SimulatedDisk built, _) = Build(2);
        SetVersion(built, path, 9);
        UnsupportedFileVersionException exception =
            Assert.Throws<UnsupportedFileVersionException>(() => new Machine(built).Open());
        Assert.Equal((9, understood), (exception.Found, exception.Understood));
        Assert.Contains(path, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_older_log_is_refused_saying_what_to_do_and_left_alone()
    {
        (SimulatedDisk built, _) = Build(2);
        SetVersion(built, First, 1);
        byte[] before = built.ReadAll(First);
        OutdatedFileVersionException exception =
            Assert.Throws<OutdatedFileVersionException>(() => new Machine(built).Open());
        Assert.Equal((1, 2), (exception.Found, exception.Oldest));
        Assert.Contains(First, exception.Message, StringComparison.Ordinal);
        Assert.Contains("Export the data", exception.Message, StringComparison.Ordinal);
        Assert.Equal(before, built.ReadAll(First));
    }

    private static void SetVersion(SimulatedDisk disk, string path, int version)
    {
        byte[] file = disk.ReadAll(path);
        FileHeader.Seal(file.AsSpan(0, 64), file.AsSpan(0, 8).ToArray(), version);
        disk.WriteAll(path, file);
    }

    [Theory]
    [InlineData(First)]
    [InlineData("store")]
    public void A_flipped_bit_in_any_header_is_refused(string path)
    {
        (SimulatedDisk built, _) = Build(2);
        for (int offset = 0; offset < 64; offset++)
        {
            SimulatedDisk disk = built.Clone();
            disk.Rot(path, offset, 0x40);
            Assert.Throws<CorruptionException>(() => new Machine(disk).Open());
        }
    }

    [Theory]
    [InlineData("notes.txt")]
    [InlineData("log/notes.txt")]
    [InlineData("snapshots/notes.txt")]
    public void A_directory_with_foreign_files_is_refused_and_left_alone(string path)
    {
        (SimulatedDisk built, _) = Build(1);
        built.WriteAll(path, "hello"u8);
        DiskException exception = Assert.Throws<DiskException>(() => new Machine(built).Open());
        Assert.Contains(path, exception.Message, StringComparison.Ordinal);
        Assert.Equal("hello"u8.ToArray(), built.ReadAll(path));
        built.Remove(path);
        new Machine(built).Open();
    }

    [Fact]
    public void A_foreign_directory_is_refused_without_a_trace()
    {
        var disk = new SimulatedDisk();
        disk.WriteAll("photo.jpg", "x"u8);
        Assert.Throws<DiskException>(() => new Machine(disk).Open());
        Assert.Equal(["photo.jpg"], disk.Files);
    }

    [Theory]
    [InlineData(CrashLoss.Everything)]
    [InlineData(CrashLoss.Random)]
    [InlineData(CrashLoss.Nothing)]
    public void A_creation_interrupted_anywhere_is_finished_or_begun_again(CrashLoss loss)
    {
        for (int operations = 0; ; operations++)
        {
            var machine = new Machine(new SimulatedDisk(operations));
            machine.Disk.PowerOffAfter(operations);
            bool finished = false;
            try
            {
                machine.Open();
                finished = true;
            }
            catch (DiskException)
            {
            }
            machine.PowerCrash(loss);
            machine.Open();
            machine.OpenReplica(G1).Write(Entries(1, 1));
            machine.Reopen();
            Assert.Equal(1, machine.OpenReplica(G1).State.Entries.Length);
            if (finished) break;
        }
    }

    [Fact]
    public void A_value_that_looks_like_a_batch_is_not_taken_for_one()
    {
        // An application that stores this very log as a value: its batches come before, or belong to another store.
        (SimulatedDisk built, _) = Build(3);
        var machine = new Machine(built);
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        byte[] copy = built.ReadAll(First)[..1500];
        for (int shift = 0; shift < 8; shift++)
        {
            var payload = new byte[copy.Length + shift];
            copy.CopyTo(payload, shift);
            replica.Write([new LogEntry(new Term(1), new LogIndex(4 + (ulong)shift), EntryKind.Command, payload)]);
        }
        int end = EndOfLog(built.ReadAll(First));
        machine.Crash();
        built.Rot(First, end - 1510); // Tears the last batch: what is left of it are those values.
        machine.Open();
        Assert.Equal(10, machine.OpenReplica(G1).State.Entries.Length);
    }
}
