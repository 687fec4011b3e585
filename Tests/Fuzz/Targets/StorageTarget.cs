using System.Buffers.Binary;
using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Fuzz;

/// <summary>
/// Whole data directories: log segments, snapshots, identity. A damaged one opens with exactly what was durable, or
/// less by batches at the end of the log that are all damaged themselves (which looks like tearing), or is refused
/// naming file and offset.
/// </summary>
internal sealed class StorageTarget : FuzzTarget
{
    private const int Histories = 24;

    private readonly StorageHistory?[] _histories = new StorageHistory?[Histories];

    public override string Name => "storage";

    public override int Weight => 2;

    public override bool IsChecksummed => true;

    public override byte[] Generate(FuzzRandom random) => History(random.Below(Histories)).Image.Encode();

    public override byte[] Flip(FuzzRandom random, byte[] input)
    {
        StorageImage image = StorageImage.Decode(input)!;
        string path = random.Of([.. image.Files.Keys]);
        byte[] content = image.Files[path];
        int used = Math.Min(content.Length, content.AsSpan().LastIndexOfAnyExcept((byte)0) + 100);
        image.Files[path] = [.. base.Flip(random, content[..used]), .. content[used..]];
        return image.Encode();
    }

    public override byte[] Mutate(FuzzRandom random, byte[] input, byte[] other)
    {
        StorageImage image = StorageImage.Decode(input)!;
        for (int left = 1 + random.Below(2); left > 0; left--) Change(random, image);
        return image.Encode();
    }

    public override byte[] Repair(byte[] input)
    {
        if (StorageImage.Decode(input) is not { } image) return input;
        image.IsRepaired = true;
        foreach ((string path, byte[] content) in image.Files.ToArray())
        {
            byte[] repaired = [.. content];
            if (repaired.Length >= FileHeader.Bytes)
            {
                int version = BinaryPrimitives.ReadInt32LittleEndian(repaired.AsSpan(8));
                FileHeader.Seal(repaired, content.AsSpan(0, 8), version);
            }
            if (path.StartsWith("log/", StringComparison.Ordinal))
                RepairBatches(repaired, History(image.History % Histories).Store);
            image.Files[path] = repaired;
        }
        return image.Encode();
    }

