using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

/// <summary>One node's storage on a simulated disk, all on the test's thread.</summary>
internal sealed class Machine(SimulatedDisk? disk = null, int segmentBytes = 16 << 10, int? schedulerSeed = null)
    : StorageMachine(schedulerSeed)
{
    private int _storeIds;

    public SimulatedDisk Disk { get; set; } = disk ?? new SimulatedDisk();

    public int SegmentBytes { get; set; } = segmentBytes;

    public ILogger Logger { get; set; } = NullLogger.Instance;

    /// <summary>Changes the options of all openings from here on.</summary>
    public Func<NodeStorageOptions, NodeStorageOptions> Change { get; init; } = options => options;

    public NodeStorageOptions Options => Change(new NodeStorageOptions
    {
        Scheduler = Scheduler,
        Time = Time,
        NewStoreId = () => new Guid(++_storeIds, 0, 0, new byte[8]),
        SegmentBytes = SegmentBytes,
        Logger = Logger,
    });

    public override long Flushes => Disk.Flushes;

    public override int SnapshotsKept =>
        Disk.Files.Count(file => file.StartsWith("snapshots/", StringComparison.Ordinal));

    public override INodeStorage Open() => Storage = Scheduler.Run(() => NodeStorage.OpenAsync(Disk, Options));

    public override void LosePower(CrashLoss loss = CrashLoss.Everything) => Disk.Crash(loss);

    public override T Die<T>(Random random, Func<T> atDeath)
    {
        if (random.Next(3) == 0) Disk.PowerOffAfter(random.Next(6));
        RunSome(random);
        T last = atDeath();
        if (random.Next(4) == 0)
        {
            Crash(); // The process only.
            Disk.Crash(CrashLoss.Nothing);
        }
        else
        {
            PowerCrash(random.Next(3) == 0 ? CrashLoss.Everything : CrashLoss.Random);
        }
        return last;
    }

    public override void CheckBounds(string where)
    {
        StorageStatus status = Storage.Status;
        Assert.True(status.LogBytes < (2 * status.LiveBytes) + (4 * SegmentBytes), $"{where}: {status}");
    }

    public override void HangFlushes() => Disk.HangFlushes("log/");

    public override void ReleaseFlushes() => Disk.ReleaseFlushes();
}
