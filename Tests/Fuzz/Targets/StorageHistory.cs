using System.Buffers.Binary;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Fuzz;

/// <summary>A batch of the log and where it stands.</summary>
internal readonly record struct StoredBatch(
    string Path, int Start, int End, ulong Sequence, ulong FirstSegment, ulong Segment);

/// <summary>The life of a small store: what was durable after each of its batches, and earlier images of its
/// files.</summary>
internal sealed class StorageHistory
{
    public const int SegmentBytes = 4096;

    private readonly SortedDictionary<ulong, string> _contents = [];

    private StorageHistory(byte number) => Number = number;

    public byte Number { get; }

    public StorageImage Image { get; private set; } = null!;

    /// <summary>Images of the same directory at earlier times.</summary>
    public List<StorageImage> Earlier { get; } = [];

    /// <summary>The batches of <see cref="Image"/>, oldest first.</summary>
    public List<StoredBatch> Batches { get; } = [];

    public StoreId Store { get; private set; }

    /// <summary>What was durable once that batch was.</summary>
    public string ContentAfter(ulong sequence)
    {
        string content = "";
        foreach ((ulong at, string then) in _contents)
            if (at <= sequence) content = then;
        return content;
    }

    public static StorageHistory Make(byte number)
    {
        var history = new StorageHistory(number);
        var random = new FuzzRandom(1000UL + number);
        var scheduler = new DeterministicScheduler();
        var disk = new SimulatedDisk();
        NodeStorage storage = Open(scheduler, disk);
        history.Store = storage.StoreId;
        history.Note(disk);
        if (!random.OneIn(4))
            scheduler.Run(() => storage.WriteFormationAsync(random.Bytes(50)).AsTask());
        history.Note(disk);
        var groups = new List<Writer>();
        for (uint group = 1; group <= 1 + random.Below(3); group++)
        {
            groups.Add(new Writer(scheduler.Run(() => storage.OpenReplicaAsync(new GroupId(group), new ReplicaId(group)).AsTask())));
            history.Note(disk);
        }
        if (random.OneIn(4))
        {
            scheduler.Run(() => storage.RetireReplicaAsync(new GroupId(9), new ReplicaId(4)).AsTask());
            history.Note(disk);
        }
        for (int left = 2 + random.Below(random.Of(4, 12, 30)); left > 0; left--)
        {
            if (random.OneIn(6)) history.Earlier.Add(StorageImage.Of(disk, number));
            random.Of([.. groups]).Write(random, scheduler);
            history.Note(disk);
        }
        scheduler.Run(() => storage.CrashAsync().AsTask());
        history.Image = StorageImage.Of(disk, number);
        history.Earlier.Add(history.Image);
        history.FindBatches();
        return history;
    }

    /// <summary>All that a storage holds, in one line that is equal only for equal content.</summary>
    /// <exception cref="CorruptionException">It is damaged.</exception>
    public static string Read(SimulatedDisk disk)
    {
        var scheduler = new DeterministicScheduler();
        return scheduler.Run(async () =>
        {
            await using NodeStorage storage = await NodeStorage.OpenAsync(disk, Options(scheduler));
            var text = new System.Text.StringBuilder();
            text.Append($"store {storage.StoreId.Value} formation ")
                .Append(storage.Formation is { } formation ? Convert.ToHexStringLower(formation.Span) : "none");
            foreach (StoredReplica stored in storage.Replicas)
            {
                text.Append($"\n{stored.Group} removed {stored.Removed}");
                if (stored.Replica.IsNone) continue;
                IReplicaStorage replica = await storage.OpenReplicaAsync(stored.Group, stored.Replica);
                RecoveredReplica found = replica.Recovered;
                text.Append($" {stored.Replica} {found.State.HardState} {found.Snapshot}");
                foreach (LogEntry entry in found.State.Entries.ToArray())
                    text.Append($" {entry.Id} {entry.Kind} {Convert.ToHexStringLower(entry.Payload.Span)}");
                if (found.Snapshot is not { } file) continue;
                await using ISnapshotReader reader = await replica.OpenSnapshotAsync(file);
                byte[] content = new byte[file.LengthBytes];
                await reader.ReadAsync(0, content);
                text.Append($" content {Convert.ToHexStringLower(content)}");
            }
            return text.ToString();
        });
    }

