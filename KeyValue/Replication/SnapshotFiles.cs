using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <summary>Snapshot files to and from group states, in pieces, without touching a replica.</summary>
internal static class SnapshotFiles
{
    private const int PieceBytes = 256 << 10;

    /// <summary>Reads a whole snapshot file into a new state.</summary>
    /// <exception cref="CorruptionException">The file is not what was written.</exception>
    public static async Task<GroupState> LoadAsync(IReplicaStorage storage, SnapshotFile file, StoreLimits limits,
        FaultPoints faults)
    {
        await using ISnapshotReader reader = await storage.OpenSnapshotAsync(file);
        var decoder = new GroupStateDecoder(limits) { Faults = faults };
        byte[] piece = new byte[PieceBytes];
        uint checksum = 0;
        for (long offset = 0; offset < file.LengthBytes;)
        {
            int read = await reader.ReadAsync(offset, piece);
            if (read == 0) break;
            checksum = Crc32C.Append(checksum, piece.AsSpan(0, read));
            decoder.Add(piece.AsSpan(0, read));
            offset += read;
        }
        if (checksum != file.Checksum && !faults.Has(FaultPoint.SnapshotChecksumIgnored))
            throw new CorruptionException($"snapshot {file.Group} {file.Last}", 0,
                $"The snapshot of {file.Group} at {file.Last} has checksum {checksum:x8} instead of "
                + $"{file.Checksum:x8}: the disk damaged it. "
                + "Remove this node's data directory and replace the node, or restore the file.");
        return decoder.Complete();
    }

    /// <summary>Writes a state to a new snapshot file, which no record names yet.</summary>
    /// <exception cref="DiskException">It could not be written and is gone.</exception>
    public static async Task<SnapshotFile> WriteAsync(IReplicaStorage storage, GroupStateSnapshot state, EntryId last)
    {
        var encoder = new GroupStateEncoder(state);
        byte[] piece = new byte[PieceBytes];
        await using ISnapshotWriter writer = await storage.CreateSnapshotAsync(last);
        for (int filled = encoder.Fill(piece); filled > 0; filled = encoder.Fill(piece))
            await writer.WriteAsync(piece.AsMemory(0, filled));
        return await writer.FinishAsync();
    }
}