    public override Reading Read(byte[] input)
    {
        if (StorageImage.Decode(input) is not { } image) return Reading.Refused;
        try
        {
            return new Reading(true, StorageHistory.Read(image.ToDisk()));
        }
        catch (CorruptionException refused)
        {
            // What is missing as a whole has no offset to name.
            bool namesFile = refused.Message.Contains(refused.Path, StringComparison.Ordinal);
            if (!namesFile || (refused.OffsetBytes > 0
                && !refused.Message.Contains($"{refused.OffsetBytes}", StringComparison.Ordinal)))
                throw new FindingException($"'{refused.Message}' does not name file and offset");
            return Reading.Refused;
        }
        catch (Exception refused) when (refused is UnsupportedFileVersionException or OutdatedFileVersionException
            or DiskException)
        {
            return Reading.Refused;
        }
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.Content is not string content || StorageImage.Decode(input) is not { IsRepaired: false } image)
            return;
        StorageHistory history = History(image.History % Histories);
        // An empty directory is a new store's; whoever gave it has to know.
        if (!image.Files.ContainsKey("store")) return;
        // Segments that the last whole batch needs no more mean nothing.
        List<StoredBatch> batches = history.Batches;
        ulong needed = batches.FindLast(batch => IsWhole(history, image, batch)).FirstSegment;
        int torn = batches.FindIndex(batch => batch.Segment >= needed && !IsWhole(history, image, batch));
        if (torn < 0) torn = history.Batches.Count;
        int later = history.Batches.FindIndex(torn, batch => IsWhole(history, image, batch));
        if (later >= 0)
            throw new FindingException($"batch {history.Batches[torn].Sequence} is damaged, "
                + $"{history.Batches[later].Sequence} behind it is whole, and the storage opened all the same");
        string expected = torn == 0 ? "nothing" : history.ContentAfter(history.Batches[torn - 1].Sequence);
        if (content != expected) throw new FindingException($"opened with\n{content}\ninstead of\n{expected}");
    }

    /// <summary>Check has compared the content with what was durable; it may be all of it, where the bit meant
    /// nothing.</summary>
    public override void CheckDamaged(byte[] original, byte[] damaged, Reading reading)
    {
    }

    // Files of a few segments, each held several times over by the disk and by recovery, and the text that is compared.
    public override long AllocationBound(int inputLength) => 2_000_000 + (100L * inputLength);

    private StorageHistory History(int number) => _histories[number] ??= StorageHistory.Make((byte)number);

    private static bool IsWhole(StorageHistory history, StorageImage image, StoredBatch batch) =>
        image.Files.TryGetValue(batch.Path, out byte[]? content) && content.Length >= batch.End
        && content.AsSpan(batch.Start..batch.End)
            .SequenceEqual(history.Image.Files[batch.Path].AsSpan(batch.Start..batch.End));

    private void Change(FuzzRandom random, StorageImage image)
    {
        string[] paths = [.. image.Files.Keys];
        if (paths.Length == 0) return;
        string path = random.Of(paths), other = random.Of(paths);
        byte[] content = image.Files[path];
        int used = content.AsSpan().LastIndexOfAnyExcept((byte)0) + 1;
        switch (random.Below(12))
        {
            case 0: image.Files.Remove(path); break;
            case 1: image.Files[path] = content[..random.Below(content.Length + 1)]; break;
            case 2:
                image.Files[path] =
                    [.. content, .. random.OneIn(2) ? new byte[random.Below(5000)] : random.Bytes(500)];
                break;
            case 3: (image.Files[path], image.Files[other]) = (image.Files[other], image.Files[path]); break;
            case 4: image.Files[path] = image.Files[other]; break;
            case 5:
                string foreign =
                    random.Of($"log/{1 + random.Below(20):D8}.log", path + ".tmp", "log/x", "snapshots/x");
                image.Files[foreign] = content;
                break;
            case 6: TakeEarlier(random, image, path); break;
            case 7:
                int from = random.Below(content.Length + 1), to = Math.Min(content.Length, from + random.Below(200));
                byte[] zeroed = [.. content];
                zeroed.AsSpan(from..to).Clear();
                image.Files[path] = zeroed;
                break;
            default:
                byte[] changed = Mutator.Mutate(random, content[..used], image.Files[other]);
                int common = Math.Min(changed.Length, content.Length);
                image.Files[path] = random.OneIn(2)
                    ? [.. changed, .. content[used..]]
                    : [.. changed[..common], .. content[common..]];
                break;
        }
    }

    /// <summary>A file as it was before, as from a backup or a lost write.</summary>
    private void TakeEarlier(FuzzRandom random, StorageImage image, string path)
    {
        List<StorageImage> earlier = History(image.History % Histories).Earlier;
        if (earlier[random.Below(earlier.Count)].Files.TryGetValue(path, out byte[]? content))
            image.Files[path] = content;
    }

    /// <summary>Recomputes the checksum of every batch, as far as lengths lead from one to the next.</summary>
    private static void RepairBatches(byte[] segment, StoreId store)
    {
        int offset = LogFormat.SegmentHeaderBytes;
        while (segment.Length - offset >= LogFormat.BatchHeaderBytes)
        {
            Span<byte> batch = segment.AsSpan(offset);
            if (!batch.StartsWith(LogFormat.BatchMagic)) return;
            int length = BinaryPrimitives.ReadInt32LittleEndian(batch[32..]);
            if (length < 0 || length > batch.Length - LogFormat.BatchHeaderBytes) return;
            int end = LogFormat.BatchHeaderBytes + length;
            BinaryPrimitives.WriteUInt32LittleEndian(batch[4..], Crc32C.Append(LogFormat.Seed(store), batch[8..end]));
            offset += LogFormat.Align(end);
        }
    }
}