    private static NodeStorage Open(DeterministicScheduler scheduler, SimulatedDisk disk) =>
        scheduler.Run(() => NodeStorage.OpenAsync(disk, Options(scheduler)));

    private static NodeStorageOptions Options(DeterministicScheduler scheduler) => new()
    {
        Scheduler = scheduler,
        Time = new VirtualTime(),
        NewStoreId = () => new Guid(77, 0, 0, new byte[8]),
        SegmentBytes = SegmentBytes,
        Logger = NullLogger.Instance,
    };

    private void Note(SimulatedDisk disk) =>
        _contents[LastSequence(StorageImage.Of(disk, Number))] = Read(disk.Clone());

    private ulong LastSequence(StorageImage image)
    {
        ulong last = 0;
        foreach (StoredBatch batch in BatchesOf(image)) last = Math.Max(last, batch.Sequence);
        return last;
    }

    private void FindBatches() => Batches.AddRange(BatchesOf(Image));

    /// <summary>The batches that are whole and stand where the one before ends.</summary>
    private IEnumerable<StoredBatch> BatchesOf(StorageImage image)
    {
        foreach ((string path, byte[] content) in image.Files)
        {
            if (!path.StartsWith("log/", StringComparison.Ordinal) || !path.EndsWith(".log", StringComparison.Ordinal))
                continue;
            ulong id = BinaryPrimitives.ReadUInt64LittleEndian(content.AsSpan(FileHeader.OwnOffset));
            int offset = LogFormat.SegmentHeaderBytes;
            while (LogFormat.TryReadBatch(content, offset, id, LogFormat.Seed(Store), out BatchHeader header,
                out int length))
            {
                int end = offset + LogFormat.BatchHeaderBytes + length;
                yield return new StoredBatch(path, offset, end, header.Sequence, header.FirstSegment, id);
                offset = LogFormat.Align(end);
                if (header.IsSeal) break;
            }
        }
    }

    /// <summary>One replica that writes as a core does: entries in order, sometimes truncating, sometimes a
    /// snapshot.</summary>
    private sealed class Writer(IReplicaStorage replica) : IPersistenceObserver
    {
        private ulong _last;
        private ulong _snapshot;
        private ulong _number;
        private ulong _term = 1;

        public void Write(FuzzRandom random, DeterministicScheduler scheduler)
        {
            if (_last > _snapshot + 3 && random.OneIn(6))
            {
                scheduler.Run(() => SnapshotAsync(random));
                return;
            }
            ulong first = _last + 1;
            if (random.OneIn(5) && _last > _snapshot)
            {
                _term++;
                first -= (ulong)random.Below((int)Math.Min(4, _last - _snapshot + 1));
            }
            var entries = new LogEntry[1 + random.Below(4)];
            for (int i = 0; i < entries.Length; i++)
            {
                entries[i] = new LogEntry(new Term(_term), new LogIndex(first + (ulong)i), EntryKind.Command,
                    random.Bytes(200));
            }
            _last = entries[^1].Index.Value;
            HardState? state = random.OneIn(2)
                ? new HardState(new Term(_term), new ReplicaId(1), new LogIndex(_last))
                : null;
            replica.Submit(new PersistRequest(++_number, state, null, entries), this);
            scheduler.RunUntilIdle();
        }

        public void Persisted(ulong number)
        {
        }

        public void StorageFailed(Exception failure) => throw failure;

        private async Task SnapshotAsync(FuzzRandom random)
        {
            _snapshot = _last - 2;
            await using ISnapshotWriter writer =
                await replica.CreateSnapshotAsync(new EntryId(new Term(_term), new LogIndex(_snapshot)));
            await writer.WriteAsync(random.Bytes(300));
            await replica.RecordSnapshotAsync(await writer.FinishAsync());
        }
    }
}
