using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

/// <summary>Batches with right checksums and impossible content, found by <c>Tests/Fuzz</c>: recovery must refuse them,
/// and end.</summary>
public sealed class ForgedLogTests
{
    private static readonly StoreId Store = new(new Guid(1, 2, 3, new byte[8]));

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(ulong.MaxValue)]
    public void A_batch_that_needs_none_of_the_segments_up_to_its_own_is_refused(ulong firstSegment)
    {
        SimulatedDisk disk = Disk((1, [Batch(new BatchHeader(1, 7, firstSegment, IsSeal: false), _ => { })]));
        AssertRefused(disk, offset: 64);
    }

    [Fact]
    public void A_segment_whose_batches_are_older_than_those_before_it_is_refused()
    {
        SimulatedDisk disk = Disk((1, [Batch(new BatchHeader(1, 5, 1, IsSeal: true), _ => { })]),
            (2, [Batch(new BatchHeader(2, 3, 1, IsSeal: false), _ => { })]));
        AssertRefused(disk, offset: 64, "log/00000002.log");
    }

    [Theory]
    [InlineData(1UL << 63)]
    [InlineData(ulong.MaxValue)]
    public void An_index_beyond_all_counting_is_refused(ulong index)
    {
        AssertRefused(Disk((1, [Batch(new BatchHeader(1, 1, 1, IsSeal: false), buffer =>
        {
            buffer.WriteMeta(G1, default, SnapshotEffect.None);
            buffer.WriteEntries(RecordKind.Entries, G1, [Entry(index)]);
        })])), offset: 64);
        AssertRefused(Disk((1, [Batch(new BatchHeader(1, 1, 1, IsSeal: false), buffer =>
            buffer.WriteMeta(G1, new GroupMeta(1, R1, default, default, new SnapshotFile(G1, R1, Id(index), 1, 1)),
                SnapshotEffect.Covers))])),
            offset: 64);
    }

    [Fact]
    public void Truncating_takes_no_more_steps_than_there_are_entries()
    {
        RecoveredLog log = Recover(Disk((1, [Batch(new BatchHeader(1, 1, 1, IsSeal: false), buffer =>
        {
            buffer.WriteMeta(G1, default, SnapshotEffect.None);
            buffer.WriteEntries(RecordKind.Entries, G1, [Entry(long.MaxValue - 1)]);
            buffer.WriteEntries(RecordKind.Entries, G1, Entries(1, 3));
            buffer.WriteEntries(RecordKind.Entries, G1, Entries(2, 1, term: 2));
        })])));
        Assert.Equal([Id(1), Id(2, term: 2)],
            log.Groups[G1].ToRecovered().State.Entries.ToArray().Select(entry => entry.Id));
    }

    private static byte[] Batch(BatchHeader header, Action<LogBuffer> write)
    {
        var buffer = new LogBuffer(LogFormat.Seed(Store));
        buffer.Begin();
        write(buffer);
        return buffer.Seal(header, fileBytes: 0).ToArray();
    }

    private static SimulatedDisk Disk(params (ulong Segment, byte[][] Batches)[] segments)
    {
        var disk = new SimulatedDisk();
        new DeterministicScheduler().Run(() => disk.CreateDirectoryAsync(DataDirectory.LogDirectory).AsTask());
        foreach ((ulong id, byte[][] batches) in segments)
            disk.WriteAll(LogSegment.PathOf(id),
                [.. LogFormat.SegmentHeader(id, Store), .. batches.SelectMany(b => b)]);
        return disk;
    }

    private static RecoveredLog Recover(SimulatedDisk disk) => new DeterministicScheduler().Run(() =>
        new LogRecovery(disk, Store, NullLogger.Instance).RunAsync().AsTask());

    private static void AssertRefused(SimulatedDisk disk, long offset, string path = "log/00000001.log")
    {
        byte[] before = disk.ReadAll(path);
        CorruptionException refused = Assert.Throws<CorruptionException>(() => Recover(disk));
        Assert.Equal((path, offset), (refused.Path, refused.OffsetBytes));
        Assert.Equal(before, disk.ReadAll(path));
    }
}
